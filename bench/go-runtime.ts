import { type ChildProcess, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { type ContainerEvent, type EventName, encodeEvent } from "../src/nri/events.js";
import { endProgram } from "./accept.js";
import { BridgeProcess } from "./built-bridge.js";
import type { Containers } from "./containers.js";
import { findGoAdapter, prepareGoAdapter } from "./go-adapter.js";
import type { Samples } from "./measure.js";
import type { Place } from "./place.js";

/** Why it is not measured, in words. */
export const noGoRuntime = "NRI_BENCH_GO_RUNTIME and NRI_BENCH_GO_ADAPTER name no programs, or no root";

/** Containers of one candidate in a row. */
const batch = 10;
const kinds = { S: "StartContainer", T: "StopContainer", R: "RemoveContainer" } as const satisfies Record<
  string,
  EventName
>;

/**
 * Starts and stops of containers one right after the other, each sent and waited for by NRI's own library for runtimes (pkg/adaptation),
 * as in containerd. The program that NRI_BENCH_GO_RUNTIME names has it in it: it listens on the socket of its argument, says `listening`, and
 * `ready` when a plugin is synchronized. On stdin it gets a number of events and each of them: a letter of `kinds`, a size and a
 * StateChangeEvent; then it sends them all, and says for each the microseconds, the letter and the error.
 */
class GoRuntime {
  private readonly lines: AsyncIterator<string>;
  private plugin: ChildProcess | undefined;
  readonly times: number[] = [];

  private constructor(private readonly runtime: ChildProcess) {
    if (runtime.stdout === null) throw new Error("unreachable");
    this.lines = createInterface(runtime.stdout)[Symbol.asyncIterator]();
  }

  static async open(program: string, socketPath: string, start: () => ChildProcess): Promise<GoRuntime> {
    const opened = new GoRuntime(spawn(program, [socketPath], { stdio: ["pipe", "pipe", "ignore"] }));
    await opened.lines.next();
    opened.plugin = start();
    await opened.lines.next();
    return opened;
  }

  async live(containers: readonly ContainerEvent[], keep: boolean): Promise<void> {
    const letters = Object.entries(kinds);
    const events = containers.flatMap((event) =>
      letters.map(([letter, name]) => {
        const { payload } = encodeEvent(name, event, "StateChange");
        const head = Buffer.alloc(5, letter);
        head.writeUInt32LE(payload.length, 1);
        return Buffer.concat([head, payload]);
      }),
    );
    const count = Buffer.alloc(4);
    count.writeUInt32LE(events.length);
    this.runtime.stdin?.write(Buffer.concat([count, ...events]));
    for (const _ of events) {
      const [micros, letter, ...error] = ((await this.lines.next()).value ?? "").split(" ");
      if (error.join(" ") !== "<nil>") throw new Error(`the Go runtime: ${error.join(" ")}`);
      if (keep && letter !== "R") this.times.push(Number(micros));
    }
  }

  async close(): Promise<void> {
    if (this.plugin !== undefined) await endProgram(this.plugin);
    await endProgram(this.runtime);
  }
}

/** Bridges and adapters with these plugins under it, in turn; undefined where the programs are not there. */
export async function measureClosedLoop(
  place: Place,
  containers: Containers,
  rounds: number,
  plugins: Readonly<Record<string, readonly string[]>>,
): Promise<Samples[] | undefined> {
  const { NRI_BENCH_GO_RUNTIME: named } = process.env;
  const adapter = findGoAdapter();
  if (named === undefined || adapter === undefined) return undefined;
  const open = async (name: string, types: readonly string[]) => {
    const ofAdapter = name.startsWith("the Go adapter");
    const folder = `loop-${name.replaceAll(/\W+/g, "-")}`;
    const files = ofAdapter
      ? prepareGoAdapter(adapter, place, folder, types)
      : new BridgeProcess(place, { name: folder, plugins: types });
    return { name, runtime: await GoRuntime.open(resolve(named), join(files.socketPath), () => files.start()) };
  };
  const all = await Promise.all(Object.entries(plugins).map(([name, types]) => open(name, types)));
  // A bridge runs for weeks: the first events are those of a young one.
  for (let round = -Math.ceil(500 / batch); round < rounds / batch; round++) {
    for (const { runtime } of all) {
      const events: ContainerEvent[] = [];
      for (let i = 0; i < batch; i++) events.push(await containers.next());
      await runtime.live(events, round >= 0);
      for (const event of events) {
        await containers.stop(event);
        containers.gone(event);
      }
    }
  }
  await Promise.all(all.map(({ runtime }) => runtime.close()));
  return all.map(({ name, runtime }) => ({ name, times: runtime.times, first: [], cpu: Number.NaN }));
}
