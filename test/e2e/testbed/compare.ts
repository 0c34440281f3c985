import { findDifferences, type Outcome } from "../../frozen/cases/differences.js";

/** One sentence for each difference: the same plugins for the same things, the same bytes, the same order. */
export function compareRuns(expected: Outcome["runs"], actual: Outcome["runs"]): string[] {
  return findDifferences({ runs: expected, errors: [] }, { runs: actual, errors: [] });
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
