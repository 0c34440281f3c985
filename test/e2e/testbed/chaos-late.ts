import type { LogLine } from "./bridge.js";
import type { Outage } from "./chaos-story.js";

/** The runtime's limit for a call, in milliseconds: its default. */
const callMs = 2_000;

/** The bridge's answer leaves at least this long before that (src/nri/answer-in-time.ts). */
const marginMs = 50;

const lookMs = 10;

/** Notices when this machine gave a process no processor for longer than the bridge's margin. */
export class Starvation {
  private readonly times: { readonly atMs: number; readonly ms: number }[] = [];
  private last = Date.now();
  private readonly timer = setInterval(() => {
    const atMs = Date.now();
    const ms = atMs - this.last - lookMs;
    if (ms > marginMs) this.times.push({ atMs, ms });
    this.last = atMs;
  }, lookMs).unref();

  stop(): void {
    clearInterval(this.timer);
  }

  /** The longest of the times that lie in a call which began before and ended at this time; 0 when there is none. */
  longestMs(endedAtMs: number): number {
    const within = this.times.filter(({ atMs }) => atMs > endedAtMs - callMs && atMs <= endedAtMs + marginMs);
    return Math.max(0, ...within.map(({ ms }) => ms));
  }
}

export interface Drop extends Outage {
  readonly starvedMs: number;
}

/** When the runtime dropped the bridge, since it answered a call too late: lost connections that nothing of the story explains. */
export function findDrops(log: readonly LogLine[], outages: readonly Outage[], starvation: Starvation): Drop[] {
  const saying = (sentence: string) =>
    log.filter(({ msg }) => msg === sentence).map(({ time }) => Date.parse(String(time)));
  const configured = saying("configured by the runtime");
  const lost = saying("not connected to the runtime: the bridge tries again");
  const explained = (atMs: number) =>
    outages.some(({ fromMs, untilMs }) => atMs > fromMs - marginMs && atMs < untilMs + marginMs);
  return lost
    .filter((atMs) => !explained(atMs))
    .map((atMs) => ({
      why: "bridge dropped",
      fromMs: atMs - callMs,
      untilMs: configured.find((ms) => ms > atMs) ?? Number.POSITIVE_INFINITY,
      starvedMs: starvation.longestMs(atMs),
    }));
}

/** What took longer than the call has, and sandboxes whose create failed; where the runtime is not told, they are held. */
export function lateIn(chains: readonly LogLine[]) {
  const of = (state: string) => chains.filter((chain) => chain.state === state);
  const refused = of("create").filter(({ event, answer }) => event === "RunPodSandbox" && answer !== "ok");
  const again = of("create").filter(({ event, container }) => event !== "RunPodSandbox" && container === undefined);
  return {
    createsOutOfTime: of("create").filter(({ plugins }) => JSON.stringify(plugins).includes("timed-out")).length,
    deletesRunOn: of("delete").filter(({ totalMs }) => Number(totalMs) > callMs).length,
    sandboxesRefused: refused.length,
    heldCreatedAgain: again.length,
  };
}
