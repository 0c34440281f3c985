import { join } from "node:path";
import { parseDuration } from "../../../base/deadline.js";
import type { NodeFiles } from "../../../host/node-files.js";
import {
  type ConfigFault,
  type ConfigFile,
  isTable,
  noteRefusal,
  readFile,
  readWithImports,
  type TomlTable,
  tableAt,
  textsOf,
  type Unread,
} from "../../../host/runtime-toml.js";
import { isAtLeast, type Version } from "../../../nri/versions.js";

/** A runtime's own configuration, as far as NRI goes. */
export interface RuntimeConfig {
  /** The main file, whether it is there or not. */
  readonly path: string;
  readonly exists: boolean;
  readonly faults: readonly ConfigFault[];
  /** Files that are kept from us: what they say is not known. */
  readonly unreadable: readonly ConfigFault[];
  /** Files that say of themselves that another program makes them. */
  readonly generated: readonly string[];
  /** containerd's `version`; undefined where there is none. */
  readonly version: number | undefined;
  /** containerd's plugin sections. */
  readonly sections: readonly { readonly name: string; readonly where: string }[];
  /** What NRI's section is called there. */
  readonly nriSection: string;
  /** What containerd's `disabled_plugins` hold, and where the list stands. */
  readonly disabledPlugins: readonly { readonly name: string; readonly where: string }[];
  readonly nri: NriSettings;
}

/** The runtime's effective NRI settings. */
export interface NriSettings {
  readonly enabled: boolean;
  /** Whether plugins may connect from outside. */
  readonly connections: boolean;
  readonly socketPath: string;
  readonly pluginPath: string;
  readonly pluginConfigPath: string;
  readonly requestTimeoutMs: number;
  /** Where a setting stands; undefined when it is the default. */
  readonly at: Readonly<Record<"enabled" | "connections" | "requestTimeout", string | undefined>>;
}

/** NRI's section in containerd from version 2 of the file on. */
export const nriSection = "io.containerd.nri.v1.nri";

/** What both runtimes have by default. */
export const nriDefaults = {
  socketPath: "/var/run/nri/nri.sock",
  pluginPath: "/opt/nri/plugins",
  pluginConfigPath: "/etc/nri/conf.d",
  requestTimeoutMs: 2000,
} as const;

/** How each runtime calls its NRI settings. */
export const nriKeys = {
  enabled: { containerd: "disable", "cri-o": "enable_nri" },
  connections: { containerd: "disable_connections", "cri-o": "nri_disable_connections" },
  socketPath: { containerd: "socket_path", "cri-o": "nri_listen" },
  pluginPath: { containerd: "plugin_path", "cri-o": "nri_plugin_dir" },
  pluginConfigPath: { containerd: "plugin_config_path", "cri-o": "nri_plugin_config_dir" },
  requestTimeout: { containerd: "plugin_request_timeout", "cri-o": "nri_plugin_request_timeout" },
} as const;

/** The values of NRI's section, each with where it stands. */
type Values = Map<string, { readonly value: unknown; readonly where: string }>;

/** Reads containerd's config.toml with its imports, as a containerd of this version does. */
export function readContainerdConfig(files: NodeFiles, path: string, containerd: Version | undefined): RuntimeConfig {
  const { read, ...unread } = readWithImports(files, path);
  const version = read.map(({ table }) => table.version).findLast((value) => typeof value === "number");
  // One that does not tell its version is taken for the newest.
  const two = containerd === undefined || isAtLeast(containerd, "2.0.0");
  const exists = files.mayExist(path);
  const section = !two && exists && (version ?? 1) < 2 ? "nri" : nriSection;
  const values: Values = new Map();
  for (const file of read) {
    const table = tableAt(file.table, "plugins")[section];
    if (!isTable(table)) continue;
    // compat: measured with `containerd config dump`: 1.7.24 takes the last file's section whole, 2.1.9 key by key.
    if (!two) values.clear();
    addValues(values, file, table, ["plugins", section]);
  }
  const sections = read.flatMap(({ path: file, text, table }) =>
    Object.keys(tableAt(table, "plugins")).map((name) => ({
      name,
      where: place(file, lineOf(text, ["plugins", name])),
    })),
  );
  const disabledPlugins = read.flatMap(({ path: file, text, table }) => {
    const where = place(file, lineOf(text, [], "disabled_plugins"));
    return textsOf(table.disabled_plugins).map((name) => ({ name, where }));
  });
  const generated = read.filter(isGenerated).map((file) => file.path);
  // compat: pkg/nri/config.go of 1.7 has Disable: true, internal/nri/config.go of 2.x false.
  const nri = nriSettings(values, "containerd", two);
  return { path, exists, ...unread, generated, version, sections, nriSection: section, disabledPlugins, nri };
}

