import { join } from "node:path";
import { parseArgs } from "node:util";

import { isBridgeBuilt } from "../e2e/testbed/bridge.js";
import { formatTable } from "../e2e/testbed/compare.js";
import { removeLeftovers } from "../e2e/testbed/leftovers.js";
import { prepareTestbed, type Testbed } from "../e2e/testbed/packages.js";
import { ContainerStarts, type Subject } from "./e2e-subjects.js";
import { findGoAdapter, noAdapter } from "./go-adapter.js";
import { interleave, percentile } from "./measure.js";
import { formatMachine, writeJson, writeMeasured } from "./report.js";

/** What a CRI client waits for when a container starts, on real runtimes: run by `npm run bench:e2e`, as root. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "120" },
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
    const samples = await interleave(running, { rounds: Number(values.rounds), warmUp: 10, pauseMs: 20 });
    write(running.map(({ name, subject }, i) => ({ name, ...subject, ...toMs(samples[i]?.times ?? []) })));
  } finally {
    await Promise.all(running.map(({ daemon }) => daemon.stop()));
    await removeLeftovers();
  }
}

interface Row extends Subject {
  readonly name: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly samples: number;
}

function toMs(times: readonly number[]): Omit<Row, "name" | keyof Subject> {
  const at = (percent: number) => percentile(times, percent) / 1000;
  return { p50: at(50), p90: at(90), p99: at(99), samples: times.length };
}

function write(rows: readonly Row[]): void {
  /** What plugins add at the median, over the same runtime without any. */
  const added = ({ runtime, p50 }: Row) => p50 - (rows.find((row) => row.runtime === runtime)?.p50 ?? Number.NaN);
  const title = `StartContainer with ${plugins} tiny plugins, ${values.rounds} times each (milliseconds)`;
  const cells = rows.map((row) => [
    row.name,
    ...[row.p50, row.p90, row.p99].map((ms) => ms.toFixed(1)),
    row.runner === "nobody" ? "" : `+${added(row).toFixed(1)}`,
  ]);
  const text = `${title}\n${formatTable(["", "p50", "p90", "p99", "added"], cells)}`;
  console.log(text);
  if (values.out === "") return;
  const results = rows.map((row) => ({ ...row, addedMs: row.runner === "nobody" ? null : added(row) }));
  writeJson(join(values.out, "benchmark-e2e.json"), { plugins, results });
  writeMeasured(join(values.out, "benchmark.md"), "measured e2e", `${formatMachine()}.\n\n\`\`\`\n${text}\n\`\`\``);
}
