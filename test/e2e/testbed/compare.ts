import type { NormalisedRun } from "./normalise.js";

/** How the plugin runs of one scenario compare with those that they should be. */
export interface Comparison {
  readonly compared: number;
  readonly equal: number;
  /** One sentence per difference. */
  readonly differences: readonly string[];
}

/** Compares two sets of runs: the same plugins for the same things, the same bytes, the same order. */
export function compareRuns(expected: readonly NormalisedRun[], actual: readonly NormalisedRun[]): Comparison {
  const differences: string[] = [];
  const left = keyed(actual);
  let equal = 0;
  for (const [key, run] of keyed(expected)) {
    const other = left.get(key);
    left.delete(key);
    if (other === undefined) differences.push(`${key}: did not run`);
    else if (other.request === run.request) equal++;
    else differences.push(`${key}: ${describeDifference(run.request, other.request)}`);
  }
  for (const key of left.keys()) differences.push(`${key}: ran and should not have`);
  const order = (runs: readonly NormalisedRun[]) => [...keyed(runs).keys()].join(", ");
  if (differences.length === 0 && order(expected) !== order(actual)) {
    differences.push(`order: ${order(actual)}, instead of ${order(expected)}`);
  }
  return { compared: Math.max(expected.length, actual.length), equal, differences };
}

/** Runs by plugin, state and role; a second run of the same gets its number. */
function keyed(runs: readonly NormalisedRun[]): Map<string, NormalisedRun> {
  const map = new Map<string, NormalisedRun>();
  for (const run of runs) {
    const base = `${run.plugin} ${run.state} ${run.who}`;
    let key = base;
    for (let count = 2; map.has(key); count++) key = `${base} #${count}`;
    map.set(key, run);
  }
  return map;
}

function describeDifference(expected: string, actual: string): string {
  let at = 0;
  while (at < expected.length && expected[at] === actual[at]) at++;
  const from = Math.max(0, at - 40);
  return `at byte ${at}: ...${actual.slice(from, at + 80)}... instead of ...${expected.slice(from, at + 80)}...`;
}

/** A table for people: one line per row, columns as wide as their widest cell. */
export function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const table = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
