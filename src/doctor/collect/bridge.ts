import { mergeConfig } from "../../config/merge.js";
import { parseConfig } from "../../config/parse.js";
import { defaultConfig, type PartialConfig } from "../../config/schema.js";
import { errorText } from "../../errors.js";
import type { BridgeFacts, ConfigFault } from "../facts.js";

/** A configuration file of the bridge: its name, and its text where it could be read. */
export interface ConfigSource {
  readonly file: string;
  readonly text: string | undefined;
}

/** The bridge's settings as it would run with them, and what is wrong with its file. */
export function readBridge(flags: PartialConfig, source: ConfigSource | undefined): BridgeFacts {
  if (source === undefined) {
    return { config: mergeConfig(flags), file: undefined, faults: [], keys: new Set() };
  }
  const { file, text } = source;
  if (text === undefined) {
    return { config: mergeConfig(flags), file, faults: [{ where: file, text: "it cannot be read" }], keys: new Set() };
  }
  try {
    const parsed = parseConfig(text, file);
    return { config: mergeConfig(flags, parsed), file, faults: [], keys: new Set(keysOf(parsed, "")) };
  } catch (error) {
    const faults = errorText(error).split("\n").map(toFault);
    return { config: mergeConfig(flags, defaultConfig), file, faults, keys: new Set() };
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
