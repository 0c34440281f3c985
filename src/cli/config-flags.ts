import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ConfigKey, configKeys } from "../config/keys.js";
import { parseConfig, parseConfigValue } from "../config/parse.js";
import type { PartialConfig } from "../config/schema.js";
import { BridgeError } from "../errors.js";
import { findConfigPermissionFault } from "../legacy/permissions.js";
import { fileFault } from "../replay/case-files.js";

/** Names of flags that people know from NRI plugins, and the keys that they set. */
const shortForms: Readonly<Record<string, string>> = {
  socket: "socketPath",
  conf: "confFile",
  "bin-dir": "pluginDirs",
  idx: "pluginIdx",
  name: "pluginName",
};

/** Keys that are paths: on a command line they are relative to where it is typed. */
const absolutePaths: ReadonlySet<string> = new Set(["socketPath", "confFile", "pluginDirs", "state.directory"]);

function toAbsolute(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(toAbsolute);
  return typeof given === "string" ? resolve(given) : given;
}

/** Adds `--config` and a flag for each global key, under its name in kebab case. */
export function addConfigFlags(command: Command): Command {
  command.option("--config <file>", "the bridge's own configuration (YAML)");
  const keys = configKeys().filter((key) => key.kind !== "mapping");
  for (const key of keys) command.addOption(toOption(`--${toKebab(key.path)}`, key));
  for (const [short, path] of Object.entries(shortForms)) {
    const key = keys.find((candidate) => candidate.path === path);
    if (key !== undefined)
      command.addOption(toOption(`--${short}`, { ...key, description: `short for --${toKebab(path)}` }));
  }
  return command;
}

function toOption(flag: string, key: ConfigKey): Option {
  const placeholder = key.kind === "number" ? "number" : key.choices.length > 0 ? key.choices.join("|") : "value";
  const option = new Option(key.kind === "switch" ? flag : `${flag} <${placeholder}>`, key.description);
  if (key.kind === "list") {
    return option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  }
  if (key.kind === "number") return option.argParser(parseNumber);
  return key.choices.length > 0 ? option.choices(key.choices) : option;
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("a number is expected.");
  return number;
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
  for (const { path, kind, choices } of configKeys()) {
    const names = [
      toKebab(path),
      ...Object.entries(shortForms).flatMap(([short, long]) => (long === path ? [short] : [])),
    ];
    const given = names.map((name) => options[toCamel(name)]).find((value) => value !== undefined);
    if (given === undefined) continue;
    const word = kind === "list" && Array.isArray(given) && given.length === 1 && choices.includes(given[0]);
    const value: unknown = word ? given[0] : absolutePaths.has(path) ? toAbsolute(given) : given;
    setPath(values, path.split("."), value);
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

/** @throws BridgeError CONFIG that names the file */
export function readConfigText(file: string): string {
  try {
    return readFileSync(file, "utf8");
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
