import { excerpt } from "../base/errors.js";
import { decodeDocument, raw, string, struct } from "./gojson/codec.js";
import { encodeUtf8 } from "./gojson/utf8.js";
import type { RawJson } from "./types.js";

/** What a result may hold beyond v0.1: keys that containerd 1.6 ignored and the bridge understands. */
export interface ResultExtensions {
  /** The object under `adjust`, as it is. */
  readonly adjust?: RawJson;
  readonly cgroupsPath?: string;
  /** One sentence for each of these keys whose value cannot be used. */
  readonly problems: readonly string[];
}

/**
 * Reads the extensions of a result. They never make a result invalid: what cannot be used is reported, and an output
 * that is no JSON object has none.
 */
export function parseResultExtensions(stdout: Uint8Array): ResultExtensions {
  const decoded = decodeDocument(stdout, extensions);
  if (!decoded.ok) return { problems: [] };
  const { adjust, cgroupsPath } = decoded.value;
  const problems: string[] = [];
  const found: { adjust?: RawJson; cgroupsPath?: string } = {};

  if (adjust?.startsWith("{")) found.adjust = adjust;
  else if (isGiven(adjust)) problems.push(`"adjust" must be an object, not ${excerpt(adjust, 40)}`);

  if (cgroupsPath?.startsWith('"')) found.cgroupsPath = parseString(cgroupsPath);
  else if (isGiven(cgroupsPath)) problems.push(`"cgroupsPath" must be a string, not ${excerpt(cgroupsPath, 40)}`);

  return { ...found, problems };
}

const extensions = struct("v1.Result", { adjust: raw, cgroupsPath: raw });

function isGiven(text: RawJson | undefined): text is RawJson {
  return text !== undefined && text !== "null";
}

function parseString(text: RawJson): string {
  const decoded = decodeDocument(encodeUtf8(text), string());
  return decoded.ok ? decoded.value : "";
}
