import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { BridgeError, errorText, fileFault } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import { findConfigPermissionFault } from "../base/permissions.js";
import { mergeConfig } from "../config/merge.js";
import { parseConfig, parseConfigValue } from "../config/parse.js";
import type { PartialConfig } from "../config/schema.js";
import { launchedSocket } from "../nri/identity.js";
import { findConfigFile } from "../tools/doctor/collect/bridge.js";
import type { CliIo } from "./io.js";

/** The key of the configuration that a flag sets, its placeholder and description, and how its text is read. */
type SettingFlag = readonly [
  key: string,
  placeholder: string,
  description: string,
  read?: (text: string, before: unknown) => unknown,
];

/** The settings that have a flag; all others are in the configuration file alone. The schema says which values are right. */
const settingFlags = {
  socket: ["socketPath", "path", "use this NRI socket of the runtime", parsePath],
  conf: ["confFile", "file", "take the list of v0.1 plugins from this conf.json", parsePath],
  "bin-dir": ["pluginDirs", "directory", "look for v0.1 plugins here; repeat it for more directories", parseDirectory],
  permissions: [
    "permissions",
    "strict|trust",
    "`strict`: refuse files that anyone but root (or the bridge's user) can write; `trust`: no check",
  ],
  idx: ["pluginIdx", "NN", "register with this index, which orders NRI plugins"],
  name: ["pluginName", "name", "register under this name"],
  "state-directory": ["state.directory", "directory", "keep the journal here; one instance locks it", parsePath],
  "log-level": [
    "log.level",
    "level",
    "write this level and those above: trace, debug, info, warn, error, fatal or silent",
  ],
  "log-format": ["log.format", "json|text", "write JSON lines, or text for people"],
} as const satisfies Record<string, SettingFlag>;

type SettingFlagName = keyof typeof settingFlags;

/** Where a plugin is looked for, and whether it is run. */
export const pluginFlags = ["conf", "bin-dir", "permissions"] as const satisfies readonly SettingFlagName[];

/** Adds `--config` and these flags, or all of them. */
export function addConfigFlags(command: Command, names?: readonly SettingFlagName[]): Command {
  command.optionsGroup("Options of several commands:");
  command.option("--config <file>", "read the bridge's own settings from this YAML file", parseFileName);
  for (const [name, [, placeholder, description, read]] of Object.entries<SettingFlag>(settingFlags)) {
    if (names !== undefined && !names.some((wanted) => wanted === name)) continue;
    const option = new Option(`--${name} <${placeholder}>`, description);
    command.addOption(read === undefined ? option : option.argParser(read));
  }
  return command;
}

export function givenConfig({ config }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof config === "string" ? config : undefined;
}

/** The settings that the flags give. @throws BridgeError CONFIG when a value is wrong */
export function readFlags(options: Readonly<Record<string, unknown>>): PartialConfig {
  const values: Record<string, unknown> = {};
  const nested: Record<string, Record<string, unknown>> = {};
  for (const [name, [key]] of Object.entries(settingFlags)) {
    const value = options[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined) continue;
    const [first = "", second] = key.split(".");
    if (second === undefined) values[first] = value;
    else nested[first] = { ...nested[first], [second]: value };
  }
  return parseConfigValue({ ...values, ...nested }, "command line");
}

/** A path that is there: the empty one would be the working directory. */
export function parseFileName(text: string): string {
  if (text === "") throw new InvalidArgumentError("a path is expected, and this is empty.");
  return text;
}

export function parseNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("a number is expected, from 1 to 999999999.");
  return Number(text);
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

interface Layers {
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
}

/** The flags, and the file of `--config`. @throws BridgeError CONFIG when a value is wrong or the file cannot be read */
export function configLayers(options: Readonly<Record<string, unknown>>): Layers {
  const file = givenConfig(options);
  return { flags: readFlags(options), file: file === undefined ? undefined : readConfigFile(file) };
}

/** The same for a bridge. */
export interface RunLayers extends Layers {
  readonly configFile: string | undefined;
  /** Why they cannot be used, where that is no reason to end. */
  readonly fault?: string;
  /** Reads the file anew; absent without one. @throws BridgeError CONFIG */
  readonly reread?: (() => PartialConfig) | undefined;
}

/**
 * Reads the layers. containerd 1.7 ends with a plugin that it launched and that ends unregistered: then the fault is kept instead.
 * @throws BridgeError CONFIG
 */
export function readRunLayers({ environment }: CliIo, options: Readonly<Record<string, unknown>>): RunLayers {
  const configFile = givenConfig(options);
  const reread = configFile === undefined ? undefined : () => readOwnConfigFile(configFile, readFlags(options));
  let flags: PartialConfig = {};
  try {
    flags = readFlags(options);
    return { configFile, flags, file: reread?.(), reread };
  } catch (error) {
    if (launchedSocket(environment) === undefined) throw error;
    return { configFile, flags, file: undefined, fault: errorText(error), reread };
  }
}

/** Reading YAML takes its time, and the bridge does it while events wait. */
const maxConfigBytes = 1024 * 1024;

/** @throws BridgeError CONFIG that names the file */
export function readConfigFile(file: string): PartialConfig {
  let text: string;
  try {
    text = readRegularFile(file, maxConfigBytes).toString("utf8");
  } catch (error) {
    throw new BridgeError("CONFIG", `${file}: the configuration cannot be read: ${fileFault(error)}`);
  }
  return parseConfig(text, file);
}

/**
 * @param permissions the flag's: a file that others can write cannot vouch for itself
 * @throws BridgeError CONFIG that names the file; also when others than root, or we, can change it
 */
function readOwnConfigFile(file: string, { permissions = "strict" }: PartialConfig): PartialConfig {
  const config = readConfigFile(file);
  const fault = permissions === "strict" ? findConfigPermissionFault(resolve(file)) : null;
  if (fault === null) return config;
  throw new BridgeError(
    "CONFIG",
    `the bridge refuses its configuration file: ${fault} (as a flag: --permissions trust)`,
  );
}

/**
 * The flags and the file of --config. For what runs here (--pod, --container) the file is else that of the node's bridge, and
 * its permissions hold; a recorded case is played with the files of the user who plays it, as by `replay`.
 * @throws BridgeError CONFIG that names the file, and the remedy
 */
export async function readSettings(options: Readonly<Record<string, unknown>>) {
  const flags = readFlags(options);
  const given = givenConfig(options);
  const recorded = options.pod === undefined && options.container === undefined;
  const source = given === undefined && recorded ? undefined : await findConfigFile(given, flags);
  try {
    const file =
      source && (source.from === "flag" ? readConfigFile(source.file) : readOwnConfigFile(source.file, flags));
    const config = mergeConfig(flags, file ?? {});
    return { flags: recorded ? flags : { ...flags, permissions: config.permissions }, file, source, config };
  } catch (error) {
    if (source?.from === "flag") throw error;
    const remedy = "--config FILE takes another one, --config /dev/null none";
    throw new BridgeError("CONFIG", `${errorText(error)}\n(${source?.origin}; ${remedy})`);
  }
}
