import { BridgeError, errorText } from "../errors.js";
import { toRawJson } from "../gojson/compact.js";
import { parseConfigList } from "../v01/config-list.js";
import type { ConfigList, RawJson } from "../v01/types.js";

/**
 * The conf that a conf.json has for a plugin: of the entry with its name, or of the only entry.
 * @throws BridgeError USAGE that names the file
 */
export function confOf(text: Uint8Array, file: string, plugin: string): RawJson | undefined {
  let list: ConfigList;
  try {
    list = parseConfigList(text);
  } catch (error) {
    throw new BridgeError("USAGE", `--conf: ${file}: ${errorText(error)}`);
  }
  const named = list.plugins.find(({ type }) => type === plugin || type.endsWith(`/${plugin}`));
  const entry = named ?? (list.plugins.length === 1 ? list.plugins[0] : undefined);
  if (entry === undefined) {
    throw new BridgeError("USAGE", `--conf: ${file}: no entry of "plugins" has the type "${plugin}"`);
  }
  return entry.conf;
}

/**
 * A conf with one more key, which wins over one of its name (the last duplicate does).
 * @throws BridgeError USAGE when the conf is no object
 */
export function withConfKey(conf: RawJson | undefined, key: string, value: string): RawJson {
  const before = conf ?? "{}";
  if (!before.startsWith("{")) {
    throw new BridgeError(
      "USAGE",
      `--cgroup-conf: the plugin's conf is ${before}, and only an object takes the key "${key}"`,
    );
  }
  const inner = before.slice(1, -1);
  return toRawJson(`{${inner}${inner === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}}`);
}
