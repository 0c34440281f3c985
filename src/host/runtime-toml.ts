import { dirname, join } from "node:path";
import { parse, TomlError } from "smol-toml";
import { errorText } from "../base/errors.js";
import type { NodeFiles } from "./node-files.js";

/** Something that is wrong in a file. */
export interface ConfigFault {
  readonly where: string;
  readonly text: string;
}

export type TomlTable = Readonly<Record<string, unknown>>;

/** A TOML file of a runtime's configuration. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly table: TomlTable;
}

/** What of a configuration could not be read. */
export interface Unread {
  readonly faults: ConfigFault[];
  readonly unreadable: ConfigFault[];
}

/** Reads a containerd configuration file and those that it imports, in containerd's order. */
export function readWithImports(files: NodeFiles, path: string): Unread & { readonly read: readonly ConfigFile[] } {
  const read: ConfigFile[] = [];
  const unread: Unread = { faults: [], unreadable: [] };
  const pending = [path];
  const seen = new Set<string>();
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const file = readFile(files, next, unread);
    if (file !== undefined) {
      read.push(file);
      pending.push(...importsOf(files, next, textsOf(file.table.imports)));
      // containerd starts without its main file, and does not start without a file that it imports by name.
    } else if (next !== path && !files.mayExist(next)) {
      unread.faults.push({ where: next, text: "it is imported, and is not there" });
    }
  }
  return { read, ...unread };
}

/** Where each version of containerd's file has CRI's runtime handlers. */
const criSections = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"] as const;

/**
 * Gives the name of the controller that makes the sandboxes of a runtime handler of containerd 2.x: `podsandbox`, where its
 * configuration names no other. The handler "" is the default one.
 */
export function readSandboxers(files: NodeFiles, path: string): (handler: string) => string {
  const sandboxers = new Map<string, string>();
  let defaultHandler = "runc";
  for (const { table } of readWithImports(files, path).read) {
    for (const section of criSections) {
      const containerd = tableAt(table, "plugins", section, "containerd");
      if (isName(containerd.default_runtime_name)) defaultHandler = containerd.default_runtime_name;
      for (const handler of Object.keys(tableAt(containerd, "runtimes"))) {
        const { sandboxer } = tableAt(containerd, "runtimes", handler);
        if (isName(sandboxer)) sandboxers.set(handler, sandboxer);
      }
    }
  }
  return (handler) => sandboxers.get(handler === "" ? defaultHandler : handler) ?? "podsandbox";
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** A file that is there and good TOML; what else it is, is noted. */
export function readFile(files: NodeFiles, path: string, unread: Unread): ConfigFile | undefined {
  const text = files.readText(path);
  if (text === undefined) {
    noteRefusal(files, path, unread);
    return undefined;
  }
  try {
    // bigint: an integer past 2^53 is no reason to give the whole file up.
    return { path, text, table: parse(text, { integersAsBigInt: "asNeeded" }) };
  } catch (error) {
    const where = error instanceof TomlError ? `${path}:${error.line}:${error.column}` : path;
    unread.faults.push({ where, text: errorText(error).split("\n")[0] ?? "" });
    return undefined;
  }
}

export function noteRefusal(files: NodeFiles, path: string, { faults, unreadable }: Unread): void {
  const refusal = files.refusal(path);
  if (refusal === "EACCES" || refusal === "EPERM") unreadable.push({ where: path, text: refusal });
  else if (refusal !== undefined && refusal !== "EISDIR" && files.mayExist(path)) {
    faults.push({ where: path, text: `it cannot be read (${refusal})` });
  }
}

/** containerd's resolveImports: relative to the file that imports, `*` matches names in one directory. */
function importsOf(files: NodeFiles, parent: string, imports: readonly string[]): string[] {
  return imports.flatMap((name) => {
    const path = name.startsWith("/") ? name : join(dirname(parent), name);
    if (!path.includes("*")) return [path];
    const pattern = path.slice(path.lastIndexOf("/") + 1);
    const escaped = pattern.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    const matches = new RegExp(`^${escaped.join("[^/]*")}$`);
    const directory = dirname(path);
    return files
      .list(directory)
      .filter((file) => matches.test(file))
      .map((file) => join(directory, file));
  });
}

export function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The table under these keys; an empty one when there is none. */
export function tableAt(table: TomlTable, ...keys: readonly string[]): TomlTable {
  let at: unknown = table;
  for (const key of keys) at = isTable(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  return isTable(at) ? at : {};
}

/** The texts of a list; none when it is no list. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}
