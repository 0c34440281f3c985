import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

import { percentile, type Samples } from "./measure.js";

/** One line of a result: microseconds, and how often the floor's they are. */
export interface Row {
  readonly name: string;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /** Of the medians; null for a floor itself. */
  readonly ratio: number | null;
  /** The median of those that came first after a pause. */
  readonly first: number;
  /** The measuring side's main thread, in microseconds at the median. */
  readonly busy: number;
  readonly samples: number;
}

export interface Report {
  readonly title: string;
  /** The file that was measured, such as that of the FFI library. */
  readonly artefact: string;
  readonly rows: readonly Row[];
}

/** Rows of samples measured together; `floor` names the one that all are compared with. */
export function toRows(samples: readonly Samples[], floor: string): Row[] {
  const base = samples.find(({ name }) => name === floor);
  const baseTime = base === undefined ? Number.NaN : percentile(base.times, 50);
  return samples.map(({ name, times, first, busy }) => ({
    name,
    p50: percentile(times, 50),
    p90: percentile(times, 90),
    p99: percentile(times, 99),
    ratio: name === floor ? null : percentile(times, 50) / baseTime,
    first: percentile(first, 50),
    busy: percentile(busy, 50),
    samples: times.length,
  }));
}

/** A table for people. */
export function formatTable({ title, artefact, rows }: Report): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const header = `${"".padEnd(width)}     p50     p90     p99   x floor   first p50   our thread`;
  const lines = rows.map(({ name, p50, p90, p99, ratio, first, busy }) => {
    const times = [p50, p90, p99].map((time) => time.toFixed(0).padStart(7)).join(" ");
    return `${name.padEnd(width)} ${times} ${(ratio?.toFixed(2) ?? "").padStart(9)} ${first.toFixed(0).padStart(11)} ${busy.toFixed(0).padStart(12)}`;
  });
  return [`${title} (microseconds; ${artefact})`, header, ...lines].join("\n");
}

/** What the figures depend on. */
export function describeMachine(): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    cpus: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    arch: process.arch,
    // What else runs: far above the number of CPUs the figures say more of that than of us.
    load: Math.round(loadavg()[0] ?? 0),
  };
}

/** Writes what was measured, with the machine that it was measured on. */
export function writeJson(path: string, results: object): void {
  writeFileSync(path, `${JSON.stringify({ machine: describeMachine(), ...results }, null, 2)}\n`);
}

/** Puts the tables between the marks of a Markdown file; the words around them are written by hand. */
export function writeTable(path: string, goals: string, reports: readonly Report[], artefact: string): void {
  const tables = reports.map((report) => `\`\`\`\n${formatTable(report)}\n\`\`\``).join("\n\n");
  writeMeasured(path, "measured", `${formatMachine()}; ${artefact}.\n\n${goals}\n\n${tables}`);
}

/** The machine in a line. */
export function formatMachine(): string {
  const { cpu, cpus: count, memoryMb, kernel, node, load } = describeMachine();
  return `${cpu}, ${count} CPUs, ${memoryMb} MB, Linux ${kernel}, Node ${node}, load ${load}`;
}

/** Puts a text between the marks of a name. */
export function writeMeasured(path: string, name: string, content: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const text = readFileSync(path, "utf8");
  const [before = "", after = ""] = [text.split(begin)[0], text.split(end)[1]];
  writeFileSync(path, `${before}${begin}\n\n${content}\n\n${end}${after}`);
}
