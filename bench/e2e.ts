import { join } from "node:path";
import { parseArgs } from "node:util";
import { isBridgeBuilt } from "../test/e2e/testbed/bridge.js";
import { createRandom } from "../test/e2e/testbed/chaos-random.js";
import { removeLeftovers } from "../test/e2e/testbed/leftovers.js";
import { prepareTestbed } from "../test/e2e/testbed/packages.js";
import { ContainerStarts, type Subject } from "./e2e-subjects.js";
import { findGoAdapter, noAdapter } from "./go-adapter.js";
import { interleave, percentile, type Samples } from "./measure.js";
import { padColumns, writeJson, writeMeasured } from "./report.js";

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
if (!prepared.ok) throw new Error(`The runtimes cannot run here. Missing: ${prepared.missing.join("; ")}`);
if (!isBridgeBuilt()) throw new Error("dist/ is not built (npm run build)");
await removeLeftovers();
if (adapter === undefined) console.log(`The Go adapter is left out: ${noAdapter}`);
const running: ContainerStarts[] = [];
try {
  for (const subject of subjects) {
    running.push(await ContainerStarts.open(prepared.testbed, subject, plugins, adapter));
  }
  // Whose removal goes on in the background is not always to be the same one's to bear.
  const random = createRandom(1).next;
  const samples = await interleave(running, { rounds: Number(values.rounds), warmUp: 10, pauseMs: 50, random });
  write(toRows(samples));
} finally {
  await Promise.all(running.map(({ daemon }) => daemon.stop()));
  await removeLeftovers();
}

/** In milliseconds. */
function toRows(samples: readonly Samples[]) {
  const timesOf = (at: number) => (samples[at]?.times ?? []).map((microseconds) => microseconds / 1000);
  return running.map((starts, at) => {
    const own = timesOf(at);
    const { runtime, runner } = starts.subject;
    const base = running.findIndex(({ subject }) => subject.runtime === runtime && subject.runner === "nobody");
    // What the plugins add, over the same runtime without any.
    const added = base === at ? null : compareMedians(own, timesOf(base));
    const [p50, p90, p99] = [percentile(own, 50), percentile(own, 90), percentile(own, 99)];
    return { name: starts.name, runtime, runner, p50, p90, p99, samples: own.length, added };
  });
}

/** What one median is above another, and where that would be in 95 of 100 runs: from samples drawn anew, again and again (bootstrap). */
function compareMedians(times: readonly number[], base: readonly number[]) {
  const random = createRandom(1);
  const drawMedian = (from: readonly number[]) =>
    percentile(
      from.map(() => from[random.between(0, from.length - 1)] ?? Number.NaN),
      50,
    );
  const differences = Array.from({ length: 1_000 }, () => drawMedian(times) - drawMedian(base));
  const median = percentile(times, 50) - percentile(base, 50);
  return { median, low: percentile(differences, 2.5), high: percentile(differences, 97.5) };
}

function write(rows: ReturnType<typeof toRows>): void {
  const title = `StartContainer with ${plugins} tiny plugins, ${values.rounds} times each (milliseconds)`;
  const cells = rows.map(({ name, p50, p90, p99, added }) => [
    name,
    ...[p50, p90, p99].map((ms) => ms.toFixed(1)),
    added === null ? "" : signed(added.median),
    added === null ? "" : `${signed(added.low)} to ${signed(added.high)}`,
  ]);
  const table = padColumns([["", "p50", "p90", "p99", "added", "in 95 of 100"], ...cells]);
  const text = [title, ...table.map((row) => row.join("  ").trimEnd())].join("\n");
  console.log(text);
  if (values.out === "") return;
  writeJson(join(values.out, "benchmark-e2e.json"), { plugins, rows });
  writeMeasured(join(values.out, "benchmark.md"), "measured e2e", `.\n\n\`\`\`\n${text}\n\`\`\``);
}

function signed(ms: number): string {
  return `${ms < 0 ? "" : "+"}${ms.toFixed(1)}`;
}
