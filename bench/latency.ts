import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { BuiltBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import { createFloor, createRawFloor, type Floor } from "./floor.js";
import { type Candidate, interleave, percentile, type Samples } from "./measure.js";
import { openPeer } from "./peer.js";
import { type Place, sources } from "./place.js";

/** As large as a request of containerd 1.6 for a container with a conf; as the recorded event and its answer on the wire. */
export const requestBytes = 1_700;
const eventBytes = { request: 3_760, answer: 30 } as const;

export const names = {
  raw: "raw round trip, C to C",
  spawn: "posix_spawn of the tiny plugin from C",
  none: "event, no plugin",
  async: "event, one async plugin",
  one: "event, one tiny plugin",
  three: "event, three tiny plugins",
  heap60: "event, one tiny plugin, probed",
  heap450: "event, one tiny plugin, 450 MB of heap",
  create: "create, one tiny plugin",
  captured: "create, one tiny plugin in a captured view",
  python: "posix_spawn of the Python plugin from C",
  ahead: "event, one Python plugin started ahead",
  cold: "event, one Python plugin",
  goNone: "the Go adapter: event, no plugin",
  goOne: "the Go adapter: event, one tiny plugin",
  goThree: "the Go adapter: event, three tiny plugins",
  goPython: "the Go adapter: event, one Python plugin",
} as const;

const tiny3 = ["tiny", "tiny", "tiny"] as const;

export interface LatencyOptions {
  readonly rounds: number;
  /** Only root can make captured views. */
  readonly root: boolean;
}

export interface Latencies {
  readonly samples: readonly Samples[];
  /** The bridge's main thread, in milliseconds. */
  readonly blocked: Blocked;
}

export interface Blocked {
  /** What a plugin's run adds to an event. */
  readonly run: number;
  /** An event with that run: read, decoded, journalled, run, answered and logged, and its share of a removal. */
  readonly event: number;
}

/** Events of no, one and three plugins beside their floors, all in one run. */
export async function measureEvents(place: Place, containers: Containers, options: LatencyOptions): Promise<Latencies> {
  const { rounds, root } = options;
  const floors = openFloors(place);
  const bridges: BuiltBridge[] = [];
  const start = async (plugins: readonly string[], config: object, ballastMb?: number) => {
    const probe = ballastMb === undefined ? {} : { probe: { ballastMb } };
    const bridge = await BuiltBridge.start(place, { name: `b${bridges.length}`, plugins, config, ...probe });
    bridges.push(bridge);
    return bridge;
  };
  const lifeOf = (name: string, bridge: BuiltBridge) => {
    const inPhaseCreate = name === names.create || name === names.captured;
    const first = inPhaseCreate ? "CreateContainer" : "StartContainer";
    // What happens after the answer is not the next sample's to bear: an observer's run, a new view in reserve.
    const settle = () => (name === names.async ? sleep(5) : inPhaseCreate ? sleep(100) : Promise.resolve());
    return new ContainerLife(name, bridge, containers, { first, settle });
  };
  const open = async (name: string, plugins: readonly string[], config = {}) =>
    lifeOf(name, await start(plugins, config));
  const candidates: Candidate[] = [
    ...floors,
    await open(names.none, []),
    await open(names.async, ["tiny"], { plugins: { tiny: { async: true } } }),
    await open(names.one, ["tiny"]),
    await open(names.three, tiny3),
  ];
  const peer = await openPeer(place, containers, {
    [names.goNone]: [],
    [names.goOne]: ["tiny"],
    [names.goThree]: tiny3,
  });
  candidates.push(...peer.candidates);
  const probed = await start(["tiny"], {}, 0);
  candidates.push(lifeOf(names.heap60, probed), lifeOf(names.heap450, await start(["tiny"], {}, 450)));
  const lives = candidates.filter((candidate) => candidate instanceof ContainerLife);
  await Promise.all(lives.map((life) => warmUp(life)));
  const samples = await interleave(candidates, { rounds, warmUp: 100, pauseMs: 2, burst: 10, gapMs: 1 });
  if (root) {
    const create = (cgroup: string) => ({ plugins: { tiny: { phase: "create", cgroup } } });
    const creates = [
      await open(names.create, ["tiny"], create("host")),
      await open(names.captured, ["tiny"], create("capture")),
    ];
    samples.push(...(await interleave(creates, { rounds: Math.ceil(rounds / 8), warmUp: 5, pauseMs: 2 })));
  }
  const plain = await start([], {}, 0);
  await warmUp(lifeOf(names.none, plain));
  const event = await measureBlocked(lifeOf(names.heap60, probed), probed);
  const blocked = { event, run: event - (await measureBlocked(lifeOf(names.none, plain), plain)) };
  await Promise.all([...bridges, peer].map((one) => one.close()));
  for (const floor of floors) floor.close();
  return { samples, blocked };
}

/** A bridge runs for weeks: what is measured is what the compiler has made of it by then. */
async function warmUp(life: ContainerLife): Promise<void> {
  for (let i = 0; i < 1_500; i++) await life.whole();
}

/** How long the main thread is busy with an event, in milliseconds, posix_spawn's wait for the child included. */
async function measureBlocked(life: ContainerLife, bridge: BuiltBridge): Promise<number> {
  const lives = 300;
  const measure = async (work: () => Promise<void>) => {
    const before = await bridge.probe();
    await work();
    return (await bridge.probe()).activeMs - before.activeMs;
  };
  const own = await measure(async () => {});
  const all = await measure(async () => {
    for (let i = 0; i < lives; i++) await life.whole();
  });
  return (all - own) / (2 * lives);
}

function openFloors(place: Place): Floor[] {
  const tiny = join(place.binDir, "tiny");
  return [
    createRawFloor(names.raw, sources, place.directory, eventBytes),
    createFloor(names.spawn, sources, place.directory, requestBytes, [tiny, "invoke"]),
  ];
}

/** A Python plugin that was started before its event, beside a cold start of it. undefined where there is no Python. */
export async function measurePython(
  place: Place,
  containers: Containers,
  rounds: number,
): Promise<Samples[] | undefined> {
  const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find(existsSync);
  if (python === undefined) return undefined;
  const script = join(place.binDir, "snake");
  const text = `#!${python}\nimport json, sys\nsys.stdin.read()\nprint('{"version":"0.1","error":""}')\n`;
  writeFileSync(script, text, { mode: 0o755 });
  const floor = createFloor(names.python, sources, place.directory, requestBytes, [script, "invoke"]);
  const config = { plugins: { snake: { startAhead: 1 } } };
  const bridge = await BuiltBridge.start(place, { name: "python", plugins: ["snake"], config });
  // The next process comes to its read meanwhile.
  const ahead = new ContainerLife(names.ahead, bridge, containers, { settle: () => sleep(60) });
  const plain = await BuiltBridge.start(place, { name: "python-cold", plugins: ["snake"] });
  const cold = new ContainerLife(names.cold, plain, containers);
  const peer = await openPeer(place, containers, { [names.goPython]: ["snake"] });
  const candidates = [floor, ahead, cold, ...peer.candidates];
  const samples = await interleave(candidates, { rounds, warmUp: 30, pauseMs: 2 });
  floor.close();
  await Promise.all([bridge, plain, peer].map((one) => one.close()));
  return samples;
}

/** The median in milliseconds; NaN when it was not measured. */
export function medianMs(samples: readonly Samples[], name: string): number {
  return percentile(samples.find((one) => one.name === name)?.times ?? [], 50) / 1000;
}
