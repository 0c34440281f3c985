import { mergeConfig } from "../../config/merge.js";
import { parseConfig } from "../../config/parse.js";
import { defaultConfig, type PartialConfig } from "../../config/schema.js";
import { errorText } from "../../errors.js";
import type { BridgeFacts, ConfigFault } from "../facts.js";

/** A configuration file of the bridge: its name, and its text where it could be read. */
export interface ConfigSource {
  readonly file: string;
  readonly text: string | undefined;
  readonly permissionFault: string | null;
}

/** The bridge's settings as it would run with them, and what is wrong with its file. */
export function readBridge(flags: PartialConfig, source: ConfigSource | undefined): BridgeFacts {
  if (source === undefined) {
    return { config: mergeConfig(flags), file: undefined, permissionFault: null, faults: [], keys: new Set() };
  }
  const { file, text, permissionFault } = source;
  const about = { file, permissionFault };
  if (text === undefined) {
    const faults = [{ where: file, text: "it cannot be read" }];
    return { config: mergeConfig(flags), ...about, faults, keys: new Set() };
  }
  try {
    const parsed = parseConfig(text, file);
    return { config: mergeConfig(flags, parsed), ...about, faults: [], keys: new Set(keysOf(parsed, "")) };
  } catch (error) {
    const faults = errorText(error).split("\n").map(toFault);
    return { config: mergeConfig(flags, defaultConfig), ...about, faults, keys: new Set() };
  }
}

function toFault(line: string): ConfigFault {
  const [, where = "", text = line] = /^(.*?:\d+:\d+): (.*)$/s.exec(line) ?? [];
  return { where, text };
}

function keysOf(value: object, prefix: string): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = `${prefix}${name}`;
    const nested = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    return nested ? [path, ...keysOf(inner, `${path}.`)] : [path];
  });
}
