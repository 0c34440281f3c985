import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { percentile, type Samples } from "./measure.js";

/** A row of the table: what was measured against what it should be. */
export interface Goal {
  readonly what: string;
  readonly value: number;
  readonly unit: "x" | "ms" | "us" | "MB" | "KB" | "/s";
  /** The value has to stay below. */
  readonly below: number;
  /** How the value came about. */
  readonly note: string;
}

/** Something that could not be measured here. */
export type Skipped = Pick<Goal, "what"> & { readonly reason: string };

/** The table as Markdown, which people read in a terminal too. */
export function formatGoals(goals: readonly Goal[], skipped: readonly Skipped[]): string {
  const rows = goals.map(({ what, value, unit, below, note }) => {
    const gap = unit === "x" ? "" : " ";
    const digits = unit === "x" || unit === "ms" ? 2 : unit === "us" ? 0 : 1;
    const measured = value.toFixed(unit === "ms" && value >= 10 ? 0 : digits);
    return [what, `< ${below}${gap}${unit}`, `${measured}${gap}${unit}`, value < below ? "yes" : "**no**", note];
  });
  const missing = skipped.map(({ what, reason }) => [what, "", "", "skipped", reason]);
  const [head = [], ...cells] = padColumns([["what", "goal", "measured", "met", "how"], ...rows, ...missing]);
  const rule = head.map((cell) => "-".repeat(cell.length));
  return [head, rule, ...cells].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Cells as wide as the widest of their column. */
export function padColumns(rows: readonly (readonly string[])[]): string[][] {
  const width = (column: number) => Math.max(...rows.map((row) => (row[column] ?? "").length));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(width(column))));
}

export interface Report {
  readonly title: string;
  /** The file that was measured. */
  readonly artefact: string;
  readonly rows: ReturnType<typeof toRows>;
}

/** One line for each: microseconds, and how often the floor's they are, by the medians; null for the floor itself. */
export function toRows(samples: readonly Samples[], floor: string) {
  const base = percentile(samples.find(({ name }) => name === floor)?.times ?? [], 50);
  return samples.map(({ name, times, first, cpu }) => ({
    name,
    p50: percentile(times, 50),
    p90: percentile(times, 90),
    p99: percentile(times, 99),
    ratio: name === floor ? null : percentile(times, 50) / base,
    /** The median of those that came first after a pause. */
    first: percentile(first, 50),
    /** The CPU time of its process for one. */
    cpu,
    samples: times.length,
  }));
}

/** A table for people. */
export function formatTable({ title, artefact, rows }: Report): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const header = `${"".padEnd(width)}     p50     p90     p99   x floor   first p50       cpu`;
  const lines = rows.map(({ name, p50, p90, p99, ratio, first, cpu }) => {
    const times = [p50, p90, p99].map((time) => time.toFixed(0).padStart(7)).join(" ");
    return `${name.padEnd(width)} ${times} ${(ratio?.toFixed(2) ?? "").padStart(9)} ${first.toFixed(0).padStart(11)} ${(Number.isNaN(cpu) ? "" : cpu.toFixed(0)).padStart(9)}`.trimEnd();
  });
  return [`${title} (microseconds; ${artefact})`, header, ...lines].join("\n");
}

/** What the figures depend on. */
function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
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

/** Puts the machine in a line and then a text between the marks of a Markdown file; the words around them are written by hand. */
export function writeMeasured(path: string, name: string, content: string): void {
  const { cpu, cpus: count, memoryMb, kernel, node, load } = describeMachine();
  const machine = `${cpu}, ${count} CPUs, ${memoryMb} MB, Linux ${kernel}, Node ${node}, load ${load}`;
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const text = readFileSync(path, "utf8");
  const [before = "", after = ""] = [text.split(begin)[0], text.split(end)[1]];
  writeFileSync(path, `${before}${begin}\n\n${machine}${content}\n\n${end}${after}`);
}
