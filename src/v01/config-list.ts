import { BridgeError } from "../base/errors.js";
import { type Codec, decodeFirstValue, pointer, raw, string } from "./gojson/codec.js";
import { slice, struct } from "./gojson/struct.js";
import { positionOf } from "./gojson/utf8.js";
import type { ConfigList, Plugin, RawJson } from "./types.js";

/**
 * Reads conf.json as containerd 1.6 did: keys in any letter case, unknown keys and text after the value ignored.
 *
 * Throws CONF_LIST; the message is that of Go's encoding/json, word for word, and the fields `line` and `column` (both
 * from 1) say where the fault is.
 */
export function parseConfigList(bytes: Uint8Array): ConfigList {
  const decoded = decodeFirstValue(bytes, configList);
  if (!decoded.ok) throw new BridgeError("CONF_LIST", decoded.reason, { ...positionOf(bytes, decoded.offset) });
  return { version: decoded.value.version, plugins: decoded.value.plugins.map(toPlugin) };
}

function toPlugin(entry: PluginEntry | undefined, index: number): Plugin {
  // compat: containerd 1.6 crashed here (a nil *Plugin).
  if (entry === undefined) {
    throw new BridgeError("CONF_LIST", `plugins[${index}] is null: write {"type": "<plugin>"} or remove the entry`, {
      index,
    });
  }
  return entry;
}

interface PluginEntry {
  type: string;
  conf?: RawJson;
}

interface ConfigListText {
  version: string;
  plugins: (PluginEntry | undefined)[];
}

const plugin = struct<PluginEntry>("v1.Plugin", () => ({ type: "" }), { type: string(), conf: raw });

const configList: Codec<ConfigListText> = struct<ConfigListText>(
  "v1.ConfigList",
  () => ({ version: "", plugins: [] }),
  { version: string(), plugins: slice(pointer(plugin)) },
);
