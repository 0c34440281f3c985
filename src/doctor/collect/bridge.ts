import { mergeConfig } from "../../config/merge.js";
import { parseConfig } from "../../config/parse.js";
import { defaultConfig, type PartialConfig } from "../../config/schema.js";
import { errorText } from "../../errors.js";
import type { BridgeFacts, ConfigFault } from "../facts.js";

/** The file that the shipped unit starts the bridge with. */
const unitsFile = "/etc/nri-v01-bridge/config.yaml";

/** A configuration file of the bridge: its name, and its text where it could be read. */
export interface ConfigSource {
  readonly file: string;
  /** How it was found, in words; "" for that of --config. */
  readonly origin: string;
  readonly text: string | undefined;
  /** Why it could not be read, as errno's name. */
  readonly refusal: string | undefined;
  readonly permissionFault: string | null;
}

/**
 * The bridge's settings as it would run with them, and what is wrong with its file.
 * @param newFile the file to write where there is none
 */
export function readBridge(
  flags: PartialConfig,
  source: ConfigSource | undefined,
  newFile: string = unitsFile,
): BridgeFacts {
  if (source === undefined) {
    const none = { file: undefined, origin: "", text: "", newFile, permissionFault: null, faults: [] };
    return { config: mergeConfig(flags), ...none };
  }
  const { file, origin, text, refusal, permissionFault } = source;
  const about = { file, origin, text, newFile, permissionFault };
  if (text === undefined) {
    const faults = [{ where: file, text: `${file} cannot be read: ${reasonOf(refusal)}` }];
    return { config: mergeConfig(flags), ...about, faults };
  }
  try {
    return { config: mergeConfig(flags, parseConfig(text, file)), ...about, faults: [] };
  } catch (error) {
    const faults = errorText(error).split("\n").map(toFault);
    return { config: mergeConfig(flags, defaultConfig), ...about, faults };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file (ENOENT)",
  ENOTDIR: "a part of its path is no directory (ENOTDIR)",
  EISDIR: "it is a directory (EISDIR)",
  EFTYPE: "it is a FIFO or a device (EFTYPE)",
  ENXIO: "it is a socket or a device (ENXIO)",
  EACCES: "this user may not (EACCES)",
};

function reasonOf(refusal = "EIO"): string {
  return reasons[refusal] ?? refusal;
}

function toFault(line: string): ConfigFault {
  const [, where = "", text = line] = /^(.*?:\d+:\d+): (.*)$/s.exec(line) ?? [];
  return { where, text };
}
