/** A row of the table: what was measured against what it should be. */
export interface Goal {
  readonly what: string;
  readonly value: number;
  readonly unit: "x" | "ms" | "MB";
  /** The value has to stay below. */
  readonly below: number;
  /** How the value came about. */
  readonly note: string;
}

/** Something that could not be measured here. */
export interface Skipped {
  readonly what: string;
  readonly reason: string;
}

export function isMet({ value, below }: Goal): boolean {
  return value < below;
}

export function formatValue({ value, unit }: Pick<Goal, "value" | "unit">): string {
  const digits = unit === "MB" ? 1 : value < 10 ? 2 : 0;
  return unit === "x" ? `${value.toFixed(2)}x` : `${value.toFixed(digits)} ${unit}`;
}

export function formatGoal({ unit, below }: Goal): string {
  return unit === "x" ? `< ${below}x` : `< ${below} ${unit}`;
}

/** The table as Markdown, which people read in a terminal too. */
export function formatGoals(goals: readonly Goal[], skipped: readonly Skipped[]): string {
  const rows = goals.map((goal) => [
    goal.what,
    formatGoal(goal),
    formatValue(goal),
    isMet(goal) ? "yes" : "**no**",
    goal.note,
  ]);
  const missing = skipped.map(({ what, reason }) => [what, "", "", "skipped", reason]);
  const table = [["what", "goal", "measured", "met", "how"], ...rows, ...missing];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  const lines = table.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`);
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
