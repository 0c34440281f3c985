import { fstatSync } from "node:fs";
import { attempt } from "../base/errors.js";
import type { LogDestination } from "./log.js";
import { severityOf } from "./log-destination.js";

interface TextOptions {
  /** For a terminal. */
  readonly colours: boolean;
  /** For a stream that the journal reads: it has the time already, and takes `<n>` at the start for the severity. */
  readonly forJournal: boolean;
}

/** A log for people: each JSON line becomes `time LEVEL sentence key=value…`, on one line whatever a plugin printed. */
export function createTextDestination(to: LogDestination, options: TextOptions): LogDestination {
  return {
    write: (line) => to.write(`${formatTextLine(line.trimEnd(), options)}\n`),
    close: () => to.close?.(),
  };
}

/** How the log looks best on standard error as it is here. */
export function textOptionsFor(environment: Readonly<Record<string, string | undefined>>, isTerminal: boolean) {
  return { colours: isTerminal && !environment.NO_COLOR, forJournal: isJournal(environment.JOURNAL_STREAM) };
}

/** systemd sets JOURNAL_STREAM to the device and inode of the stream it made; a redirected one is another. */
function isJournal(stream: string | undefined): boolean {
  const stats = attempt(() => fstatSync(2));
  return stats !== undefined && stream === `${stats.dev}:${stats.ino}`;
}

/** What stands first, in this order; the rest follows as the code gave it. */
const leading: readonly string[] = [
  "event",
  "pod",
  "container",
  "state",
  "plugin",
  "plugins",
  "outcome",
  "answer",
  "line",
  "error",
];

const levelColours: Readonly<Record<string, number>> = { error: 31, fatal: 31, warn: 33, info: 32 };

/** One line of the log as text. What is no JSON object stays as it is. */
export function formatTextLine(line: string, { colours, forJournal }: TextOptions): string {
  const entry = parseObject(line);
  if (entry === undefined) return line;
  const { level: named, time, msg, pid, ...rest } = entry;
  const level = typeof named === "string" ? named : "info";
  const paint = (code: number, text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const fields: [string, unknown][] = leading.flatMap((key) => (Object.hasOwn(rest, key) ? [[key, rest[key]]] : []));
  fields.push(...Object.entries(rest).filter(([key]) => !leading.includes(key)));
  // The log's own pid says nothing; a container's does.
  if (pid !== process.pid) fields.push(["pid", pid]);
  const shown = fields.filter(([, value]) => value !== null && value !== undefined);
  const label = paint(levelColours[level] ?? 2, level.toUpperCase().padEnd(5));
  const start = forJournal ? `<${severityOf(level)}>` : `${typeof time === "string" ? time : ""} ${label} `;
  const pairs = shown.map(([key, value]) => ` ${paint(2, `${formatText(key)}=`)}${formatValue(value)}`);
  return `${start}${typeof msg === "string" ? escapeControls(msg) : ""}${pairs.join("")}`;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  const value = attempt((): unknown => JSON.parse(line));
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** Text bare where it can be; a list with commas; an object in a list as its values, `clearcfs:ok:1.2`. */
function formatValue(value: unknown): string {
  if (typeof value === "string") return formatText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (!Array.isArray(value)) return escapeControls(JSON.stringify(value));
  return value.map((element) => (isFlat(element) ? formatFlat(element) : formatValue(element))).join(",");
}

function formatFlat(element: object): string {
  return Object.values(element).map(formatValue).join(":");
}

function isFlat(value: unknown): value is object {
  return (
    typeof value === "object" && value !== null && Object.values(value).every((inner) => typeof inner !== "object")
  );
}

function formatText(text: string): string {
  return /^[\p{L}\p{N}_./@+:%*()~-]+$/u.test(text) ? text : escapeControls(JSON.stringify(text));
}

/** What would move a terminal's cursor, or break the line: JSON leaves the C1 controls, line separators and bidi marks. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
