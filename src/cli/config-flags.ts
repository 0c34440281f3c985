import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { type ConfigKey, configKeys } from "../config/keys.js";
import { parseConfig, parseConfigValue } from "../config/parse.js";
import type { PartialConfig } from "../config/schema.js";
import { BridgeError, fileFault } from "../errors.js";
import { readRegularFile } from "../files.js";
import { findConfigPermissionFault } from "../legacy/permissions.js";
import { givenValue, parseFileName, readerOf } from "./flag-values.js";

/** Names of flags that people know from NRI plugins, and the keys that they set. */
const shortForms: Readonly<Record<string, string>> = {
  socket: "socketPath",
  conf: "confFile",
  "bin-dir": "pluginDirs",
  idx: "pluginIdx",
  name: "pluginName",
};

/** Adds `--config` and a flag for each global key, under its name in kebab case. */
export function addConfigFlags(command: Command): Command {
  command.option("--config <file>", "the bridge's own configuration (YAML)", parseFileName);
  const keys = configKeys().filter((key) => key.kind !== "mapping");
  for (const key of keys) for (const option of toOptions(toKebab(key.path), key)) command.addOption(option);
  for (const [short, path] of Object.entries(shortForms)) {
    const key = keys.find((candidate) => candidate.path === path);
    const description = `short for --${toKebab(path)}`;
    for (const option of key === undefined ? [] : toOptions(short, { ...key, description })) command.addOption(option);
  }
  return command;
}

function toOptions(name: string, key: ConfigKey): readonly Option[] {
  const { kind, choices, description } = key;
  if (kind === "switch") {
    return [new Option(`--${name}`, description), new Option(`--no-${name}`, "off, whatever the file says")];
  }
  const placeholder = kind === "number" ? "number" : choices.length > 0 ? choices.join("|") : "value";
  const again = kind === "list" ? "; may be given again, or several with commas" : "";
  const option = new Option(`--${name} <${placeholder}${key.nullable ? "|null" : ""}>`, `${description}${again}`);
  const reader = readerOf(key);
  if (reader !== undefined) return [option.argParser<unknown>(reader)];
  return [choices.length > 0 ? option.choices(choices) : option];
}

/**
 * The layers that the command line gives: the flags, and the file of `--config`.
 * @throws BridgeError CONFIG when a value is wrong or the file cannot be read
 */
export function configLayers(options: Readonly<Record<string, unknown>>): {
  flags: PartialConfig;
  file: PartialConfig | undefined;
} {
  const values: Record<string, unknown> = {};
  for (const key of configKeys()) {
    const names = [
      toKebab(key.path),
      ...Object.entries(shortForms).flatMap(([short, path]) => (path === key.path ? [short] : [])),
    ];
    const givens = names.map((name) => options[toCamel(name)]).filter((value) => value !== undefined);
    if (givens.length === 0) continue;
    setPath(values, key.path.split("."), givenValue(key, givens));
  }
  if (options.state !== undefined && options.stateDirectory !== undefined) {
    throw new BridgeError(
      "CONFIG",
      "command line: --state memory keeps no journal, so --state-directory is for nothing: give one of them",
    );
  }
  const file = options.config;
  return {
    flags: parseConfigValue(values, "command line"),
    file: typeof file === "string" ? readConfigFile(file) : undefined,
  };
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

function setPath(target: Record<string, unknown>, [first = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    target[first] = value;
    return;
  }
  const inner: Record<string, unknown> = {};
  const present = target[first];
  if (typeof present === "object" && present !== null) Object.assign(inner, present);
  setPath(inner, rest, value);
  target[first] = inner;
}

function toKebab(path: string): string {
  return path.replaceAll(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function toCamel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
