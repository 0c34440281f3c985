import { BridgeError } from "../base/errors.js";
import { decodeFirstValue, pointer, raw, slice, string, struct } from "./gojson/codec.js";
import { positionOf } from "./gojson/utf8.js";
import type { ConfigList } from "./types.js";

/**
 * Reads conf.json as containerd 1.6 did: keys in any letter case, unknown keys and text after the value ignored.
 * @throws BridgeError CONF_LIST in the words of Go's encoding/json, with the fields `line` and `column`, both from 1
 */
export function parseConfigList(bytes: Uint8Array): ConfigList {
  const decoded = decodeFirstValue(bytes, configList);
  if (!decoded.ok) throw new BridgeError("CONF_LIST", decoded.reason, { ...positionOf(bytes, decoded.offset) });
  const plugins = decoded.value.plugins.map((plugin, index) => {
    if (plugin !== undefined) return plugin;
    // compat: containerd 1.6 crashed here (a nil *Plugin).
    const message = `plugins[${index}] is null: write {"type": "<plugin>"} or remove the entry`;
    throw new BridgeError("CONF_LIST", message, { index });
  });
  return { version: decoded.value.version, plugins };
}

const configList = struct("v1.ConfigList", {
  version: string(),
  plugins: slice(pointer(struct("v1.Plugin", { type: string(), conf: raw }))),
});
