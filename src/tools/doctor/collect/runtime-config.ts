import { parseDuration } from "../../../base/deadline.js";
import { nearestName } from "../../../base/nearest.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { flagOf } from "../../../host/proc.js";
import {
  type RuntimeName,
  type RuntimeToml,
  readRuntimeToml,
  type TomlTable,
  tableAt,
  textsOf,
} from "../../../host/runtime-toml.js";
import { isAtLeast, type Version } from "../../../nri/versions.js";

export type NriSettings = ReturnType<typeof nriSettings>;

/** The name of NRI's section in a containerd configuration file of version 2 or later. */
export const nriSection = "io.containerd.nri.v1.nri";

/** The defaults of NRI's settings, which are the same in containerd and CRI-O. */
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
  registrationTimeout: { containerd: "plugin_registration_timeout", "cri-o": "nri_plugin_registration_timeout" },
  requestTimeout: { containerd: "plugin_request_timeout", "cri-o": "nri_plugin_request_timeout" },
  validator: { containerd: "default_validator", "cri-o": "default_validator" },
} as const;

/** The adjustments that NRI's default validator can refuse (plugins/default-validator/default-validator.go). */
const refusable = "oci_hook namespace sysctl runtime_default_seccomp unconfined_seccomp custom_seccomp".split(" ");

/** A key of NRI's section `default_validator`, as each runtime spells it (CRI-O's internal/config/nri/nri.go). */
export function validatorKey(runtime: RuntimeName, key: string): string {
  if (runtime === "containerd") return key;
  return key === "enable" ? "nri_enable_default_validator" : `nri_validator_${key}`;
}

function validatorKeys(runtime: RuntimeName): readonly string[] {
  const rejects = refusable.map((name) => `reject_${name}_adjustment`);
  const keys = ["enable", "required_plugins", "tolerate_missing_plugins_annotation", ...rejects];
  return keys.map((key) => validatorKey(runtime, key));
}

/** The place that a finding names for a setting that a command line flag of crio gives. */
export const commandLine = "the command line of crio";

/** The keys of NRI's section and of its `default_validator`, each with its value and its place: `file:line`, or `commandLine`. */
type Values = Map<string, { readonly value: unknown; readonly where: string }>;

/** Reads a runtime's configuration as a runtime of this version does that starts with these arguments and variables. */
export function readRuntimeConfig(
  files: NodeFiles,
  runtime: RuntimeName,
  version: Version | undefined,
  args: readonly string[],
  environment: ReadonlyMap<string, string> | undefined,
) {
  const toml = readRuntimeToml(files, runtime, args, environment);
  const { path, read } = toml;
  const exists = files.mayExist(path);
  // A containerd of unknown version counts as the newest.
  const isOld = runtime === "containerd" && version !== undefined && !isAtLeast(version, "2.0.0");
  // compat: measured on 1.7.24: without `version` a file is of version 1, in which NRI's section is `[plugins.nri]`.
  const stated = read.map(({ table }) => table.version).findLast((value) => typeof value === "number") ?? 1;
  const isUnversioned = isOld && exists && stated < 2;
  const section = runtime === "cri-o" ? "nri" : isUnversioned ? "nri" : nriSection;
  const parent = runtime === "cri-o" ? "crio" : "plugins";
  const values: Values = new Map();
  let nriAt: string | undefined;
  for (const { path: file, text, table } of read) {
    const above = tableAt(table, parent);
    if (!Object.hasOwn(above, section)) continue;
    // compat: measured with `containerd config dump`: when several files have the section, 1.7.24 takes the last file's
    // section whole, 2.1.9 merges them key by key.
    if (isOld) values.clear();
    nriAt = placeOf(file, text, section);
    for (const names of [[section], [section, "default_validator"]]) {
      for (const [key, value] of Object.entries(tableAt(above, ...names))) {
        values.set(key, { value, where: placeOf(file, text, names.at(-1), key) });
      }
    }
  }
  if (runtime === "cri-o") for (const [key, value] of flagsOf(args)) values.set(key, { value, where: commandLine });
  return {
    ...toml,
    exists,
    /** Files that say in a comment that another program generates them. */
    generated: read.filter(({ text }) => isGenerated(text)).map((file) => file.path),
    /** The name of NRI's section in these files. `nriAt`: its place; undefined when no file has the section. */
    nriSection: runtime === "cri-o" ? "crio.nri" : section,
    nriAt,
    ignored: read.flatMap((file) => ignoredIn(file, [parent, section], runtime)),
    /** The entries of containerd's `disabled_plugins`, each with the place of the list. */
    disabledPlugins: read.flatMap(({ path: file, text, table }) => {
      const where = placeOf(file, text, undefined, "disabled_plugins");
      return textsOf(table.disabled_plugins).map((name) => ({ name, where }));
    }),
    nri: nriSettings(values, runtime, isOnByDefault(runtime, version)),
  };
}

