import { isNode, LineCounter, parseDocument } from "yaml";
import { type Config, configPaths, type PartialConfig } from "../config/schema.js";
import type { ConfigSource } from "./collect/bridge.js";

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
  config: Config,
  flags: PartialConfig,
  source: Pick<ConfigSource, "file" | "text"> | undefined,
): readonly Setting[] {
  const lines = new LineCounter();
  const document = parseDocument(source?.text ?? "", { lineCounter: lines });
  return configPaths
    .filter((path) => path !== "plugins")
    .map((path) => {
      const keys = path.split(".");
      const value = hidden(path, valueAt(config, keys));
      if (valueAt(flags, keys) !== undefined) return { key: path, value, from: "flag", where: null };
      const node: unknown = document.getIn(keys, true);
      if (source === undefined || node === undefined) return { key: path, value, from: "default", where: null };
      const line = isNode(node) && node.range ? `:${lines.linePos(node.range[0]).line}` : "";
      return { key: path, value, from: "file", where: `${source.file}${line}` };
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
