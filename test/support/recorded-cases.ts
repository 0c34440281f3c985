import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** case.json, as far as tests look at it. */
interface CaseFile {
  readonly title: string;
  /** Where the requests and the events were recorded. */
  readonly source: { readonly expected: string; readonly events: string };
  /** The plugin runs in order; `request` names a file, whose bytes are in `runs`. */
  readonly invocations: readonly { readonly plugin: string; readonly state: string; readonly who: string }[];
  readonly criCalls: readonly {
    readonly method: string;
    readonly error?: { readonly codeName: string; readonly details: string };
  }[];
}

/** A recorded scenario of containerd 1.6.20, and one plugin run of it. */
export type Case = ReturnType<typeof readCase>;
export type Run = ReturnType<typeof readRun>;

export const casesDirectory = join(import.meta.dirname, "../../fixtures/cases");

let cases: readonly Case[] | undefined;

/** All 91 of them: 1,300 files, which are read once. */
export function readCases(): readonly Case[] {
  cases ??= readdirSync(casesDirectory).map(readCase);
  return cases;
}

function readCase(name: string) {
  const dir = join(casesDirectory, name);
  const file: CaseFile = JSON.parse(readFileSync(join(dir, "case.json"), "utf8"));
  const { title, source, invocations, criCalls } = file;
  return {
    ...{ name, title, source, invocations },
    /** Whether events of this very scenario were recorded; the others play those of another one. */
    ownEvents: existsSync(join(dir, "events.jsonl")),
    /** The CRI calls of the scenario, by method. */
    calls: criCalls.map((call) => call.method),
    /** conf.json, and what it was replaced by while the scenario ran. */
    confs: listIfThere(dir, ".json")
      .filter((path) => basename(path).startsWith("conf"))
      .map((path) => readFileSync(path)),
    runs: listIfThere(join(dir, "expected/runs"), ".request.json").map((path) => readRun(name, path)),
    errors: criCalls.flatMap(({ method, error }) =>
      error === undefined ? [] : [{ method, code: error.codeName, details: error.details }],
    ),
  };
}

function readRun(caseName: string, path: string) {
  const stem = path.slice(0, -".request.json".length);
  const [, plugin = "", state = "", who = ""] = /^\d+-(.+)-(\w+)-(\w+)$/.exec(basename(stem)) ?? [];
  const stdout = existsSync(`${stem}.stdout`) ? readStdout(`${stem}.stdout`) : Buffer.alloc(0);
  /** Empty for a plugin that did not read its stdin. */
  const request = readFileSync(path);
  return { caseName, file: basename(path), plugin, state, who, request, stdout };
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
