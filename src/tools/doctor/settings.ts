import { configPaths, type PartialConfig } from "../../config/schema.js";
import type { BridgeFacts } from "./collect/bridge.js";

/** A key of the configuration with its value, and which layer it came from. */
export interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly from: "flag" | "file" | "default";
  /** `file:line` of a value from a file. */
  readonly where: string | null;
}

/** Every key but `plugins`, with its merged value and where that came from. Values of the environment are not shown. */
export function listSettings(
  flags: PartialConfig,
  { config, settings, file, lineOf }: BridgeFacts,
): readonly Setting[] {
  return configPaths
    .filter((path) => path !== "plugins")
    .map((path) => {
      const keys = path.split(".");
      const value = hidden(path, valueAt(config, keys));
      if (valueAt(flags, keys) !== undefined) return { key: path, value, from: "flag", where: null };
      if (valueAt(settings, keys) === undefined) return { key: path, value, from: "default", where: null };
      return { key: path, value, from: "file", where: `${file}:${lineOf(keys)}` };
    });
}

/** What is given to plugins by their environment may be a secret. */
function hidden(path: string, value: unknown): unknown {
  if (path !== "environment.set" || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).map((name) => [name, "(set)"]));
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
    value,
  );
}
