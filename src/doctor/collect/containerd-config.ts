import { dirname, join } from "node:path";
import { isAtLeast, type Version } from "../../nri/versions.js";
import type { ConfigFault, NriSettings, RuntimeConfig } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { durationMs, isTable, lineOf, parseToml, type TomlTable, tableAt, textsOf } from "../toml.js";

/** NRI's section from version 2 of the file on. */
export const nriSection = "io.containerd.nri.v1.nri";
const nriDefaults = {
  socketPath: "/var/run/nri/nri.sock",
  pluginPath: "/opt/nri/plugins",
  pluginConfigPath: "/etc/nri/conf.d",
  requestTimeoutMs: 2000,
} as const;

interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly table: TomlTable;
}

/** A value of the NRI section, with where it stands. */
interface Placed {
  readonly value: unknown;
  readonly where: string;
}

/** Reads containerd's config.toml with its imports, as a containerd of this version does. */
export function readContainerdConfig(files: NodeFiles, path: string, containerd: Version | undefined): RuntimeConfig {
  const { read, faults, unreadable } = readWithImports(files, path);
  const version = fileVersion(read);
  // One that does not tell its version is taken for the newest.
  const two = containerd === undefined || isAtLeast(containerd, "2.0.0");
  const exists = files.mayExist(path);
  const section = !two && exists && (version ?? 1) < 2 ? "nri" : nriSection;
  return {
    path,
    exists,
    files: read.map(({ path: file, text }) => ({ path: file, text })),
    faults,
    unreadable,
    version,
    sections: read.flatMap(({ path: file, text, table }) =>
      Object.entries(tableAt(table, "plugins")).map(([name, values]) => {
        const keys = isTable(values) ? Object.keys(values) : [];
        return { name, keys, where: place(file, lineOf(text, ["plugins", name])) };
      }),
    ),
    disabledPlugins: read.flatMap(({ path: file, table }) =>
      textsOf(table.disabled_plugins).map((name) => ({ name, file })),
    ),
    nriSection: section,
    nri: nriSettings(nriValues(read, two, section), two),
  };
}

interface Read {
  readonly read: readonly ConfigFile[];
  readonly faults: readonly ConfigFault[];
  readonly unreadable: readonly ConfigFault[];
}

function readWithImports(files: NodeFiles, path: string): Read {
  const read: ConfigFile[] = [];
  const faults: ConfigFault[] = [];
  const unreadable: ConfigFault[] = [];
  const pending = [path];
  const seen = new Set<string>();
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const text = files.readText(next);
    if (text === undefined) {
      const refusal = files.refusal(next) ?? "EIO";
      // containerd starts without its main file, and does not start without a file that it imports by name.
      if (refusal === "EACCES" || refusal === "EPERM") unreadable.push({ where: next, text: refusal });
      else if (files.mayExist(next)) faults.push({ where: next, text: `it cannot be read (${refusal})` });
      else if (next !== path) faults.push({ where: next, text: "it is imported, and is not there" });
      continue;
    }
    const parsed = parseToml(text);
    if (!parsed.ok) {
      faults.push({ where: `${next}:${parsed.line}:${parsed.column}`, text: parsed.reason });
      continue;
    }
    read.push({ path: next, text, table: parsed.table });
    pending.push(...importsOf(files, next, textsOf(parsed.table.imports)));
  }
  return { read, faults, unreadable };
}

/** containerd's resolveImports: relative to the file that imports, `*` matches names in one directory. */
function importsOf(files: NodeFiles, parent: string, imports: readonly string[]): string[] {
  return imports.flatMap((name) => {
    const path = name.startsWith("/") ? name : join(dirname(parent), name);
    if (!path.includes("*")) return [path];
    const pattern = path.slice(path.lastIndexOf("/") + 1);
    const matches = new RegExp(`^${pattern.split("*").map(escapeRegExp).join("[^/]*")}$`);
    const directory = dirname(path);
    return files
      .list(directory)
      .filter((file) => matches.test(file))
      .map((file) => join(directory, file));
  });
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function fileVersion(read: readonly ConfigFile[]): number | undefined {
  const versions = read.map(({ table }) => table.version).filter((version) => typeof version === "number");
  return versions.at(-1);
}

/**
 * The values of the NRI section.
 *
 * compat: measured with `containerd config dump`: 1.7.24 takes the last file's section whole, 2.1.9 key by key; and 1.7.24
 * looks for `[plugins.nri]` when the file has no version.
 */
function nriValues(read: readonly ConfigFile[], two: boolean, name: string): Map<string, Placed> {
  let values = new Map<string, Placed>();
  for (const { path, text, table } of read) {
    const plugins = tableAt(table, "plugins");
    const section = plugins[name];
    if (!isTable(section)) continue;
    if (!two) values = new Map();
    for (const [key, value] of Object.entries(section)) {
      values.set(key, { value, where: place(path, lineOf(text, ["plugins", name], key) ?? lineWith(text, name)) });
    }
  }
  return values;
}

/** Where a section stands that has no header of its own. */
function lineWith(text: string, name: string): number | undefined {
  const at = text.split("\n").findIndex((line) => line.includes(name));
  return at < 0 ? undefined : at + 1;
}

function nriSettings(section: ReadonlyMap<string, Placed>, two: boolean): NriSettings {
  const at = (key: string) => section.get(key)?.where;
  const text = (key: string, otherwise: string) => {
    const value = section.get(key)?.value;
    return typeof value === "string" && value !== "" ? value : otherwise;
  };
  const disabled = section.get("disable")?.value;
  return {
    // compat: pkg/nri/config.go of 1.7 has Disable: true, internal/nri/config.go of 2.x false.
    enabled: typeof disabled === "boolean" ? !disabled : two,
    switchedAt: at("disable"),
    connections: section.get("disable_connections")?.value !== true,
    connectionsAt: at("disable_connections"),
    socketPath: text("socket_path", nriDefaults.socketPath),
    pluginPath: text("plugin_path", nriDefaults.pluginPath),
    pluginConfigPath: text("plugin_config_path", nriDefaults.pluginConfigPath),
    // Zero means the default there.
    requestTimeoutMs: durationMs(section.get("plugin_request_timeout")?.value) || nriDefaults.requestTimeoutMs,
    requestTimeoutAt: at("plugin_request_timeout"),
  };
}

export function place(path: string, line: number | undefined): string {
  return line === undefined ? path : `${path}:${line}`;
}
