import { shellWord } from "./finding.js";

/** What becomes of one line, counted from 0: another text, nothing, or one more line after it. */
export interface LineChange {
  readonly at: number;
  readonly to: { readonly text: string } | { readonly deleted: true } | { readonly after: string };
}

/** A text with its lines changed. */
export function changeLines(text: string, changes: readonly LineChange[]): string {
  const lines = text.split("\n").flatMap((line, at) => {
    const to = changes.find((change) => change.at === at)?.to;
    if (to === undefined) return [line];
    if ("text" in to) return [to.text];
    return "after" in to ? [line, to.after] : [];
  });
  return lines.join("\n");
}

/**
 * The sed command that changes the lines of a file. A line is found by what stands in it and not by its number, so that
 * commands for one file can be given one after the other. Undefined when a line cannot be told from another.
 */
export function sedCommand(file: string, text: string, changes: readonly LineChange[]): string | undefined {
  const lines = text.split("\n");
  const scripts = changes.map((change) => sedScript(lines, change));
  const whole = scripts.flatMap((script) => (script === undefined ? [] : [script]));
  if (whole.length !== changes.length || whole.length === 0) return undefined;
  const words = whole.map((script) => `'${script.replaceAll("'", "'\\''")}'`);
  const [only = ""] = words;
  return `sed -i ${words.length === 1 ? only : words.map((word) => `-e ${word}`).join(" ")} ${shellWord(file)}`;
}

function sedScript(lines: readonly string[], { at, to }: LineChange): string | undefined {
  const address = addressOf(lines, at);
  // A line of another kind cannot be typed again.
  if (address === undefined || /[^\x20-\x7e\t]/.test(lines[at] ?? "")) return undefined;
  if ("after" in to)
    return lines.filter((line) => line === lines[at]).length === 1 ? `${address}a\\${to.after}` : undefined;
  const does = "text" in to ? `s/.*/${escapeReplacement(to.text)}/` : "d";
  return address.endsWith("{") ? `${address}/${escapePattern(lines[at] ?? "")}/${does}}` : `${address}${does}`;
}

/** The line by its text; where another one has the same, within the table that it stands in. */
function addressOf(lines: readonly string[], at: number): string | undefined {
  const line = lines[at] ?? "";
  const isOnly = (wanted: string) => lines.filter((other) => other === wanted).length === 1;
  if (isOnly(line)) return `/${escapePattern(line)}/`;
  const header = lines.slice(0, at).findLast((other) => /^\s*\[/.test(other));
  return header !== undefined && isOnly(header) ? `/${escapePattern(header)}/,/^[[:space:]]*\\[/{` : undefined;
}

function escapePattern(line: string): string {
  return `^${line.replace(/[\\/.*[\]^$]/g, "\\$&").replaceAll("\t", "\\t")}$`;
}

function escapeReplacement(line: string): string {
  return line.replace(/[\\/&]/g, "\\$&").replaceAll("\t", "\\t");
}
