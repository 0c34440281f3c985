import { excerpt } from "../base/errors.js";
import { decodeDocument, raw, string, struct } from "./gojson/codec.js";
import { encodeUtf8 } from "./gojson/utf8.js";
import type { RawJson } from "./types.js";

/** The parts of a plugin's result that v0.1 does not have: keys that containerd 1.6 ignored and that the bridge reads. */
export interface ResultExtensions {
  /** The JSON of NRI's own messages, unparsed: `adjust` is an object, `update` and `evict` are lists. */
  readonly adjust?: RawJson;
  readonly update?: RawJson;
  readonly evict?: RawJson;
  readonly cgroupsPath?: string;
  /** One sentence for each of these keys whose value the bridge cannot use. */
  readonly problems: readonly string[];
}

/** For each key, the first character of a valid value, and the value's kind for the error text. */
const forms = {
  adjust: ["{", "an object"],
  update: ["[", "a list"],
  evict: ["[", "a list"],
  cgroupsPath: ['"', "a string"],
} as const;

const texts = struct("v1.Result", { adjust: raw, update: raw, evict: raw, cgroupsPath: raw });

/**
 * Reads the extensions from a plugin's stdout. They never make a result invalid: `problems` names each value that the bridge cannot
 * use, and an output that is not a JSON object has no extensions.
 */
export function parseResultExtensions(stdout: Uint8Array): ResultExtensions {
  const decoded = decodeDocument(stdout, texts);
  if (!decoded.ok) return { problems: [] };
  const found: { -readonly [Key in keyof typeof forms]?: RawJson } = {};
  const problems: string[] = [];
  for (const key of ["adjust", "update", "evict", "cgroupsPath"] as const) {
    const text = decoded.value[key];
    const [start, kind] = forms[key];
    if (text === undefined || text === "null") continue;
    if (text.startsWith(start)) found[key] = text;
    else problems.push(`"${key}" must be ${kind}, not ${excerpt(text, 40)}`);
  }
  const { cgroupsPath, ...messages } = found;
  return { ...messages, ...(cgroupsPath === undefined ? {} : { cgroupsPath: parseString(cgroupsPath) }), problems };
}

function parseString(text: RawJson): string {
  const decoded = decodeDocument(encodeUtf8(text), string());
  return decoded.ok ? decoded.value : "";
}