/**
 * compat: CRI-O has a flag for each of its NRI keys, and the flag wins over its files (internal/criocli/criocli.go,
 * mergeNRIConfig).
 */
function flagsOf(args: readonly string[]): readonly (readonly [string, unknown])[] {
  return [...Object.values(nriKeys).map((key) => key["cri-o"]), ...validatorKeys("cri-o")].flatMap((key) => {
    const flag = `--${key.replaceAll("_", "-")}`;
    const given = args.find((arg) => arg === flag || arg.startsWith(`${flag}=`));
    if (given === undefined) return [];
    const text = flagOf(args, flag) ?? "";
    const isBoolean = /enable|disable|reject/.test(key);
    const value = isBoolean ? !/=(0|f|false)$/i.test(given) : key.endsWith("_plugins") ? text.split(",") : text;
    return [[key, value] as const];
  });
}

/**
 * Matches the last part of a table's name that is probably meant for NRI's section: the name in another version of the file, a
 * wrong id, or an id without quotes.
 */
const likeSection = /^(.*\.)?nri(\.v1)?$/;

/** Keys that sections other than NRI's may have. The last one, required_plugins, is a key of containerd itself too. */
const common = ["disable", "enable", "socket_path", "required_plugins"];

/**
 * The keys that are meant for NRI and that the runtime ignores in the table where they stand.
 * @param section the names of the tables that lead to NRI's section
 */
function ignoredIn(
  { path: file, text, table: root }: RuntimeToml["read"][number],
  section: readonly string[],
  runtime: RuntimeName,
) {
  const [ours, theirs] = [Object.values(nriKeys).map((key) => key[runtime]), validatorKeys(runtime)] as const;
  const [own, validator] = [headerOf(section), headerOf([...section, "default_validator"])] as const;
  const all = [...ours, ...theirs];
  return tablesIn(root).flatMap(([path, above]) => {
    const table = headerOf(path);
    const known = table === own ? ours : table === validator ? theirs : undefined;
    const keys = Object.keys(above).filter((key) => {
      // A key that resembles no known key may belong to a newer NRI, so it is not reported.
      if (known !== undefined) return !known.includes(key) && nearestName(key, all) !== undefined;
      if (likeSection.test(path.at(-1) ?? "")) return Object.keys(tableAt(above, key)).length === 0;
      return all.includes(key) && !common.includes(key);
    });
    // All keys of a table in a wrong place are one fault together.
    const groups = known === undefined && keys.length > 0 ? [keys] : keys.map((key) => [key]);
    return groups.map((group) => {
      const [first = ""] = group;
      const meant = nearestName(first, known === theirs ? [...theirs, ...ours] : all);
      const belongs = theirs.includes(meant ?? "") ? validator : own;
      const switches = group.some((key) => nearestName(key, ours) === nriKeys.enabled[runtime]);
      return { keys: group, table, where: placeOf(file, text, path.at(-1), first), meant, belongs, switches };
    });
  });
}

/** Every table of a file, each with the names of the tables that lead to it. */
function tablesIn(
  table: TomlTable,
  path: readonly string[] = [],
): readonly (readonly [readonly string[], TomlTable])[] {
  return [[path, table], ...Object.keys(table).flatMap((key) => tablesIn(tableAt(table, key), [...path, key]))];
}