/** Reads crio.conf and the files of its drop-in directory, later ones over earlier ones, as crio.conf.d(5) says. */
export function readCrioConfig(
  files: NodeFiles,
  path: string,
  directory: string,
  crio: Version | undefined,
): RuntimeConfig {
  const unread: Unread = { faults: [], unreadable: [] };
  const values: Values = new Map();
  // Its directory may be kept from us as a file may.
  noteRefusal(files, directory, unread);
  const read = [path, ...files.list(directory).map((name) => join(directory, name))].flatMap(
    (name) => readFile(files, name, unread) ?? [],
  );
  for (const file of read) addValues(values, file, tableAt(file.table, "crio", "nri"), ["crio", "nri"]);
  return {
    path,
    exists: files.mayExist(path),
    ...unread,
    generated: read.filter(isGenerated).map((file) => file.path),
    version: undefined,
    sections: [],
    nriSection: "crio.nri",
    disabledPlugins: [],
    // compat: CRI-O has NRI on by default from 1.30 on.
    nri: nriSettings(values, "cri-o", crio === undefined || isAtLeast(crio, "1.30.0")),
  };
}

function isGenerated({ text }: ConfigFile): boolean {
  const head = text.slice(0, 1000).split("\n");
  return head.some((line) => /^\s*#.*\b(generated|do not edit|managed by)\b/i.test(line));
}

function addValues(values: Values, { path, text }: ConfigFile, table: TomlTable, keys: readonly string[]): void {
  // A section that has no header of its own stands where its name does.
  const named = text.split("\n").findIndex((line) => line.includes(keys.at(-1) ?? ""));
  const section = named < 0 ? undefined : named + 1;
  for (const [key, value] of Object.entries(table)) {
    values.set(key, { value, where: place(path, lineOf(text, keys, key) ?? section) });
  }
}

function nriSettings(values: Values, runtime: "containerd" | "cri-o", isOnByDefault: boolean): NriSettings {
  const found = (setting: keyof typeof nriKeys) => values.get(nriKeys[setting][runtime]);
  const pathOf = (setting: "socketPath" | "pluginPath" | "pluginConfigPath") => {
    const value = found(setting)?.value;
    return typeof value === "string" && value !== "" ? value : nriDefaults[setting];
  };
  const enabled = found("enabled");
  const connections = found("connections");
  const requestTimeout = found("requestTimeout");
  return {
    enabled: typeof enabled?.value === "boolean" ? enabled.value === (runtime === "cri-o") : isOnByDefault,
    connections: connections?.value !== true,
    socketPath: pathOf("socketPath"),
    pluginPath: pathOf("pluginPath"),
    pluginConfigPath: pathOf("pluginConfigPath"),
    // Zero means the default there.
    requestTimeoutMs: durationMs(requestTimeout?.value) || nriDefaults.requestTimeoutMs,
    at: { enabled: enabled?.where, connections: connections?.where, requestTimeout: requestTimeout?.where },
  };
}

function place(path: string, line: number | undefined): string {
  return line === undefined ? path : `${path}:${line}`;
}

/**
 * The line of a table's header, or of a key in it; undefined when it stands there in a form that this does not know. For
 * people to look at: nothing is decided by it.
 */
function lineOf(text: string, keys: readonly string[], key?: string): number | undefined {
  const wanted = keys.join("\0");
  let inside = keys.length === 0;
  for (const [at, line] of text.split("\n").entries()) {
    const header = /^\s*\[([^[\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      inside = splitKeys(header).join("\0") === wanted;
      if (inside && key === undefined) return at + 1;
    } else if (inside && key !== undefined && new RegExp(`^\\s*["']?${key}["']?\\s*=`).test(line)) return at + 1;
  }
  return undefined;
}

function splitKeys(header: string): string[] {
  const parts = header.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g);
  return [...parts].map(([, double, single, bare]) => double ?? single ?? bare ?? "");
}

/** Milliseconds of a duration as Go writes it, or of a number, which is nanoseconds. */
function durationMs(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) / 1e6;
  return typeof value === "string" ? parseDuration(value) : undefined;
}
