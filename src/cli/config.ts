import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { BridgeError, errorText, fileFault } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import { findConfigPermissionFault } from "../base/permissions.js";
import { mergeConfig } from "../config/merge.js";
import { parseConfig, parseConfigValue } from "../config/parse.js";
import { configPaths, type PartialConfig } from "../config/schema.js";
import { NodeFiles } from "../host/node-files.js";
import { flagOf } from "../host/proc.js";
import { launchedSocket } from "../nri/identity.js";
import { type ConfigSource, unitsFile } from "../tools/doctor/collect/bridge.js";
import { adaptersAmong, listProcesses, type ProcessFacts } from "../tools/doctor/collect/processes.js";
import { findRuntime, findSocketPeer, readLaunched } from "../tools/doctor/collect/runtime.js";

interface SettingFlag {
  /** The key of the configuration that it sets. */
  readonly key: string;
  readonly placeholder: string;
  readonly description: string;
  readonly read?: (text: string, before: unknown) => unknown;
}

/** The settings that have a flag; all others are in the configuration file alone. The schema says which values are right. */
const settingFlags = {
  socket: { key: "socketPath", placeholder: "path", description: "the runtime's NRI socket", read: parsePath },
  conf: {
    key: "confFile",
    placeholder: "file",
    description: "the v0.1 configuration that lists the legacy plugins",
    read: parsePath,
  },
  "bin-dir": {
    key: "pluginDirs",
    placeholder: "directory",
    description: "where legacy plugins are looked for; may be given again",
    read: parseDirectory,
  },
  permissions: {
    key: "permissions",
    placeholder: "strict|trust",
    description: "`strict`: refuse files that others than root, or the bridge's user, can write; `trust`: no check",
  },
  idx: {
    key: "pluginIdx",
    placeholder: "NN",
    description: "the index to register under: the order among NRI plugins",
  },
  name: { key: "pluginName", placeholder: "name", description: "the name to register under" },
  "state-directory": {
    key: "state.directory",
    placeholder: "directory",
    description: "where the journal is kept; locked by one instance",
    read: parsePath,
  },
  "log-level": {
    key: "log.level",
    placeholder: "level",
    description: "the least level that is written: trace, debug, info, warn, error, fatal or silent",
  },
  "log-format": { key: "log.format", placeholder: "json|text", description: "`text`: for people, one line each" },
} as const satisfies Record<string, SettingFlag>;

type SettingFlagName = keyof typeof settingFlags;

/** Where a plugin is looked for, and whether it is run. */
export const pluginFlags = ["conf", "bin-dir", "permissions"] as const satisfies readonly SettingFlagName[];

/** Adds `--config` and these flags, or all of them. */
export function addConfigFlags(command: Command, names?: readonly SettingFlagName[]): Command {
  command.option("--config <file>", "the bridge's own configuration (YAML)", parseFileName);
  for (const [name, { placeholder, description, read }] of Object.entries<SettingFlag>(settingFlags)) {
    if (names !== undefined && !names.some((wanted) => wanted === name)) continue;
    const option = new Option(`--${name} <${placeholder}>`, description);
    command.addOption(read === undefined ? option : option.argParser(read));
  }
  return command;
}

/** The value of --config. */
export function givenConfig({ config }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof config === "string" ? config : undefined;
}

/** The settings that the flags give. @throws BridgeError CONFIG when a value is wrong */
export function readFlags(options: Readonly<Record<string, unknown>>): PartialConfig {
  const values: Record<string, unknown> = {};
  const nested: Record<string, Record<string, unknown>> = {};
  for (const [name, { key }] of Object.entries(settingFlags)) {
    const value = options[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) continue;
    const [first = "", second] = key.split(".");
    if (second === undefined) values[first] = value;
    else nested[first] = { ...nested[first], [second]: value };
  }
  return parseConfigValue({ ...values, ...nested }, "command line");
}

/** For the error of an unknown flag that has the name of a key: where that key is set. "" for any other error. */
export function keyHint(error: string): string {
  const [, flag] = /unknown option '--(?:no-)?([a-z-]+)/.exec(error) ?? [];
  const key = configPaths.find((path) => toKebab(path) === flag);
  return key === undefined ? "" : `(${key} is a key of the configuration file, see --config)\n`;
}

