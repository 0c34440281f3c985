import type { CaseReport } from "./run-cases.js";

/** A case as a row for people, with what is wrong below it. */
export function formatRow(report: CaseReport, nameWidth: number): string {
  const { ok, name, title, problem, note, changed, durationMs } = report;
  const lines = [`${ok ? "ok  " : "FAIL"}  ${name.padEnd(nameWidth)}  ${title}  (${durationMs} ms)`];
  if (problem !== null) lines.push(`      ${problem}`);
  if (note !== null) lines.push(`      note: ${note}`);
  for (const file of changed ?? []) lines.push(`      wrote ${file}`);
  return `${lines.join("\n")}\n`;
}

/** The last lines: how many are well, and what could not be seen. */
export function formatSummary(reports: readonly CaseReport[]): string {
  const well = reports.filter(({ ok }) => ok).length;
  const lines = [`\n${well} of ${reports.length} cases are well.`];
  if (reports.some(({ note }) => note !== null)) {
    lines.push(
      "A reported error is a good answer, and a create that is answered so does not start. Where the plugin only misses",
      "its settings or a live process, give them: --conf, --pid, --cgroup-conf.",
    );
  }
  if (reports.every(({ changed }) => changed === null)) {
    lines.push(
      "What the plugin wrote: not observed. --watch compares a directory, --cgroup-conf gives it cgroups to write to.",
    );
  }
  return `${lines.join("\n")}\n`;
}
