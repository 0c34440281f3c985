import { parseDuration } from "../../../base/deadline.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { type RuntimeName, type RuntimeToml, readRuntimeToml, tableAt, textsOf } from "../../../host/runtime-toml.js";
import { isAtLeast, type Version } from "../../../nri/versions.js";

/** A runtime's own configuration, as far as NRI goes. */
export interface RuntimeConfig extends RuntimeToml {
  readonly exists: boolean;
  /** Files that say of themselves that another program makes them. */
  readonly generated: readonly string[];
  /** What NRI's section is called there, and where it stands. */
  readonly nriSection: string;
  readonly nriAt: string | undefined;
  /** Where the section stands that containerd 1.7 ignores: the file's version has another name for it. */
  readonly ignoredAt: string | undefined;
  /** What containerd's `disabled_plugins` hold, and where the list stands. */
  readonly disabledPlugins: readonly { readonly name: string; readonly where: string }[];
  readonly nri: NriSettings;
}

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

/** Of both runtimes. */
export const nriDefaults = {
  socketPath: "/var/run/nri/nri.sock",
  pluginPath: "/opt/nri/plugins",
  pluginConfigPath: "/etc/nri/conf.d",
  requestTimeoutMs: 2000,
} as const;

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

/** Reads the configuration of a runtime that was started with these arguments, as one of this version does. */
export function readRuntimeConfig(
  files: NodeFiles,
  runtime: RuntimeName,
  args: readonly string[],
  version: Version | undefined,
): RuntimeConfig {
  const toml = readRuntimeToml(files, runtime, args);
  const { path, read } = toml;
  const exists = files.mayExist(path);
  // One that does not tell its version is taken for the newest.
  const isOld = runtime === "containerd" && version !== undefined && !isAtLeast(version, "2.0.0");
  // compat: measured on 1.7.24: without `version` a file is of version 1, in which NRI's section is `[plugins.nri]`.
  const stated = read.map(({ table }) => table.version).findLast((value) => typeof value === "number") ?? 1;
  const isUnversioned = isOld && exists && stated < 2;
  const section = runtime === "cri-o" ? "nri" : isUnversioned ? "nri" : nriSection;
  const parent = runtime === "cri-o" ? "crio" : "plugins";
  const values: Values = new Map();
  let nriAt: string | undefined;
  let ignoredAt: string | undefined;
  for (const { path: file, text, table } of read) {
    const above = tableAt(table, parent);
    if (isUnversioned && Object.hasOwn(above, nriSection)) ignoredAt ??= placeOf(file, text, nriSection);
    if (!Object.hasOwn(above, section)) continue;
    // compat: measured with `containerd config dump`: 1.7.24 takes the last file's section whole, 2.1.9 key by key.
    if (isOld) values.clear();
    nriAt = placeOf(file, text, section);
    for (const [key, value] of Object.entries(tableAt(above, section))) {
      values.set(key, { value, where: placeOf(file, text, section, key) });
    }
  }
  return {
    ...toml,
    exists,
    generated: read.filter(({ text }) => isGenerated(text)).map((file) => file.path),
    nriSection: runtime === "cri-o" ? "crio.nri" : section,
    nriAt,
    ignoredAt,
    disabledPlugins: read.flatMap(({ path: file, text, table }) => {
      const where = placeOf(file, text, undefined, "disabled_plugins");
      return textsOf(table.disabled_plugins).map((name) => ({ name, where }));
    }),
    nri: nriSettings(values, runtime, isOnByDefault(runtime, version)),
  };
}

/** compat: pkg/nri/config.go of containerd 1.7 has Disable: true, internal/nri/config.go of 2.x false; CRI-O has it on from 1.30. */
function isOnByDefault(runtime: RuntimeName, version: Version | undefined): boolean {
  return version === undefined || isAtLeast(version, runtime === "containerd" ? "2.0.0" : "1.30.0");
}

function isGenerated(text: string): boolean {
  const head = text.slice(0, 1000).split("\n");
  return head.some((line) => /^\s*#.*\b(generated|do not edit|managed by)\b/i.test(line));
}

function nriSettings(values: Values, runtime: RuntimeName, isOnByDefault: boolean): NriSettings {
  const found = (setting: keyof typeof nriKeys) => values.get(nriKeys[setting][runtime]);
  const pathOf = (setting: "socketPath" | "pluginPath" | "pluginConfigPath") => {
    const value = found(setting)?.value;
    return typeof value === "string" && value !== "" ? value : nriDefaults[setting];
  };
  const [enabled, connections, requestTimeout] = [found("enabled"), found("connections"), found("requestTimeout")];
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

/** `file:line` of a key, else of its section, else the file alone. */
function placeOf(path: string, text: string, section: string | undefined, key?: string): string {
  const lines = text.split("\n");
  const isHeader = (line: string) => /^\s*\[/.test(line);
  const names = (line: string) => section !== undefined && line.includes(section);
  const header = lines.findIndex((line) => isHeader(line) && names(line));
  const start = header >= 0 ? header : lines.findIndex(names);
  const next = lines.findIndex((line, at) => at > start && isHeader(line));
  const pattern = new RegExp(`^\\s*["']?${key}["']?\\s*=`);
  const at = lines.findIndex((line, n) => n > start && (next < 0 || n < next) && pattern.test(line));
  const line = key === undefined || at < 0 ? start : at;
  return line < 0 ? path : `${path}:${line + 1}`;
}

/** Milliseconds of a duration as Go writes it, or of a number, which is nanoseconds. */
function durationMs(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) / 1e6;
  return typeof value === "string" ? parseDuration(value) : undefined;
}
