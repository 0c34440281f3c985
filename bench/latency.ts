import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RegisteredPlugin } from "./accept.js";
import { BridgeProcess, startBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import { Containers } from "./containers.js";
import { startFloor, startSpawnFloor } from "./floor.js";
import { openPeers } from "./go-adapter.js";
import { type Candidate, interleave, percentile, type Samples } from "./measure.js";
import type { Artefact, Place } from "./place.js";

export const names = {
  raw: "raw round trip, C to C",
  spawn: "posix_spawn of the tiny plugin from C",
  none: "event, no plugin",
  async: "event, one async plugin",
  one: "event, one tiny plugin",
  three: "event, three tiny plugins",
  seccomp: "event, one tiny plugin, a seccomp profile in the bundle",
  portable: "event, one tiny plugin, without koffi.node",
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

/** What is measured against the Go adapter, by its plugins. */
export const versusGo: Readonly<Record<string, readonly string[]>> = {
  ...{ [names.none]: [], [names.one]: ["tiny"], [names.three]: tiny3 },
  ...{ [names.goNone]: [], [names.goOne]: ["tiny"], [names.goThree]: tiny3 },
};

/** Beside events 1 ms apart on a quiet machine: as on a node between two pods, and when all of its CPUs are taken. */
const paces = [
  { gapMs: 20, busy: false, share: 0.3 },
  { gapMs: 50, busy: false, share: 0.12 },
  { gapMs: 1, busy: true, share: 0.4 },
  { gapMs: 20, busy: true, share: 0.2 },
  { gapMs: 50, busy: true, share: 0.12 },
] as const;

export const titleOf = (gapMs: number, busy: boolean) => `Events ${gapMs} ms apart${busy ? ", busy CPUs" : ""}`;

/** Takes every CPU of the machine, at the priority of all others. @returns what ends that */
function takeCpus(): () => void {
  const loops = cpus().map(() => spawn("/bin/sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
  const free = () => void loops.map((loop) => loop.kill("SIGKILL"));
  // Also of a benchmark that fails meanwhile: they would spoil whatever is measured next.
  process.once("exit", free);
  return free;
}

/**
 * Events of no, one and three plugins beside their floors, all in one run; and how long the bridge's main thread is blocked
 * by a run, and by the whole event with it, in milliseconds.
 *
 * @param root only root can make captured views
 */
export async function measureEvents(place: Place, containers: Containers, rounds: number, root: boolean) {
  const floors = [
    // As large as the recorded event and its answer on the wire.
    startFloor(names.raw, place.directory, "echo", ["3760", "30"]),
    startSpawnFloor(names.spawn, place.directory, join(place.binDir, "tiny")),
  ];
  const started: RegisteredPlugin[] = [];
  const start = async (plugins: readonly string[], config: object, ballastMb?: number, artefact?: Artefact) => {
    const probe = ballastMb === undefined ? {} : { probe: { ballastMb } };
    const settings = { name: `b${started.length}`, plugins, config, ...probe, ...(artefact && { artefact }) };
    const files = new BridgeProcess(place, settings);
    const bridge = await files.accept();
    started.push(bridge);
    return { files, bridge };
  };
  const lifeOf = (name: string, bridge: RegisteredPlugin, its = containers) => {
    const inPhaseCreate = name === names.create || name === names.captured;
    const first = inPhaseCreate ? "CreateContainer" : "StartContainer";
    // What happens after the answer is not the next sample's to bear: an observer's run, a new view in reserve.
    const settle = () => (name === names.async ? sleep(5) : inPhaseCreate ? sleep(100) : Promise.resolve());
    return new ContainerLife(name, bridge, its, { first, settle });
  };
  const open = async (name: string, plugins: readonly string[], config = {}) =>
    lifeOf(name, (await start(plugins, config)).bridge);
  const candidates: Candidate[] = [
    ...floors,
    await open(names.none, []),
    await open(names.async, ["tiny"], { plugins: { tiny: { async: true } } }),
    await open(names.one, ["tiny"]),
    await open(names.three, tiny3),
  ];
  const peers = await openPeers(place, containers, {
    [names.goNone]: [],
    [names.goOne]: ["tiny"],
    [names.goThree]: tiny3,
  });
  candidates.push(...peers.candidates);
  const probed = await start(["tiny"], {}, 0);
  const heavy = await start(["tiny"], {}, 450);
  candidates.push(lifeOf(names.heap60, probed.bridge), lifeOf(names.heap450, heavy.bridge));
  const profiled = await Containers.open(place.directory, true);
  candidates.push(lifeOf(names.seccomp, (await start(["tiny"], {})).bridge, profiled));
  candidates.push(lifeOf(names.portable, (await start(["tiny"], {}, undefined, place.portable)).bridge));
  const lives = candidates.filter((candidate) => candidate instanceof ContainerLife);
  // The portable starter takes several times as long.
  await Promise.all(lives.map((life) => warmUp(life, life.name === names.portable ? 300 : undefined)));
  const samples = await interleave(candidates, { rounds, warmUp: 100, pauseMs: 2, burst: 10, gapMs: 1 });
  const paced: { readonly title: string; readonly samples: Samples[] }[] = [];
  const compared = candidates.filter(({ name }) => name === names.spawn || Object.hasOwn(versusGo, name));
  for (const { gapMs, busy, share } of paces) {
    const free = busy ? takeCpus() : () => {};
    const options = { rounds: Math.ceil(rounds * share), warmUp: 10, pauseMs: gapMs, burst: 10, gapMs };
    paced.push({ title: titleOf(gapMs, busy), samples: await interleave(compared, options) });
    free();
  }
  if (root) {
    const create = (cgroup: string) => ({ plugins: { tiny: { phase: "create", cgroup } } });
    const creates = [
      await open(names.create, ["tiny"], create("host")),
      await open(names.captured, ["tiny"], create("capture")),
    ];
    samples.push(...(await interleave(creates, { rounds: Math.ceil(rounds / 8), warmUp: 5, pauseMs: 2 })));
  }
  const blockedBy = async ({ files, bridge }: typeof probed) =>
    measureBlocked(lifeOf("blocked", bridge), async () => (await files.probe(bridge.child)).activeMs);
  const plain = await start([], {}, 0);
  await warmUp(lifeOf(names.none, plain.bridge));
  const event = await blockedBy(probed);
  const blocked = { event, run: event - (await blockedBy(plain)) };
  await Promise.all([...started, ...peers.adapters].map((one) => one.close()));
  for (const floor of floors) floor.close();
  profiled.close();
  return { samples, paced, blocked };
}

/** A bridge runs for weeks: what is measured is what the compiler has made of it by then. */
async function warmUp(life: ContainerLife, lives = 1_500): Promise<void> {
  for (let i = 0; i < lives; i++) await life.whole();
}

/** How long the main thread is busy with an event, in milliseconds, posix_spawn's wait for the child included. */
async function measureBlocked(life: ContainerLife, activeMs: () => Promise<number>): Promise<number> {
  const lives = 300;
  const [before, idle] = [await activeMs(), await activeMs()];
  for (let i = 0; i < lives; i++) await life.whole();
  // Less what the question itself takes.
  return ((await activeMs()) - idle - (idle - before)) / (2 * lives);
}

/** A Python plugin that was started before its event, beside a cold start of it. undefined where there is no Python. */
export async function measurePython(place: Place, containers: Containers, rounds: number) {
  const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find(existsSync);
  if (python === undefined) return undefined;
  const script = join(place.binDir, "snake");
  const text = `#!${python}\nimport json, sys\nsys.stdin.read()\nprint('{"version":"0.1","error":""}')\n`;
  writeFileSync(script, text, { mode: 0o755 });
  const floor = startSpawnFloor(names.python, place.directory, script);
  const config = { plugins: { snake: { startAhead: 1 } } };
  const early = await startBridge(place, { name: "python", plugins: ["snake"], config });
  const plain = await startBridge(place, { name: "python-cold", plugins: ["snake"] });
  const peers = await openPeers(place, containers, { [names.goPython]: ["snake"] });
  const candidates = [
    floor,
    // The next process comes to its read meanwhile.
    new ContainerLife(names.ahead, early, containers, { settle: () => sleep(60) }),
    new ContainerLife(names.cold, plain, containers),
    ...peers.candidates,
  ];
  const samples = await interleave(candidates, { rounds, warmUp: 30, pauseMs: 2 });
  floor.close();
  await Promise.all([early, plain, ...peers.adapters].map((one) => one.close()));
  return samples;
}

/** The median in milliseconds; NaN when it was not measured. */
export function medianMs(samples: readonly Samples[], name: string): number {
  return percentile(samples.find((one) => one.name === name)?.times ?? [], 50) / 1000;
}
