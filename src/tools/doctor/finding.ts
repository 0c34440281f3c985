import type { Facts } from "./facts.js";

/** How much a finding matters: an error keeps plugins from running, a warning may keep them from it, an info is worth knowing. */
type Severity = "error" | "warning" | "info";

export interface Finding {
  /** The name by which scripts match the finding. It does not change between versions. */
  readonly id: string;
  readonly severity: Severity;
  /** What doctor found. */
  readonly what: string;
  /** Why it matters to plugins. */
  readonly why: string;
  /**
   * The remedy: file, line and value of a setting, and the unit to reload. It is a command only where that can do no harm (chmod,
   * mv).
   */
  readonly fix: string;
  /** The place of the fault: `file:line`, `file:line:column` or a path. */
  readonly where: string;
}

/** The command that asks for findings: `doctor`, `doctor --migrate` or `check`. */
export type Verb = "doctor" | "migrate" | "check";

type Of<S, T> = T | ((subject: S, facts: Facts) => T);

interface Given<S> {
  /** The subjects of the row, with one finding for each: one thing, several, or none (false or undefined). */
  readonly when: (facts: Facts) => S | readonly S[] | false | undefined;
  /** Given when the severity depends on the subject; it replaces the row's own severity. */
  readonly severity?: Of<S, Severity>;
  readonly what: Of<S, string>;
  readonly why: Of<S, string>;
  readonly fix: Of<S, string>;
  /** Given when the place is not the default: the subject's `where` or `path`, or the subject itself when it is a string. */
  readonly where?: Of<S, string>;
}

export interface Row {
  readonly id: string;
  readonly verbs: readonly Verb[];
  /**
   * The row's findings about subjects that are not in `told`, to which it adds them. Rows of a group share `told`, so only the
   * first row that finds a subject reports it.
   */
  readonly find: (facts: Facts, told: Set<unknown>) => readonly Finding[];
}

/** Rows and groups of rows. An inner list is a group: the first row that reports a subject hides later rows about it. */
export type Table = readonly (Row | readonly Row[])[];

/** Returns the function that makes the rows for these verbs. */
export function rowOf(...verbs: readonly Verb[]): <S>(id: string, severity: Severity, given: Given<S>) => Row {
  return <S>(id: string, usual: Severity, given: Given<S>): Row => ({
    id,
    verbs,
    find: (facts, told) =>
      toList(given.when(facts)).flatMap((subject) => {
        if (told.has(subject)) return [];
        told.add(subject);
        const text = (value: Of<S, string>) => (typeof value === "function" ? value(subject, facts) : value);
        const { what, why, fix, severity = usual, where = placeOf } = given;
        const level = typeof severity === "function" ? severity(subject, facts) : severity;
        return [{ id, severity: level, what: text(what), why: text(why), fix: text(fix), where: text(where) }];
      }),
  });
}

/** Makes the `when` of rows about one subject: the result of `subjectOf`, if there is one and `holds` is true of it. */
export function given<S>(subjectOf: (facts: Facts) => S | undefined) {
  return (holds: (subject: S, facts: Facts) => boolean) => (facts: Facts) => {
    const subject = subjectOf(facts);
    return subject !== undefined && holds(subject, facts) && subject;
  };
}

function placeOf(subject: unknown): string {
  if (typeof subject === "string") return subject;
  const place = { where: "", path: "", ...Object(subject) };
  return String(place.where || place.path);
}

function toList<S>(subjects: S | readonly S[] | false | undefined): readonly S[] {
  if (subjects === undefined || subjects === false) return [];
  return isList(subjects) ? subjects : [subjects];
}

function isList<S>(subjects: S | readonly S[]): subjects is readonly S[] {
  return Array.isArray(subjects);
}

const order = ["error", "warning", "info"] as const satisfies readonly Severity[];

/** The findings of a table, the worst first; those of one severity in the order of the table. */
export function evaluate(table: Table, facts: Facts, verb: Verb): readonly Finding[] {
  const found = table.flatMap((entry) => {
    const told = new Set<unknown>();
    const rows = "id" in entry ? [entry] : entry;
    return rows.filter(({ verbs }) => verbs.includes(verb)).flatMap((row) => row.find(facts, told));
  });
  return found.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

export function countFindings(findings: readonly Finding[]): Readonly<Record<Severity, number>> {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return { error: count("error"), warning: count("warning"), info: count("info") };
}
