import { type Stats, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import { type Clock, monotonicClock } from "../base/deadline.js";
import { quoteText } from "../v01/gojson/quote.js";
import { errorCode, formatStartError } from "./go-errors.js";

export interface LookupOptions {
  /** Where legacy plugins are installed, in order. */
  readonly pluginDirs: readonly string[];
  /** The PATH that the plugins get, colon-separated. */
  readonly path: string;
  /** `path-first` is the order of containerd 1.6: an executable of the system wins over a plugin of its name. */
  readonly lookup: "plugin-dirs-first" | "path-first";
  /** `plugin-dirs`: no PATH, and no slash in a type. */
  readonly types: "any" | "plugin-dirs";
  /** Where a path is found from here: a node's files may be seen below a root. */
  readonly locate?: (path: string) => string;
}

export type Lookup =
  | {
      readonly ok: true;
      /** Absolute; links are not resolved, so that a link's name selects behaviour. */
      readonly path: string;
      /** Other executables of this name, which another order would have run. */
      readonly shadowed: readonly string[];
    }
  | {
      readonly ok: false;
      readonly reason: "not-found" | "not-executable" | "refused";
      /** containerd 1.6's text, without the `plugin: <type>: ` before it. */
      readonly error: string;
      /** What 1.6 did not say and helps: the file that is there and cannot be run. */
      readonly hint: string | null;
    };

/** Finds the executable of a legacy plugin by its `type`, as Go's os/exec did for containerd 1.6. */
export function findPlugin(type: string, options: LookupOptions): Lookup {
  // compat: os/exec refuses an empty name with its own text.
  if (type === "") return notFound("exec: no command");
  if (type.includes("/")) return findByPath(type, options);
  const found: Executable[] = [];
  let hint: string | null = null;
  for (const directory of searchOrder(options)) {
    const path = join(directory, type);
    const seen = statExecutable(path, options.locate);
    if (seen.executable) found.push({ path, stats: seen.stats });
    else if (seen.present) hint ??= `${path} is no executable file (directory, or no execute bit)`;
  }
  const [first, ...others] = found;
  if (first !== undefined) return { ok: true, path: first.path, shadowed: differingPaths(first, others) };
  const where = options.types === "any" ? "$PATH" : options.pluginDirs.join(":");
  return { ...notFound(`exec: ${quoteText(type)}: executable file not found in ${where}`), hint };
}

/** So long it is not looked at anew what a plugin's name hides, in milliseconds: it is but a warning. */
const shadowsForMs = 10_000;

/** findPlugin for one event after the other: where nothing has changed, one stat for each directory up to the plugin's. */
export function createFinder(options: LookupOptions, clock: Clock = monotonicClock): (type: string) => Lookup {
  const order = searchOrder(options);
  const known = new Map<string, { readonly lookup: Lookup & { readonly ok: true }; readonly until: number }>();
  return (type) => {
    const before = known.get(type);
    if (before !== undefined && clock() < before.until && firstOnPath(type, order) === before.lookup.path) {
      return before.lookup;
    }
    const lookup = findPlugin(type, options);
    if (!lookup.ok || type.includes("/")) known.delete(type);
    else known.set(type, { lookup, until: clock() + shadowsForMs });
    return lookup;
  };
}

function firstOnPath(type: string, directories: readonly string[]): string | undefined {
  for (const directory of directories) {
    const path = join(directory, type);
    if (statExecutable(path).executable) return path;
  }
  return undefined;
}

/** compat: os/exec takes a name with a slash as a path, relative to the working directory, and never looks at PATH. */
function findByPath(type: string, options: LookupOptions): Lookup {
  if (options.types === "plugin-dirs") {
    return {
      ok: false,
      reason: "refused",
      error: `exec: ${quoteText(type)}: a type with a slash is a path, and types: plugin-dirs forbids it`,
      hint: `install the plugin in ${options.pluginDirs.join(" or ")}, or set types: any`,
    };
  }
  const path = isAbsolute(type) ? type : `/${type}`;
  const seen = statExecutable(path, options.locate);
  if (seen.executable) return { ok: true, path, shadowed: [] };
  return {
    ok: false,
    reason: seen.code === "EACCES" ? "not-executable" : "not-found",
    // compat: filepath.Base("/") is "/", so this one type is looked up as a name.
    error: type === "/" ? `exec: ${quoteText(type)}: permission denied` : formatStartError(type, seen.code),
    hint: null,
  };
}

interface Executable {
  readonly path: string;
  readonly stats: Stats;
}

type Seen =
  | { readonly executable: true; readonly stats: Stats }
  | {
      readonly executable: false;
      /** What execve would answer. */
      readonly code: string;
      /** Something of that name is there. */
      readonly present: boolean;
    };

/** compat: os/exec asks for no directory and any of the three execute bits, whoever we are. */
function statExecutable(path: string, locate = (own: string) => own): Seen {
  try {
    const stats = statSync(locate(path));
    if (stats.isDirectory() || (stats.mode & 0o111) === 0) return { executable: false, code: "EACCES", present: true };
    return { executable: true, stats };
  } catch (thrown) {
    return { executable: false, code: errorCode(thrown), present: false };
  }
}

function searchOrder(options: LookupOptions): string[] {
  // A relative element of PATH, or an empty one, means the working directory; Go refuses what it finds there.
  const onPath = options.types === "any" ? options.path.split(":").filter((directory) => isAbsolute(directory)) : [];
  const order =
    options.lookup === "path-first" ? [...onPath, ...options.pluginDirs] : [...options.pluginDirs, ...onPath];
  return [...new Set(order)];
}

function differingPaths(first: Executable, others: readonly Executable[]): string[] {
  return others
    .filter(({ stats }) => stats.dev !== first.stats.dev || stats.ino !== first.stats.ino)
    .map(({ path }) => path);
}

function notFound(error: string): Lookup & { readonly ok: false } {
  return { ok: false, reason: "not-found", error, hint: null };
}
