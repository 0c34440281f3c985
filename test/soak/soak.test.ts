import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { percentile } from "../../bench/measure.js";
import { EventOrder } from "../../src/tools/runtime/event-order.js";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { chooseSeed, createRandom } from "../e2e/testbed/chaos-random.js";
import { pidfdsOf } from "../e2e/testbed/chaos-remains.js";
import { judge, type NotedRun } from "../e2e/testbed/chaos-verdict.js";
import { children, until } from "../plugin/processes.js";
import { logLines } from "../robustness/support/log-lines.js";
import { markedProcesses, memoryOf, openDescriptors, zombiesOf } from "../robustness/support/processes.js";
import { TestNode } from "../robustness/support/test-node.js";
import { MoodyPlugins, pluginConfig, plugins, waitingAhead } from "./moody-plugins.js";
import { PodPlayer } from "./play-pods.js";

const events = Number(process.env.SOAK_EVENTS ?? 20_000) / 2;
const callMs = 2_000;
const seed = chooseSeed();

/** Views that are made ahead at most (src/cgroup/keeper.ts): each is a process that keeps it. */
const viewsAhead = 4;

/** Of a journal that is written anew when it is four times as long as it should be, and 256 KiB at least. */
const journalLimit = 1.5 * 2 ** 20;

/** Each with its half of the events, in its order (src/tools/runtime/event-order.ts); the pods are recorded ones of containerd. */
const runtimes = [
  { name: "containerd", version: "v1.7.24" },
  { name: "cri-o", version: "1.37.0" },
] as const;

test.each(runtimes)(
  `${events} events of $name with plugins of every mood: each create has its delete, and nothing is left`,
  async (runtime) => {
    const random = createRandom(seed);
    const node = new TestNode({
      config: { log: { level: "warn" }, states: ["create", "update", "delete"], plugins: pluginConfig },
      runtime: { ...runtime, requestTimeoutMs: callMs },
      limitMs: 900_000,
    });
    const moody = new MoodyPlugins(node, random);
    const { plugin, program, pid } = await node.connect();
    const stateDirectory = join(node.folder, "state");
    const bundles = join(node.folder, "bundles");
    const player = new PodPlayer(plugin, new EventOrder(runtime), random, bundles, callMs, () => moody.putMood());

    const began = performance.now();
    const looks: ReturnType<typeof lookAt>[] = [];
    for (const share of [0.05, 0.25, 0.5, 0.75, 1]) {
      await player.playUntil(events * share);
      // Observers are done, what plugins left has ended, and those that wait for a request are there again.
      const atRest = () => markedProcesses(node.mark).length <= waitingAhead;
      expect(await until(atRest, 20_000), `${markedProcesses(node.mark)} run on`).toBe(true);
      expect(await until(() => zombiesOf(pid).length === 0)).toBe(true);
      looks.push(lookAt(pid, player.events, stateDirectory));
    }
    const seconds = (performance.now() - began) / 1000;

    const noted = moody.noted();
    // A sandbox has no phases: both take it.
    const { sandboxes, created, started } = player.attempted;
    const start = verdict(noted.get("witness"), sandboxes + started);
    const create = verdict(noted.get("witness-create"), sandboxes + created);
    const runs = Object.fromEntries(plugins.map((name) => [name, noted.get(name)?.length]));
    const ms = (share: number) => Number(percentile(player.durations, share).toFixed(1));
    const report = {
      events: player.counts,
      answers: { refused: player.refused, "pause processes lost": player.orphaned },
      ...{ "deliveries in phase start": start, "deliveries in phase create": create },
      ...{ "plugin runs": runs, moods: moody.put },
      "answered after (ms)": { p50: ms(50), p95: ms(95), p99: ms(99), max: ms(100), limit: callMs },
      looks,
    };
    const title = `soak of ${runtime.name}, seed ${seed}: ${player.events} events in ${Math.round(seconds)} s`;
    console.log(
      [title, ...Object.entries(report).map(([what, value]) => `  ${what}: ${JSON.stringify(value)}`)].join("\n"),
    );

    expect(player.faults).toEqual([]);
    expect(player.events).toBeGreaterThanOrEqual(events);
    for (const { faults, creates, deletes, repeated, attempted } of [start, create]) {
      expect(faults.slice(0, 20)).toEqual([]);
      expect({ creates, deletes, repeated }).toEqual({ creates: attempted, deletes: attempted, repeated: 0 });
    }
    // Neither the story nor its trouble is thin.
    expect(player.orphaned).toBeGreaterThan(events / 2_000);
    expect(player.refused).toBeGreaterThan(events / 1_000);
    expect(Object.values(player.counts).length).toBe(8);

    const [first, second] = looks;
    const last = looks.at(-1);
    if (first === undefined || second === undefined || last === undefined) throw new Error("unreachable");
    // The first look is one at what is lent and kept: pipes that plugins' children held for a while are made anew.
    expect(last.descriptors - first.descriptors).toBeLessThanOrEqual(8);
    expect(last.pidfds).toBeLessThanOrEqual(waitingAhead);
    expect(last.rssMb - second.rssMb).toBeLessThan(40);
    expect(Math.max(...looks.map(({ journalBytes }) => journalBytes))).toBeLessThan(journalLimit);
    expect(last.mounts).toEqual(first.mounts);
    expect(last.children).toBeLessThanOrEqual(waitingAhead + viewsAhead);
    // The log says what went wrong, and is not in a state of its own.
    expect(logLines(program).filter(({ level }) => level === "fatal")).toEqual([]);

    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect(markedProcesses(node.mark)).toEqual([]);
    expect(readdirSync(node.temporary)).toEqual([]);
    expect(readdirSync(bundles)).toEqual([]);
    for (const name of readdirSync(stateDirectory))
      expect(name).toMatch(/^((containerd|cri-o)-[0-9a-f]{16}\.journal|lock\.\d+|status\.json)$/);
    expect(readJournalsIn(stateDirectory)).toEqual([]);
  },
);

function lookAt(pid: number, events: number, stateDirectory: string) {
  const journals = readdirSync(stateDirectory).filter((name) => name.endsWith(".journal"));
  return {
    events,
    rssMb: Math.round(memoryOf(pid, "VmRSS")),
    descriptors: openDescriptors(pid),
    pidfds: pidfdsOf(`/proc/${pid}/fd`),
    /** Processes of the bridge's own, and those that wait for a request. */
    children: children(pid).length,
    journalBytes: journals.reduce((sum, name) => sum + statSync(join(stateDirectory, name)).size, 0),
    mounts: readFileSync(`/proc/${pid}/mounts`, "utf8").split("\n").length,
  };
}

function verdict(witnessed: readonly NotedRun[] = [], attempted: number) {
  return { attempted, ...judge({ witnessed, lives: [], outages: [], kills: [], listings: [] }) };
}
