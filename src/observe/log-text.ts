import { attempt } from "../base/errors.js";

/** A text line shows these fields first, in this order; the other fields follow in the order of the log call. */
const leading = "event pod container state plugin plugins outcome answer line error".split(" ");

/**
 * Formats a JSON line of the log for people: `time LEVEL sentence key=value…`, always as one line, whatever a plugin printed.
 * Returns a line that is not a JSON object unchanged.
 * @param forJournal leaves out time and level, which the journal stores itself
 */
export function formatTextLine(line: string, forJournal: boolean): string {
  const entry = parseObject(line);
  if (entry === undefined) return line;
  const { level: named, time, msg, pid, ...rest } = entry;
  const level = typeof named === "string" ? named : "info";
  const fields: [string, unknown][] = leading.flatMap((key) => (Object.hasOwn(rest, key) ? [[key, rest[key]]] : []));
  fields.push(...Object.entries(rest).filter(([key]) => !leading.includes(key)));
  // Each entry has the bridge's own pid, which says nothing; a `pid` field of the log call (a container's) replaces it.
  if (pid !== process.pid) fields.push(["pid", pid]);
  const shown = fields.filter(([, value]) => value !== null && value !== undefined);
  const start = forJournal ? "" : `${time ?? ""} ${level.toUpperCase().padEnd(5)} `;
  const pairs = shown.map(([key, value]) => ` ${formatText(key)}=${formatValue(value)}`);
  return `${start}${typeof msg === "string" ? escapeControls(msg) : ""}${pairs.join("")}`;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  const value = attempt((): unknown => JSON.parse(line));
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** Text without quotes where that is unambiguous; a list with commas; a flat object in a list as `clearcfs:ok:1.2`. */
function formatValue(value: unknown): string {
  if (typeof value === "string") return formatText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (!Array.isArray(value)) return escapeControls(JSON.stringify(value));
  const formatElement = (element: unknown) =>
    isFlat(element) ? Object.values(element).map(formatValue).join(":") : formatValue(element);
  return value.map(formatElement).join(",");
}

function isFlat(value: unknown): value is object {
  return (
    typeof value === "object" && value !== null && Object.values(value).every((inner) => typeof inner !== "object")
  );
}

function formatText(text: string): string {
  return /^[\p{L}\p{N}_./@+:%*()~-]+$/u.test(text) ? text : escapeControls(JSON.stringify(text));
}

/**
 * Escapes characters that would move a terminal's cursor, reorder its text or break the line. JSON.stringify leaves the C1
 * controls, line separators and bidi marks as they are.
 */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
