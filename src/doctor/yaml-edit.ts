import { isDeepStrictEqual } from "node:util";
import { parseDocument } from "yaml";
import { shellWord } from "./finding.js";
import { changeLines, sedCommand } from "./line-edit.js";

/** A line of the bridge's configuration, and the line that it stands under; undefined at the top level. */
interface Step {
  readonly line: string;
  readonly under: string | undefined;
  /** It is there already in many a file, and then not written again. */
  readonly shared: boolean;
}

/**
 * The command that sets a key of a YAML file which has nothing of it yet. Lines are added under those that stand there, and
 * only where they are missing: such commands can be given one after the other, in any order. Undefined where the file has
 * another form, so that a person has to look.
 *
 * @param text the file's, "" where there is none
 * @param value as YAML writes it, in one line
 */
export function setYamlValue(file: string, text: string, path: readonly string[], value: string): string | undefined {
  if (path.some((key) => !/^[A-Za-z0-9._-]+$/.test(key)) || /[\\'\n]/.test(value)) return undefined;
  const steps = stepsTo(path, value);
  const before = parsed(text);
  const after = parsed(steps.reduce(applied, text));
  const wanted = before.ok && withValue(before.value ?? {}, path, parsed(value).value);
  if (!before.ok || wanted === undefined) return undefined;
  if (!after.ok || !isDeepStrictEqual(after.value, wanted)) return replaced(file, text, path, value, wanted);
  return steps.map((step) => commandOf(step, shellWord(file), endsInLine(text))).join("; ");
}

/** The same of a key of the top level that stands there with another value. */
function replaced(
  file: string,
  text: string,
  [key = "", ...deeper]: readonly string[],
  value: string,
  wanted: unknown,
): string | undefined {
  const at = text.split("\n").findIndex((line) => line.startsWith(`${key}:`));
  if (deeper.length > 0 || at < 0) return undefined;
  const changes = [{ at, to: { text: `${key}: ${value}` } }];
  return isDeepStrictEqual(parsed(changeLines(text, changes)).value, wanted)
    ? sedCommand(file, text, changes)
    : undefined;
}

function stepsTo(path: readonly string[], value: string): readonly Step[] {
  return path.map((key, depth) => {
    const last = depth === path.length - 1;
    const indent = "  ".repeat(depth);
    const parent = path[depth - 1];
    return {
      line: last ? `${indent}${key}: ${value}` : `${indent}${key}:`,
      under: parent === undefined ? undefined : `${"  ".repeat(depth - 1)}${parent}:`,
      shared: !last || depth === 0,
    };
  });
}

function commandOf({ line, under, shared }: Step, file: string, ended: boolean): string {
  const add =
    under === undefined
      ? `printf '${ended ? "" : "\\n"}${line.replaceAll("%", "%%")}\\n' >> ${file}`
      : `sed -i '/^${under.replaceAll(".", "\\.")}$/a\\${line}' ${file}`;
  return shared ? `grep -qsx '${line.replace(/[.[\]*^$]/g, "\\$&")}' ${file} || ${add}` : add;
}

/** What commandOf does. */
function applied(text: string, { line, under, shared }: Step): string {
  const lines = text.split("\n");
  if (shared && lines.includes(line)) return text;
  if (under === undefined) return `${text}${endsInLine(text) ? "" : "\n"}${line}\n`;
  return lines.flatMap((old) => (old === under ? [old, line] : [old])).join("\n");
}

function endsInLine(text: string): boolean {
  return text === "" || text.endsWith("\n");
}

function parsed(text: string): { readonly ok: boolean; readonly value: unknown } {
  const document = parseDocument(text);
  return document.errors.length > 0 ? { ok: false, value: undefined } : { ok: true, value: document.toJS() };
}

/** Undefined where something else than a mapping is in the way. */
function withValue(at: unknown, [first = "", ...rest]: readonly string[], value: unknown): object | undefined {
  if (at !== undefined && (typeof at !== "object" || at === null || Array.isArray(at))) return undefined;
  const inner = at === undefined ? undefined : Reflect.get(at, first);
  const set = rest.length === 0 ? value : withValue(inner ?? undefined, rest, value);
  return set === undefined ? undefined : { ...at, [first]: set };
}
