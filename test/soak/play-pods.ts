import { setTimeout as sleep } from "node:timers/promises";
import type { EventName, EventSubject } from "../../src/nri/events.js";
import type { Container, LinuxResources, PodSandbox } from "../../src/nri/types.js";
import type { EventOrder } from "../../src/tools/runtime/event-order.js";
import type { RuntimePlugin } from "../../src/tools/runtime/runtime-plugin.js";
import type { Random } from "../e2e/testbed/chaos-random.js";
import { endProcess } from "../plugin/processes.js";
import { recordedEvents } from "../support/recorded-events.js";
import { PodHost } from "./pod-host.js";

/** So many pods live side by side. */
const lanes = 8;

/** An event is followed by a mood of some plugin now and then. */
const eventsPerMood = 25;

const cpu = { shares: 512n, cpus: "", mems: "" };
const updated: LinuxResources = { cpu, hugepageLimits: [], unified: {}, devices: [] };

const recorded = recordedEvents("basic-podnet", "StartContainer");

/** The recorded pod, as the n-th of its kind. */
function nthPod(n: number): PodSandbox {
  return { ...recorded.pod, id: nthId("a", n), name: `pod-${n}` };
}

function nthContainer(n: number, which: number): Container {
  const { container } = recorded;
  const id = nthId(`c${which}`, n);
  const linux = container.linux && { ...container.linux, cgroupsPath: `/kubepods/${nthId("a", n)}/${id}` };
  return { ...container, id, podSandboxId: nthId("a", n), ...(linux === undefined ? {} : { linux }) };
}

function nthId(prefix: string, n: number): string {
  return `${prefix}${n.toString(16).padStart(6, "0")}`.padEnd(64, "0");
}

/** The runtime's part: pods and containers that come, change and go, and what the bridge answered to each event. */
export class PodPlayer {
  /** Milliseconds for the answer to each event that was sent. */
  readonly durations: number[] = [];
  /** What an answer was that should not have been. */
  readonly faults: string[] = [];
  /** Creates that were attempted. */
  readonly attempted = { sandboxes: 0, created: 0, started: 0 };
  readonly counts: Partial<Record<EventName, number>> = {};
  refused = 0;
  orphaned = 0;
  #pods = 0;

  constructor(
    private readonly plugin: RuntimePlugin,
    private readonly order: EventOrder,
    private readonly random: Random,
    private readonly bundles: string,
    private readonly callMs: number,
    private readonly putMood: () => void,
  ) {}

  get events(): number {
    return this.durations.length;
  }

  /** Plays whole pods until so many events have been sent in all. */
  async playUntil(events: number): Promise<void> {
    const lane = async () => {
      while (this.events < events) await this.#livePod(this.#pods++);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  async #livePod(n: number): Promise<void> {
    const { random, bundles, order } = this;
    const host = await PodHost.start(bundles, nthPod(n).id);
    try {
      const pod = { ...nthPod(n), pid: host.pid };
      this.attempted.sandboxes++;
      if (await this.#send("RunPodSandbox", { pod })) {
        const containers = Array.from({ length: random.between(1, 3) }, (_, which) => nthContainer(n, which));
        const each = containers.map((container) => this.#liveContainer(host, pod, container));
        const left = (await Promise.all(each)).flatMap((container) => container ?? []);
        if (random.next() < 0.05) {
          // Its delete comes without an event, or with the one that may come at the same moment.
          this.orphaned++;
          endProcess(host.pid);
          order.ended(pod.id);
          await sleep(random.between(0, 40));
        }
        await this.#inEitherOrder(
          () => this.#send("StopPodSandbox", { pod }),
          () => endProcess(host.pid),
        );
        order.ended(pod.id);
        for (const container of left) await this.#send("RemoveContainer", { pod, container });
      }
      endProcess(host.pid);
      // The kubelet stops again what it does not know to be stopped.
      if (random.next() < 0.1) await this.#send("StopPodSandbox", { pod });
      await this.#send("RemovePodSandbox", { pod });
    } finally {
      await host.close();
    }
  }

  /** Gives the container when nobody stopped it before its pod. */
  async #liveContainer(host: PodHost, pod: PodSandbox, plain: Container): Promise<Container | undefined> {
    const { random } = this;
    host.addContainerBundle(plain.id);
    this.attempted.created++;
    const unstarted = { pod, container: { ...plain, pid: 0 } };
    if (!(await this.#send("CreateContainer", unstarted)) || random.next() < 0.03) {
      await this.#send("RemoveContainer", unstarted);
      return undefined;
    }
    const container = { ...plain, pid: await host.startContainer() };
    const subject = { pod, container };
    this.attempted.started++;
    const started = await this.#send("StartContainer", subject);
    for (let updates = started ? random.between(0, 2) : 0; updates > 0; updates--) {
      await this.#send("UpdateContainer", { ...subject, linuxResources: updated });
    }
    if (started && random.next() < 0.3) return container;
    await this.#inEitherOrder(
      () => this.#send("StopContainer", subject),
      () => endProcess(container.pid),
    );
    await this.#send("RemoveContainer", subject);
    return undefined;
  }

  /** Runtimes tell of a stop before, or after, the process has ended. */
  async #inEitherOrder(tell: () => Promise<unknown>, end: () => void): Promise<void> {
    const first = this.random.next() < 0.5;
    if (first) end();
    await tell();
    if (!first) end();
  }

  /** Sends what the runtime sends; gives whether it goes on with the pod or container. */
  async #send(name: EventName, subject: EventSubject): Promise<boolean> {
    const event = { name, ...subject };
    if (!this.order.sends(event)) return false;
    const { dropped, error, durationMs, method } = await this.plugin.call(name, subject);
    if (method === undefined) throw new Error(`the bridge has not asked for ${name}`);
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.durations.push(durationMs);
    if (this.events % eventsPerMood === 0) this.putMood();
    if (dropped) throw new Error(`${name} was not answered: ${error?.message}`);
    if (durationMs >= this.callMs) this.faults.push(`${name} was answered after ${durationMs} ms`);
    if (error === undefined) return true;
    this.refused++;
    const mayFail = /^(Run|Create|Start|Update)/.test(name);
    if (!mayFail || !pluginSaidNo.test(error.message)) this.faults.push(`${name}: ${error.code}: ${error.message}`);
    this.order.failed(event);
    return this.order.sends(event);
  }
}

/** As it should be: a plugin with moods is named. */
const pluginSaidNo = /^nri invoke: plugin: (shaper|victim|ahead): /;
