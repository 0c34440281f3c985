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

/** The configuration key that a flag sets, its placeholder and description in the help, and the parser of its text. */
type SettingFlag = readonly [
  key: string,
  placeholder: string,
  description: string,
  read?: (text: string, before: unknown) => unknown,
];

/** The settings that have a flag; only the configuration file can set all others. The schema validates the values. */
const settingFlags = {
  socket: ["socketPath", "path", "use this NRI socket of the runtime", parsePath],
  conf: ["confFile", "file", "take the list of v0.1 plugins from this conf.json", parsePath],
  "bin-dir": ["pluginDirs", "directory", "look for v0.1 plugins in this directory; can be repeated", parseDirectory],
  permissions: [
    "permissions",
    "strict|trust",
    "`strict`: refuse files that anyone but root (or the bridge's user) can write; `trust`: no check",
  ],
  idx: ["pluginIdx", "NN", "register with this index, which orders NRI plugins"],
  name: ["pluginName", "name", "register under this name"],
  "state-directory": ["state.directory", "directory", "keep the journal in this directory, and lock it", parsePath],
  "log-level": [
    "log.level",
    "level",
    "write this level and those above: trace, debug, info, warn, error, fatal or silent",
  ],
  "log-format": ["log.format", "json|text", "write JSON lines, or text for people"],
} as const satisfies Record<string, SettingFlag>;

type SettingFlagName = keyof typeof settingFlags;

/** The flags that decide where the bridge looks for a plugin, and whether it runs the plugin. */
export const pluginFlags = ["conf", "bin-dir", "permissions"] as const satisfies readonly SettingFlagName[];

/** Adds `--config` and the flags in `names` to a command; without `names`, all flags. */
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

/** The settings that the flags give. @throws BridgeError CONFIG when a flag's value is invalid */
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

/** Refuses an empty path, which would mean the working directory. @throws InvalidArgumentError for an empty text */
export function parseFileName(text: string): string {
  if (text === "") throw new InvalidArgumentError("a path is expected, not an empty text.");
  return text;
}

export function parseNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("a number is expected, from 1 to 999999999.");
  return Number(text);
}

/**
 * Makes a path absolute: a path on the command line is relative to the working directory. Also accepts a socket's address as Go
 * programs write it, `unix://path`.
 * @throws InvalidArgumentError for an empty text and for an address with another scheme
 */
function parsePath(text: string): string {
  const path = text.replace(/^unix:(\/\/)?/, "");
  if (/^[a-z]+:\/\//.test(path)) throw new InvalidArgumentError("a path is expected, not an address.");
  return resolve(parseFileName(path));
}

/**
 * Adds one directory to those of earlier occurrences of the flag.
 * @throws InvalidArgumentError for a list of directories, as in PATH
 */
function parseDirectory(text: string, before: unknown): unknown {
  if (/[,:]/.test(text)) throw new InvalidArgumentError("give the flag once for each directory.");
  return [before ?? [], resolve(parseFileName(text))].flat();
}

interface Layers {
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
}

/**
 * Reads the settings of the flags and of the `--config` file.
 * @throws BridgeError CONFIG when a value is invalid or the file cannot be read
 */
export function configLayers(options: Readonly<Record<string, unknown>>): Layers {
  const file = givenConfig(options);
  return { flags: readFlags(options), file: file === undefined ? undefined : readConfigFile(file) };
}

/** The settings of a bridge that runs, and how it reads them again. */
export interface RunLayers extends Layers {
  readonly configFile: string | undefined;
  /** Why the flags or the file cannot be used; set only where the bridge must go on nevertheless, in launched mode. */
  readonly fault?: string;
  /** Reads the file again; absent without a file. @throws BridgeError CONFIG when the file cannot be read or is refused */
  readonly reread?: (() => PartialConfig) | undefined;
}

/**
 * Reads the settings of the flags and of the `--config` file for `run`. containerd 1.7 exits when a plugin that it launched exits
 * before it has registered: in launched mode this returns the error as `fault`, and does not throw.
 * @throws BridgeError CONFIG when a value is invalid or the file cannot be read or is refused, except in launched mode
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

/** The largest configuration file that the bridge reads: events wait while it parses the YAML. */
const maxConfigBytes = 1024 * 1024;

/** @throws BridgeError CONFIG that names the file, when it cannot be read or a value is invalid */
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
 * Reads the bridge's own configuration file, and checks who can change it.
 * @param permissions the value of the flag, not of the file: a file that others can write must not switch off the check
 * @throws BridgeError CONFIG that names the file, when it cannot be read, a value is invalid, or a user other than root and the
 * bridge's own can change it
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
 * The settings of the flags and of the `--config` file. For a pod or container that runs on this node (--pod, --container) without
 * --config, reads the file of the node's bridge, and keeps that file's `permissions` setting. A recorded case plays with the files
 * of the user who plays it, as with `replay`.
 * @throws BridgeError CONFIG that names the file, and without --config the remedy, when the settings cannot be used
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
