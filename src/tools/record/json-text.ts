import { scanFirstValue } from "../../v01/gojson/scanner.js";
import { quotedEnd, unquote } from "../../v01/gojson/unquote.js";

/** A place in a JSON text: keys of objects, and indices of lists as text. */
export type Path = readonly string[];

/** What is to stand at a place; the same value leaves the bytes as they are. */
export interface JsonRewriter {
  /** Whether a key says that everything below it is a secret; asked once for each key. */
  isSecret(key: string): boolean;
  text(path: Path, value: string, isSecret: boolean): string;
  /** A number as it is written. */
  number(path: Path, value: string, isSecret: boolean): string;
}

const byte = { quote: 0x22, comma: 0x2c, openBracket: 0x5b, closeBracket: 0x5d, openBrace: 0x7b, closeBrace: 0x7d };

/**
 * Rewrites single strings and numbers of a JSON text; everything else keeps its bytes: white space, the spelling of numbers,
 * duplicate keys, their order.
 *
 * @returns the text and where its first value ends; undefined when there is no whole value
 */
export function rewriteJson(
  bytes: Uint8Array,
  rewriter: JsonRewriter,
): { readonly bytes: Uint8Array; readonly rest: Uint8Array } | undefined {
  const extent = scanFirstValue(bytes);
  if (!extent.ok) return undefined;
  const parts: Uint8Array[] = [];
  let copied = 0;
  const replace = (from: number, to: number, text: string) => {
    parts.push(bytes.subarray(copied, from), Buffer.from(text));
    copied = to;
  };
  const path: string[] = [];
  /** Whether a key of the path, up to each, says that it is a secret. */
  const secret: boolean[] = [];
  // Per open container: the index of the next element, or undefined for an object, whose next string is a key.
  const open: { index: number | undefined; key: boolean }[] = [];
  for (let at = extent.start; at < extent.end; ) {
    const here = bytes[at];
    const container = open.at(-1);
    if (here === byte.openBrace || here === byte.openBracket) {
      const list = here === byte.openBracket;
      open.push({ index: list ? 0 : undefined, key: !list });
      path.push(list ? "0" : "");
      secret.push(secret.at(-1) ?? false);
      at++;
    } else if (here === byte.closeBrace || here === byte.closeBracket) {
      open.pop();
      path.pop();
      secret.pop();
      at++;
    } else if (here === byte.comma) {
      if (container?.index !== undefined) path[path.length - 1] = String(++container.index);
      else if (container !== undefined) container.key = true;
      at++;
    } else if (here === byte.quote) {
      const end = quotedEnd(bytes, at);
      const value = unquote(bytes, at + 1, end - 1);
      if (container?.key) {
        path[path.length - 1] = value;
        secret[path.length - 1] = secret.at(-2) || rewriter.isSecret(value);
        container.key = false;
      } else {
        const rewritten = rewriter.text(path, value, secret.at(-1) ?? false);
        if (rewritten !== value) replace(at, end, JSON.stringify(rewritten));
      }
      at = end;
    } else {
      const end = numberEnd(bytes, at);
      if (end > at) {
        const value = Buffer.from(bytes.subarray(at, end)).toString("latin1");
        const rewritten = rewriter.number(path, value, secret.at(-1) ?? false);
        if (rewritten !== value) replace(at, end, rewritten);
      }
      at = Math.max(end, at + 1);
    }
  }
  parts.push(bytes.subarray(copied, extent.end));
  return { bytes: Buffer.concat(parts), rest: bytes.subarray(extent.end) };
}

/** Where a number ends that begins here; here itself when none does. Letters of true, false and null are passed one by one. */
function numberEnd(bytes: Uint8Array, at: number): number {
  const isDigit = (value: number) => value >= 0x30 && value <= 0x39;
  const first = bytes[at] ?? 0;
  if (first !== 0x2d && !isDigit(first)) return at;
  let end = at + 1;
  // + - . E e
  while (end < bytes.length && (isDigit(bytes[end] ?? 0) || [0x2b, 0x2d, 0x2e, 0x45, 0x65].includes(bytes[end] ?? 0)))
    end++;
  return end;
}

/** Words of conf.json that are no secret. */
const plainWords: ReadonlySet<string> = new Set(["version", "plugins", "type", "conf", "0.1", "true", "false", "null"]);

/** Masks the words of a text that is no JSON, as a broken conf.json: its shape stays, and so does its length. */
export function maskBrokenJson(bytes: Uint8Array): Uint8Array {
  // As latin1 each byte is one character; a byte order mark is what may be wrong with the text.
  const text = Buffer.from(bytes).toString("latin1");
  const bom = text.startsWith("\u00ef\u00bb\u00bf") ? text.slice(0, 3) : "";
  const masked = text
    .slice(bom.length)
    .replace(/[^\s"{}[\]:,\\]+/g, (word) => (plainWords.has(word) ? word : "x".repeat(word.length)));
  return Buffer.from(bom + masked, "latin1");
}
