import { excerpt } from "../base/errors.js";
import { decodeDocument, raw, string, struct } from "./gojson/codec.js";
import { encodeUtf8 } from "./gojson/utf8.js";
import type { RawJson } from "./types.js";

/** Parts of a result beyond v0.1: keys that containerd 1.6 ignored and the bridge understands. */
export interface ResultExtensions {
  /** NRI's own messages, as they are: an object, and two lists. */
  readonly adjust?: RawJson;
  readonly update?: RawJson;
  readonly evict?: RawJson;
  readonly cgroupsPath?: string;
  /** One sentence for each of these keys whose value cannot be used. */
  readonly problems: readonly string[];
}

/** How the value of each key begins, and what it is. */
const forms = {
  adjust: ["{", "an object"],
  update: ["[", "a list"],
  evict: ["[", "a list"],
  cgroupsPath: ['"', "a string"],
} as const;

const texts = struct("v1.Result", { adjust: raw, update: raw, evict: raw, cgroupsPath: raw });

/** They never make a result invalid: what cannot be used is reported, and an output that is no JSON object has none. */
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