function toKebab(path: string): string {
  return path.replaceAll(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A path that is there: the empty one would be the working directory. */
function parseFileName(text: string): string {
  if (text === "") throw new InvalidArgumentError("a path is expected, and this is empty.");
  return text;
}

/** Absolute: on a command line it is relative to where it is typed. An address of a socket may be given as Go programs write it. */
function parsePath(text: string): string {
  const path = text.replace(/^unix:(\/\/)?/, "");
  if (/^[a-z]+:\/\//.test(path)) throw new InvalidArgumentError("a path is expected, and this is an address.");
  return resolve(parseFileName(path));
}

/** One directory, after those before it. A list as of PATH would be the name of none. */
function parseDirectory(text: string, before: unknown): unknown {
  if (/[,:]/.test(text)) throw new InvalidArgumentError("give the flag once for each directory.");
  return [before ?? [], resolve(parseFileName(text))].flat();
}

/**
 * The layers that the command line gives: the flags, and the file of `--config`.
 * @throws BridgeError CONFIG when a value is wrong or the file cannot be read
 */
export function configLayers(options: Readonly<Record<string, unknown>>): {
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
} {
  const file = givenConfig(options);
  return { flags: readFlags(options), file: file === undefined ? undefined : readConfigFile(file) };
}

/** What the command line and the file of --config say. */
export interface RunLayers {
  /** The file of --config. */
  readonly configFile: string | undefined;
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  /** Why they cannot be used, where that is no reason to end. */
  readonly fault?: string;
  /** Reads the file anew; absent without one. @throws BridgeError CONFIG */
  readonly reread?: () => PartialConfig;
}

/**
 * Reads the layers. An exit before the registration takes containerd 1.7 down with it when it launched us: then what is wrong
 * with them is for the service to say, and to refuse creates with.
 * @throws BridgeError CONFIG
 */
export function readRunLayers(
  environment: Readonly<Record<string, string | undefined>>,
  options: Readonly<Record<string, unknown>>,
): RunLayers {
  const configFile = givenConfig(options);
  const again = configFile === undefined ? {} : { reread: () => readOwnConfigFile(configFile, readFlags(options)) };
  let flags: PartialConfig = {};
  try {
    flags = readFlags(options);
    return { configFile, flags, file: again.reread?.(), ...again };
  } catch (error) {
    if (launchedSocket(environment) === undefined) throw error;
    return { configFile, flags, file: undefined, fault: errorText(error), ...again };
  }
}

/** @throws BridgeError CONFIG that names the file */
export function readConfigFile(file: string): PartialConfig {
  return parseConfig(readConfigText(file), file);
}

/** Reading YAML takes its time, and the bridge does it while events wait. */
const maxConfigBytes = 1024 * 1024;

/** @throws BridgeError CONFIG that names the file */
export function readConfigText(file: string): string {
  try {
    return readRegularFile(file, maxConfigBytes).toString("utf8");
  } catch (error) {
    throw new BridgeError("CONFIG", `${file}: the configuration cannot be read: ${fileFault(error)}`);
  }
}

/**
 * Reads the configuration that a bridge is to run with.
 * @param permissions the flag's: a file that others can write cannot vouch for itself
 * @throws BridgeError CONFIG that names the file; also when others than root, or we, can change it
 */
export function readOwnConfigFile(file: string, { permissions = "strict" }: PartialConfig): PartialConfig {
  const config = readConfigFile(file);
  const fault = permissions === "strict" ? findConfigPermissionFault(resolve(file)) : null;
  if (fault === null) return config;
  throw new BridgeError("CONFIG", `the configuration is refused: ${fault} (as a flag: --permissions trust)`);
}

/** The configuration file that the bridge of a node has, or is given by hand. */
export interface ConfigFile {
  /** Where it is read here. */
  readonly path: string;
  /** The same as the node names it: another path where the node's root is mounted somewhere. */
  readonly file: string;
  /** How it was found: by --config, the command line of a bridge that runs, a launched bridge's directory, the usual place. */
  readonly from: "flag" | "running" | "launched" | "usual";
  /** Of the bridge that runs. */
  readonly pid: number | null;
}

/**
 * The configuration file to look at: that of --config, else the one that a running bridge was started with, else the one that
 * a launched bridge gets, else that of the shipped unit; undefined where there is none.
 *
 * @param given the value of --config; `/dev/null` is a file without settings
 * @param root where the node's file system is mounted
 */
export async function findConfigFile(
  given: string | undefined,
  flags: PartialConfig = {},
  root = "/",
): Promise<ConfigFile | undefined> {
  if (given !== undefined) return { path: given, file: given, from: "flag", pid: null };
  const files = new NodeFiles(root);
  const processes = listProcesses(files);
  const found = ofRunning(files, processes) ?? (await ofLaunched(files, processes, flags)) ?? usual(files);
  return found && { ...found, path: files.locate(found.file) };
}

type Found = Omit<ConfigFile, "path">;

/** Of the first bridge whose command line names one. */
function ofRunning(files: NodeFiles, processes: readonly ProcessFacts[]): Found | undefined {
  const bridges = new Set(
    adaptersAmong(processes, process.pid).flatMap(({ pid, name }) => (name === "nri-v01-bridge" ? [pid] : [])),
  );
  for (const { pid, args, uid } of processes) {
    // Whoever may start a process may give it any name, in a container too: theirs must not say what root is to run.
    if (!bridges.has(pid) || !isTrusted(uid) || !sharesRoot(files, pid)) continue;
    const file = flagOf(args, "--config");
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (file !== undefined && (file.startsWith("/") || cwd !== undefined)) {
      return { file: resolve(cwd ?? "/", file), from: "running", pid };
    }
  }
  return undefined;
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Whether a process sees the node's files under the names that we see them under. Only root can tell for others' processes. */
function sharesRoot(files: NodeFiles, pid: number): boolean {
  const root = files.identityByKernel(`/proc/${pid}/root`);
  return root === files.identity("/") || (root === undefined && process.geteuid?.() !== 0);
}

async function ofLaunched(
  files: NodeFiles,
  processes: readonly ProcessFacts[],
  flags: PartialConfig,
): Promise<Found | undefined> {
  const { socketPath, confFile } = mergeConfig(flags);
  const peer = await findSocketPeer(files, socketPath);
  // Where its plugins are does not depend on the version: nothing is started to ask for it.
  const runtime = findRuntime({ files, processes, peer, confFile, askVersion: () => "" });
  const launched = readLaunched(files, runtime?.config.nri);
  const file = launched.find(({ bridge, configFile }) => bridge && configFile !== undefined)?.configFile;
  return file === undefined ? undefined : { file, from: "launched", pid: null };
}

function usual(files: NodeFiles): Found | undefined {
  return files.stat(unitsFile) === undefined ? undefined : { file: unitsFile, from: "usual", pid: null };
}

/** The settings that a verb works with, and where those of the file came from. */
export interface Settings {
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  readonly source: ConfigFile | undefined;
}

/**
 * The flags, and the file of --config or else that of the node's bridge.
 * @throws BridgeError CONFIG that names the file, and what to do about it
 */
export async function readSettings(options: Readonly<Record<string, unknown>>): Promise<Settings> {
  const flags = readFlags(options);
  const source = await findConfigFile(givenConfig(options), flags);
  if (source === undefined) return { flags, file: undefined, source };
  if (source.from === "flag") return { flags, file: readConfigFile(source.path), source };
  try {
    return { flags, file: readOwnConfigFile(source.path, flags), source };
  } catch (error) {
    const remedy = "--config FILE takes another one, --config /dev/null none";
    throw new BridgeError("CONFIG", `${errorText(error)}\n(${originOf(source)}; ${remedy})`);
  }
}

/** Which file it is and why, in one line for people. */
export function formatSource(source: ConfigFile | undefined): string {
  if (source === undefined) return "configuration: no file\n";
  return `configuration: ${source.file}${source.from === "flag" ? "" : `, ${originOf(source)}`}\n`;
}

/** The same for `collectFacts`. @param root that findConfigFile was given */
export function toSource(found: ConfigFile, root: string): ConfigSource {
  const { file, from } = found;
  // That of --config is no file of the node, wherever that is mounted.
  return from === "flag" ? { file, origin: "", root: "/" } : { file, origin: originOf(found), root };
}

/** How the file was found, in words. */
export function originOf({ from, pid }: ConfigFile): string {
  const origins = {
    flag: "the file of --config",
    running: `the file of the bridge that runs as process ${pid}`,
    launched: "the file of the bridge that the runtime launches",
    usual: "the usual place",
  } as const satisfies Record<ConfigFile["from"], string>;
  return origins[from];
}