/** The header line of a table as TOML writes it. */
function headerOf(path: readonly string[]): string {
  return `[${path.map((name) => (/^[\w-]+$/.test(name) ? name : `"${name}"`)).join(".")}]`;
}

/**
 * Whether NRI is on when no setting says so. compat: pkg/nri/config.go of containerd 1.7 has Disable: true, internal/nri/config.go
 * of 2.x false; CRI-O has NRI on from 1.30.
 */
function isOnByDefault(runtime: RuntimeName, version: Version | undefined): boolean {
  return version === undefined || isAtLeast(version, runtime === "containerd" ? "2.0.0" : "1.30.0");
}

function isGenerated(text: string): boolean {
  const head = text.slice(0, 1000).split("\n");
  return head.some((line) => /^\s*#.*\b(generated|do not edit|managed by)\b/i.test(line));
}

function nriSettings(values: Values, runtime: RuntimeName, isOnByDefault: boolean) {
  const found = (setting: keyof typeof nriKeys) => values.get(nriKeys[setting][runtime]);
  const pathOf = (setting: "socketPath" | "pluginPath" | "pluginConfigPath") => {
    const value = found(setting)?.value;
    return typeof value === "string" && value !== "" ? value : nriDefaults[setting];
  };
  const [enabled, connections, requestTimeout] = [found("enabled"), found("connections"), found("requestTimeout")];
  const ofValidator = (key: string) => values.get(validatorKey(runtime, key));
  return {
    enabled: typeof enabled?.value === "boolean" ? enabled.value === (runtime === "cri-o") : isOnByDefault,
    /** Whether plugins that the runtime does not launch may connect to its socket. */
    connections: connections?.value !== true,
    socketPath: pathOf("socketPath"),
    pluginPath: pathOf("pluginPath"),
    pluginConfigPath: pathOf("pluginConfigPath"),
    // For a runtime, a timeout of zero means the default.
    requestTimeoutMs: durationMs(requestTimeout?.value) || nriDefaults.requestTimeoutMs,
    /** What NRI's default validator demands each time the runtime creates a container. */
    validator: {
      enabled: ofValidator("enable")?.value === true,
      requiredPlugins: textsOf(ofValidator("required_plugins")?.value),
      /** Whether the configuration names an annotation that frees a pod from the required plugins. */
      isTolerated: Boolean(ofValidator("tolerate_missing_plugins_annotation")?.value),
      rejects: refusable.filter((name) => ofValidator(`reject_${name}_adjustment`)?.value === true),
    },
    /** The place of each setting; undefined when the runtime uses its default. */
    at: {
      enabled: enabled?.where,
      connections: connections?.where,
      requestTimeout: requestTimeout?.where,
      validator: (ofValidator("required_plugins") ?? ofValidator("enable"))?.where,
    },
  };
}

/** `file:line` of a key, else of its section when the key is not found, else the file alone. */
function placeOf(path: string, text: string, section: string | undefined, key?: string): string {
  const lines = text.split("\n");
  const isHeader = (line: string) => /^\s*\[/.test(line);
  const names = (line: string) => section !== undefined && line.includes(section);
  const header = lines.findIndex((line) => isHeader(line) && names(line));
  const start = header >= 0 ? header : lines.findIndex(names);
  const next = lines.findIndex((line, at) => at > start && isHeader(line));
  const isKey = (line: string) => /^\s*(["']?)([^"'=]*?)\1\s*=/.exec(line)?.[2] === key;
  const at = lines.findIndex((line, n) => n > start && (next < 0 || n < next) && isKey(line));
  const line = key === undefined || at < 0 ? start : at;
  return line < 0 ? path : `${path}:${line + 1}`;
}

/** Milliseconds of a duration in Go's notation, or of a number of nanoseconds; undefined when the value is neither. */
function durationMs(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) / 1e6;
  return typeof value === "string" ? parseDuration(value) : undefined;
}
