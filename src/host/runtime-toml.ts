import { dirname, join } from "node:path";
import { parse, TomlError } from "smol-toml";
import { errorText } from "../base/errors.js";
import type { NodeFiles } from "./node-files.js";
import { flagOf } from "./proc.js";

export interface ConfigFault {
  readonly where: string;
  readonly text: string;
}

export type RuntimeName = "containerd" | "cri-o";
export type TomlTable = Readonly<Record<string, unknown>>;

export type RuntimeToml = ReturnType<typeof readRuntimeToml>;

/**
 * Reads the configuration files of a runtime that was started with these arguments and environment variables. `path` is that of the
 * main file, even if the file is missing.
 */
export function readRuntimeToml(
  files: NodeFiles,
  runtime: RuntimeName,
  args: readonly string[],
  environment?: ReadonlyMap<string, string>,
) {
  // The settings of a later file win over those of an earlier one.
  const read: { readonly path: string; readonly text: string; readonly table: TomlTable }[] = [];
  // The files that cannot be read or parsed, and the imported files that are missing.
  const faults: ConfigFault[] = [];
  const usual = runtime === "containerd" ? "/etc/containerd/config.toml" : "/etc/crio/crio.conf";
  // compat: CRI-O's flags win over its variables (internal/criocli/criocli.go, getCrioFlags).
  const variable = (name: string) => (runtime === "cri-o" && environment?.get(name)) || undefined;
  const path = flagOf(args, "--config", "-c") ?? variable("CONTAINER_CONFIG") ?? usual;
  // The loop below adds the files that a file imports, and visits them, too.
  const paths = new Set([path]);
  if (runtime === "cri-o") {
    const directory = flagOf(args, "--config-dir", "-d") ?? variable("CONTAINER_CONFIG_DIR") ?? "/etc/crio/crio.conf.d";
    for (const file of files.walk(directory)) paths.add(file);
    if (files.refusal(directory) === "EACCES")
      faults.push({ where: directory, text: "the directory cannot be read (EACCES)" });
  }
  for (const next of paths) {
    const refusal = files.refusal(next);
    // A missing main file is no fault, as a runtime starts without it; containerd does not start without a file that is imported by
    // name.
    if (refusal === "EISDIR" || (next === path && !files.mayExist(path))) continue;
    const text = files.readText(next);
    if (text === undefined) {
      faults.push({ where: next, text: `the file cannot be read (${refusal})` });
      continue;
    }
    try {
      // Without this option the parser throws for an integer past 2^53, and the whole file would be lost.
      const table = parse(text, { integersAsBigInt: "asNeeded" });
      read.push({ path: next, text, table });
      if (runtime === "containerd") for (const file of importsOf(files, next, textsOf(table.imports))) paths.add(file);
    } catch (error) {
      const where = error instanceof TomlError ? `${next}:${error.line}:${error.column}` : next;
      faults.push({ where, text: errorText(error).split("\n")[0] ?? "" });
    }
  }
  return { path, read, faults };
}

/**
 * The files that a file imports, by the rules of containerd's resolveImports: a relative path starts at the directory of the
 * importing file, and `*` matches names in one directory.
 */
function importsOf(files: NodeFiles, parent: string, imports: readonly string[]): readonly string[] {
  return imports.flatMap((name) => {
    const path = name.startsWith("/") ? name : join(dirname(parent), name);
    if (!path.includes("*")) return [path];
    const directory = dirname(path);
    const escaped = path.slice(directory.length + 1).replace(/[\\^$.+?()[\]{}|]/g, "\\$&");
    const pattern = new RegExp(`^${escaped.replaceAll("*", ".*")}$`);
    return files.list(directory).flatMap((file) => (pattern.test(file) ? [join(directory, file)] : []));
  });
}

/**
 * Returns a function that gives the sandbox controller of a runtime handler of containerd 2.x: `podsandbox` unless the handler's
 * configuration names another one. The handler "" stands for the default handler.
 */
export function readSandboxers({ read }: RuntimeToml): (handler: string) => string {
  const sandboxers = new Map<string, string>();
  let defaultHandler = "runc";
  for (const { table } of read) {
    // Each version of containerd's file has the runtime handlers of CRI in another one of these sections.
    for (const section of ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"]) {
      const containerd = tableAt(table, "plugins", section, "containerd");
      defaultHandler = textAt(containerd, "default_runtime_name") ?? defaultHandler;
      for (const handler of Object.keys(tableAt(containerd, "runtimes"))) {
        const sandboxer = textAt(tableAt(containerd, "runtimes", handler), "sandboxer");
        if (sandboxer !== undefined) sandboxers.set(handler, sandboxer);
      }
    }
  }
  return (handler) => sandboxers.get(handler || defaultHandler) ?? "podsandbox";
}

/** Whether the runtime's configuration makes systemd create the cgroups of containers. */
export function usesSystemd({ read }: RuntimeToml, runtime: RuntimeName): boolean {
  const says = (line: RegExp) => read.some(({ text }) => line.test(text));
  return runtime === "containerd" ? says(/^\s*SystemdCgroup *= *true/m) : !says(/^\s*cgroup_manager *= *"cgroupfs"/m);
}

function textAt(table: TomlTable, key: string): string | undefined {
  return (typeof table[key] === "string" && table[key]) || undefined;
}

/** The table at the path of these keys; an empty table when there is no table. */
export function tableAt(table: TomlTable, ...keys: readonly string[]): TomlTable {
  const at = keys.reduce((value: unknown, key) => Reflect.get(Object(value), key), table);
  return typeof at === "object" && !Array.isArray(at) ? { ...at } : {};
}

/** The strings in a list; empty when the value is no list. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}
