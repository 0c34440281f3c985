import { BridgeError } from "../base/errors.js";
import { decodeFirstValue, pointer, raw, slice, string, struct } from "./gojson/codec.js";
import { positionOf } from "./gojson/utf8.js";
import type { ConfigList } from "./types.js";

/**
 * Parses conf.json as containerd 1.6 did: keys match in any letter case; unknown keys and text after the value are ignored.
 * @throws BridgeError CONF_LIST when conf.json is invalid, in the words of Go's encoding/json, with the fields `line` and `column`,
 * both from 1; for a plugin that is null, with the field `index`
 */
export function parseConfigList(bytes: Uint8Array): ConfigList {
  const decoded = decodeFirstValue(bytes, configList);
  if (!decoded.ok) throw new BridgeError("CONF_LIST", decoded.reason, { ...positionOf(bytes, decoded.offset) });
  const plugins = decoded.value.plugins.map((plugin, index) => {
    if (plugin !== undefined) return plugin;
    // compat: containerd 1.6 crashed on a null entry (a nil *Plugin).
    const message = `plugins[${index}] is null: write {"type": "<plugin>"} or remove the entry`;
    throw new BridgeError("CONF_LIST", message, { index });
  });
  return { version: decoded.value.version, plugins };
}

const configList = struct("v1.ConfigList", {
  version: string(),
  plugins: slice(pointer(struct("v1.Plugin", { type: string(), conf: raw }))),
});

/** Plain explanations of Go's syntax errors in a hand-written file; the first pattern that matches counts. */
const meanings = [
  [/'ï' looking for beginning of value$/, "the file begins with a byte order mark (EF BB BF), which editors hide"],
  [/'[ÿþ]' looking for beginning of value$/, "the file is UTF-16, and JSON is UTF-8"],
  [/'\]' looking for beginning of value$|'}' looking for beginning of object/, "a comma too many stands before this"],
  [/'\/' looking for beginning of /, "JSON has no comments"],
  [/'(\\'|â)' looking for beginning of |object key string$/, "keys and texts stand in double quotes"],
  [/ looking for beginning of value$/, "a value is expected at this place"],
  [/ after (object key:value pair|array element)$/, "a comma is missing before this place"],
  [/ after object key$/, "a colon is missing before this place"],
  [/^(unexpected )?EOF$/, "the file ends before its last brace"],
] as const;

const wanted = { string: "text in quotes", "[]*v1.Plugin": "list", "v1.Plugin": "object", "v1.ConfigList": "object" };

/**
 * Explains an error of Go's encoding/json in plain words: `"version" is a number, and a text in quotes is expected`; undefined
 * where Go's own words are clear enough.
 */
export function explainConfFault(reason: string): string | undefined {
  const unmarshal = /^json: cannot unmarshal (\S+) into Go (?:struct field \w+\.(\S+)|value) of type (\S+)$/;
  const [, kind, key, type = ""] = unmarshal.exec(reason) ?? [];
  const [, expected] = Object.entries(wanted).find(([name]) => name === type) ?? [];
  if (kind === undefined || expected === undefined) return meanings.find(([pattern]) => pattern.test(reason))?.[1];
  const what = key === undefined ? "the file" : type === "v1.Plugin" ? `an entry of "${key}"` : `"${key}"`;
  const [is, a] = [kind, expected].map((noun) => `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`);
  return `${what} is ${is}, and ${a} is expected`;
}
