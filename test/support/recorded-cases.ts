import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** One plugin run of a recorded scenario of containerd 1.6.20. */
export interface Run {
  readonly caseName: string;
  readonly file: string;
  readonly plugin: string;
  readonly state: string;
  readonly who: string;
  /** Empty for a plugin that did not read its stdin. */
  readonly request: Buffer;
  readonly stdout: Buffer;
}

export interface Case {
  readonly name: string;
  readonly title: string;
  /** Where the requests and the events were recorded. */
  readonly source: { readonly expected: string; readonly events: string };
  /** The plugin runs in order; `request` names a file, whose bytes are in `runs`. */
  readonly invocations: readonly { readonly plugin: string; readonly state: string; readonly who: string }[];
  /** Whether events of this very scenario were recorded; the others play those of another one. */
  readonly ownEvents: boolean;
  /** The CRI calls of the scenario, by method. */
  readonly calls: readonly string[];
  /** conf.json, and what it was replaced by while the scenario ran. */
  readonly confs: readonly Buffer[];
  readonly runs: readonly Run[];
  readonly errors: readonly { readonly method: string; readonly code: string; readonly details: string }[];
}

export const casesDirectory = join(import.meta.dirname, "../../fixtures/cases");

let cases: readonly Case[] | undefined;

/** All 91 of them: 1,300 files, which are read once. */
export function readCases(): readonly Case[] {
  cases ??= readdirSync(casesDirectory).map(readCase);
  return cases;
}

function readCase(name: string): Case {
  const dir = join(casesDirectory, name);
  const { title, source, invocations, criCalls } = JSON.parse(readFileSync(join(dir, "case.json"), "utf8"));
  const errors: { method: string; code: string; details: string }[] = [];
  for (const { method, error } of criCalls) {
    if (error !== undefined) errors.push({ method, code: error.codeName, details: error.details });
  }
  return {
    name,
    title,
    source,
    invocations,
    ownEvents: existsSync(join(dir, "events.jsonl")),
    calls: criCalls.map((call: { readonly method: string }) => call.method),
    confs: listIfThere(dir, ".json")
      .filter((file) => basename(file).startsWith("conf"))
      .map((file) => readFileSync(file)),
    runs: listIfThere(join(dir, "expected/runs"), ".request.json").map((file) => readRun(name, file)),
    errors,
  };
}

function readRun(caseName: string, path: string): Run {
  const stem = path.slice(0, -".request.json".length);
  const [, plugin = "", state = "", who = ""] = /^\d+-(.+)-(\w+)-(\w+)$/.exec(basename(stem)) ?? [];
  const stdout = `${stem}.stdout`;
  return {
    caseName,
    file: basename(path),
    plugin,
    state,
    who,
    request: readFileSync(path),
    stdout: existsSync(stdout) ? readStdout(stdout) : Buffer.alloc(0),
  };
}

// The recorder of out-invalid-utf8 kept its U+FFFD encoded twice; the requests after it show the bytes that it printed.
function readStdout(path: string): Buffer {
  const bytes = readFileSync(path);
  return bytes.includes("\u00ef\u00bf\u00bd") ? Buffer.from(bytes.toString(), "latin1") : bytes;
}

function listIfThere(dir: string, ending: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((file) => file.endsWith(ending))
    .sort()
    .map((file) => join(dir, file));
}
