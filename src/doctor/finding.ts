/** How much a finding matters: an error keeps plugins from running, a warning may, an info is worth knowing. */
export type Severity = "error" | "warning" | "info";

/** One thing that doctor has to say. */
export interface Finding {
  /** Stable, for machines. */
  readonly id: string;
  readonly severity: Severity;
  /** What is so. */
  readonly what: string;
  /** Why it matters to plugins. */
  readonly why: string;
  /**
   * What to do: for a setting the file and line, what belongs there, and the unit to reload; a command where one mends it that
   * can do no harm (chmod, chown, mv, systemctl). Whoever follows it to the letter makes nothing worse.
   */
  readonly fix: string;
  /** `file:line`, `file:line:column` or a path. */
  readonly where: string;
}

const order = { error: 0, warning: 1, info: 2 } as const satisfies Record<Severity, number>;

/** The worst first; those of one severity in the order that they were found in. */
export function bySeverity(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => order[a.severity] - order[b.severity]);
}

/** How many of each. */
export function countFindings(findings: readonly Finding[]): Readonly<Record<Severity, number>> {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return { error: count("error"), warning: count("warning"), info: count("info") };
}

/** A text as one word of a shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
