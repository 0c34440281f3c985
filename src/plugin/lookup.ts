import { type Stats, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import { quoteText } from "../v01/gojson/quote.js";
import { errorCode, formatStartError } from "./go-errors.js";

export interface LookupOptions {
  /** The directories in which legacy plugins are installed, in the order of the search. */
  readonly pluginDirs: readonly string[];
  /** The PATH that the plugins get, colon-separated. */
  readonly path: string;
  /** `path-first` is containerd 1.6's order: a system executable wins over a plugin of the same name. */
  readonly lookup: "plugin-dirs-first" | "path-first";
  /** `plugin-dirs`: findPlugin does not search PATH, and refuses a type with a slash. */
  readonly types: "any" | "plugin-dirs";
  /** Maps a path of the node to the path at which this process finds it, as when a root directory holds the node's files. */
  readonly locate?: (path: string) => string;
}

export type Lookup =
  | {
      readonly ok: true;
      /** The absolute path. Links are not resolved, since a plugin may choose its behaviour by the link's name. */
      readonly path: string;
      /** Other executables of this name, which another lookup order would have run. */
      readonly shadowed: readonly string[];
    }
  | {
      readonly ok: false;
      readonly reason: "not-found" | "not-executable" | "refused";
      /** containerd 1.6's error text, without the leading `plugin: <type>: `. */
      readonly error: string;
      /** Help that containerd 1.6 did not give: the path of a file of this name that is not executable, or a remedy. */
      readonly hint: string | null;
    };

/** Finds the executable of a legacy plugin by its `type`, as Go's os/exec did for containerd 1.6. */
export function findPlugin(type: string, options: LookupOptions): Lookup {
  // compat: os/exec refuses an empty name with its own text.
  if (type === "") return notFound("exec: no command");
  if (type.includes("/")) return findByPath(type, options);
  const order = searchOrder(options);
  let hint: string | null = null;
  for (const [index, directory] of order.entries()) {
    const path = join(directory, type);
    const found = statExecutable(path, options);
    if (typeof found === "object") return foundIn(order.slice(index + 1), type, path, found, options);
    if (found === "EACCES") hint ??= `${path} is a directory, or a file without an execute bit`;
  }
  const where = options.types === "any" ? "$PATH" : options.pluginDirs.join(":");
  return { ...notFound(`exec: ${quoteText(type)}: executable file not found in ${where}`), hint };
}

/**
 * Creates a `findPlugin` for use at each event.
 * @param onShadowed called once for each path found that hides other executables of its name
 */
export function createFinder(options: LookupOptions, onShadowed = (_: object) => {}): (type: string) => Lookup {
  const told = new Map<string, string>();
  return (type) => {
    const lookup = findPlugin(type, options);
    if (lookup.ok && told.get(type) !== lookup.path) {
      const { path, shadowed } = lookup;
      told.set(type, path);
      if (shadowed.length > 0) onShadowed({ plugin: type, path, shadowed });
    }
    return lookup;
  };
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
  const found = statExecutable(path, options);
  if (typeof found === "object") return { ok: true, path, shadowed: [] };
  return {
    ok: false,
    reason: found === "EACCES" ? "not-executable" : "not-found",
    // compat: filepath.Base("/") is "/", so this one type is looked up as a name.
    error: type === "/" ? `exec: ${quoteText(type)}: permission denied` : formatStartError(type, found),
    hint: null,
  };
}

/** The result for a plugin at `path`. `shadowed` searches the directories `behind` that path only when it is read. */
function foundIn(behind: readonly string[], type: string, path: string, stats: Stats, options: LookupOptions): Lookup {
  const isAnother = (found: Stats | string) =>
    typeof found === "object" && (found.dev !== stats.dev || found.ino !== stats.ino);
  return {
    ok: true,
    path,
    get shadowed() {
      return behind.map((directory) => join(directory, type)).filter((at) => isAnother(statExecutable(at, options)));
    },
  };
}

/**
 * The stats of the executable at a path, or the error code that execve would give.
 *
 * compat: os/exec accepts any file that is no directory and has at least one of the three execute bits, for any user.
 */
function statExecutable(path: string, { locate = (own) => own }: LookupOptions): Stats | string {
  try {
    const stats = statSync(locate(path));
    return stats.isDirectory() || (stats.mode & 0o111) === 0 ? "EACCES" : stats;
  } catch (thrown) {
    return errorCode(thrown);
  }
}

function searchOrder(options: LookupOptions): string[] {
  // os/exec resolves a relative or empty element of PATH from the working directory, but refuses to run what it finds there.
  const onPath = options.types === "any" ? options.path.split(":").filter((directory) => isAbsolute(directory)) : [];
  const order =
    options.lookup === "path-first" ? [...onPath, ...options.pluginDirs] : [...options.pluginDirs, ...onPath];
  return [...new Set(order)];
}

function notFound(error: string): Lookup & { readonly ok: false } {
  return { ok: false, reason: "not-found", error, hint: null };
}
