import { dirname, resolve } from "node:path";
import { errorText, fileFault } from "../../../base/errors.js";
import { readRegularFile } from "../../../base/files.js";
import { mergeConfig } from "../../../config/merge.js";
import { type ParsedConfig, parseConfigLines } from "../../../config/parse.js";
import type { Config, PartialConfig } from "../../../config/schema.js";
import { NodeFiles } from "../../../host/node-files.js";
import type { ConfigFault } from "../../../host/runtime-toml.js";
import { configFaultOf } from "./conf.js";

/** The configuration file of the shipped systemd unit. */
export const unitsFile = "/etc/nri-v01-bridge/config.yaml";

/** A configuration file of the bridge. */
export interface ConfigSource {
  readonly file: string;
  /** How it was found, in words; "" for that of --config. */
  readonly origin: string;
  /** The root that the file is below: `/` for that of --config, wherever the node's is. */
  readonly root: string;
}

export interface BridgeFacts extends ParsedConfig {
  /** Merged; without the file's settings where that has faults. */
  readonly config: Config;
  /** Undefined when there is none. */
  readonly file: string | undefined;
  readonly origin: string;
  readonly faults: readonly ConfigFault[];
  /** Why the file is not to be trusted; `null` when it is, or there is none. */
  readonly permissionFault: string | null;
}

/** The bridge's settings as it would run with them, and what is wrong with its file. */
export function readBridge(flags: PartialConfig, source: ConfigSource | undefined): BridgeFacts {
  const none = {
    config: mergeConfig(flags),
    settings: {},
    lineOf: () => undefined,
    file: source?.file,
    origin: source?.origin ?? "",
    faults: [],
    permissionFault: null,
  };
  if (source === undefined) return none;
  const { file, root } = source;
  const files = new NodeFiles(root);
  const path = root === "/" ? resolve(file) : file;
  let text: string;
  try {
    text = readRegularFile(files.locate(path)).toString("utf8");
  } catch (error) {
    return { ...none, faults: [{ where: file, text: `the configuration cannot be read: ${fileFault(error)}` }] };
  }
  const permissionFault = configFaultOf(files, path);
  try {
    const { settings, lineOf } = parseConfigLines(text, file);
    return { ...none, config: mergeConfig(flags, settings), settings, lineOf, permissionFault };
  } catch (error) {
    return { ...none, permissionFault, faults: errorText(error).split("\n").map(toFault) };
  }
}

function toFault(line: string): ConfigFault {
  const [, where = "", text = line] = /^(.*?:\d+:\d+): (.*)$/s.exec(line) ?? [];
  return { where, text };
}

export interface StateFacts {
  /** Undefined for `state: memory`. */
  readonly directory: string | undefined;
  readonly writable: boolean;
}

/** Whether the bridge can keep its journal. A directory that is not there yet is made, if its parent lets us. */
export function readState(files: NodeFiles, config: Config): StateFacts {
  const directory = config.state === "memory" ? undefined : config.state.directory;
  if (directory === undefined) return { directory, writable: true };
  let existing = directory;
  while (existing !== "/" && files.stat(existing) === undefined) existing = dirname(existing);
  return { directory, writable: files.stat(existing)?.isDirectory() === true && files.isWritable(existing) };
}
