import { resolve } from "node:path";
import { BridgeError, errorText, fileFault } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import { findConfigPermissionFault } from "../base/permissions.js";
import { parseConfig } from "../config/parse.js";
import type { PartialConfig } from "../config/schema.js";
import { launchedSocket } from "../nri/identity.js";
import { givenConfig, readFlags } from "./config-flags.js";

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
