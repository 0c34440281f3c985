import type { Facts } from "./facts.js";

/** How much a finding matters: an error keeps plugins from running, a warning may, an info is worth knowing. */
type Severity = "error" | "warning" | "info";

export interface Finding {
  /** Stable, for machines. */
  readonly id: string;
  readonly severity: Severity;
  /** The fact. */
  readonly what: string;
  /** Why it matters to plugins. */
  readonly why: string;
  /** The remedy: file, line and value of a setting, and the unit to reload; a command only where it can do no harm (chmod, mv). */
  readonly fix: string;
  /** `file:line`, `file:line:column` or a path. */
  readonly where: string;
}

/** The verb: `doctor`, `doctor --migrate`, `check`. */
export type Verb = "doctor" | "migrate" | "check";

type Of<S, T> = T | ((subject: S, facts: Facts) => T);

interface Given<S> {
  /** Its subject: one thing, several, or none. */
  readonly when: (facts: Facts) => S | readonly S[] | false | undefined;
  /** Where it depends on the subject, and is not that of the row. */
  readonly severity?: Of<S, Severity>;
  readonly what: Of<S, string>;
  readonly why: Of<S, string>;
  readonly fix: Of<S, string>;
  /** Its own `where` or `path`, or itself, unless this says another place. */
  readonly where?: Of<S, string>;
}

export interface Row {
  readonly id: string;
  readonly verbs: readonly Verb[];
  /** Its findings; of a group of rows that share `told` each thing is told by the first one alone. */
  readonly find: (facts: Facts, told: Set<unknown>) => readonly Finding[];
}

/** Rows; an inner list is a group in which the first row that is about a thing hides the later ones. */
export type Table = readonly (Row | readonly Row[])[];

/** How a row of these verbs is written. */
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

/** When a row is about this subject, where there is one, and that is true of it. */
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
