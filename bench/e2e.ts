import { join } from "node:path";
import { parseArgs } from "node:util";

import { isBridgeBuilt } from "../test/e2e/testbed/bridge.js";
import { createRandom } from "../test/e2e/testbed/chaos-random.js";
import { formatTable } from "../test/e2e/testbed/compare.js";
import { removeLeftovers } from "../test/e2e/testbed/leftovers.js";
import { prepareTestbed, type Testbed } from "../test/e2e/testbed/packages.js";
import { type Added, compareMedians } from "./added.js";
import { ContainerStarts, type Subject } from "./e2e-subjects.js";
import { findGoAdapter, noAdapter } from "./go-adapter.js";
import { interleave, percentile, type Samples } from "./measure.js";
import { formatMachine, writeJson, writeMeasured } from "./report.js";

/** What a CRI client waits for when a container starts, on real runtimes: run by `npm run bench:e2e`, as root. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "150" },
    plugins: { type: "string", default: "3" },
    /** Where benchmark-e2e.json and benchmark.md are written; nothing is where it is "". */
    out: { type: "string", default: "docs" },
  },
});

const plugins = Number(values.plugins);
const adapter = findGoAdapter();
/** Rounds before those that count. */
const warmUp = 10;
const subjects: readonly Subject[] = [
  { runtime: "native", runner: "nobody" },
  { runtime: "native", runner: "the runtime" },
  { runtime: "v17", runner: "nobody" },
  { runtime: "v17", runner: "the bridge" },
  ...(adapter === undefined ? [] : [{ runtime: "v17", runner: "the Go adapter" } as const]),
  { runtime: "v2", runner: "nobody" },
  { runtime: "v2", runner: "the bridge" },
];

const prepared = await prepareTestbed();
if (!prepared.ok) fail(`The runtimes cannot run here. Missing: ${prepared.missing.join("; ")}`);
else if (!isBridgeBuilt()) fail("dist/ is not built (npm run build)");
else await measure(prepared.testbed);

function fail(why: string): void {
  console.error(why);
  process.exitCode = 1;
}

async function measure(testbed: Testbed): Promise<void> {
  await removeLeftovers();
  if (adapter === undefined) console.log(`The Go adapter is left out: ${noAdapter}`);
  const running: ContainerStarts[] = [];
  try {
    for (const subject of subjects) running.push(await ContainerStarts.open(testbed, subject, plugins, adapter));
    const times = await measureInTurns(running, Number(values.rounds));
    write(toRows(running, times));
  } finally {
    await Promise.all(running.map(({ daemon }) => daemon.stop()));
    await removeLeftovers();
  }
}

/** Milliseconds of each. Every round in another order: whose removal goes on in the background is not always the same one's to bear. */
async function measureInTurns(running: readonly ContainerStarts[], rounds: number): Promise<Map<object, number[]>> {
  const random = createRandom(1);
  const times = new Map<object, number[]>(running.map((starts) => [starts, []]));
  for (let round = -warmUp; round < rounds; round++) {
    const order = running.map((starts) => ({ starts, at: random.next() })).sort((a, b) => a.at - b.at);
    const candidates = order.map(({ starts }) => starts);
    const samples = await interleave(candidates, { rounds: 1, warmUp: 0, pauseMs: 50 });
    if (round < 0) continue;
    for (const [i, starts] of candidates.entries()) times.get(starts)?.push(...inMs(samples[i]));
  }
  return times;
}

function inMs(samples: Samples | undefined): number[] {
  return (samples?.times ?? []).map((microseconds) => microseconds / 1000);
}

interface Row extends Subject {
  readonly name: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly samples: number;
  /** What the plugins add, over the same runtime without any; null where there are none. */
  readonly added: Added | null;
}

function toRows(running: readonly ContainerStarts[], times: ReadonlyMap<object, readonly number[]>): Row[] {
  return running.map((starts) => {
    const own = times.get(starts) ?? [];
    const { runtime, runner } = starts.subject;
    const base = running.find(({ subject }) => subject.runtime === runtime && subject.runner === "nobody");
    const bare = base && times.get(base);
    const added = bare === undefined || base === starts ? null : compareMedians(own, bare);
    const at = (percent: number) => percentile(own, percent);
    return { name: starts.name, runtime, runner, p50: at(50), p90: at(90), p99: at(99), samples: own.length, added };
  });
}

function write(rows: readonly Row[]): void {
  const title = `StartContainer with ${plugins} tiny plugins, ${values.rounds} times each (milliseconds)`;
  const cells = rows.map(({ name, p50, p90, p99, added }) => [
    name,
    ...[p50, p90, p99].map((ms) => ms.toFixed(1)),
    added === null ? "" : signed(added.median),
    added === null ? "" : `${signed(added.low)} to ${signed(added.high)}`,
  ]);
  const text = `${title}\n${formatTable(["", "p50", "p90", "p99", "added", "in 95 of 100"], cells)}`;
  console.log(text);
  if (values.out === "") return;
  writeJson(join(values.out, "benchmark-e2e.json"), { plugins, rows });
  writeMeasured(join(values.out, "benchmark.md"), "measured e2e", `${formatMachine()}.\n\n\`\`\`\n${text}\n\`\`\``);
}

function signed(ms: number): string {
  return `${ms < 0 ? "" : "+"}${ms.toFixed(1)}`;
}
