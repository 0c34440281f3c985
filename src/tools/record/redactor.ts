import { requestCodecOf } from "../../nri/json.js";
import { isSecretName, KnownSecrets, mask, maskShapes, secretsWithin } from "../../observe/secrets.js";
import { quotedEnd, unquote } from "../../v01/gojson/decoder.js";
import { byteOf, isSpace, scanLiteral } from "../../v01/gojson/literals.js";
import { scanFirstValue } from "../../v01/gojson/scanner.js";

export interface Redactor {
  readonly redacts: boolean;
  /** Masks an encoded request of a call. Undefined for an unknown method, whose request the redactor cannot mask. */
  payload(method: string, payload: Uint8Array): Uint8Array | undefined;
  metadata(metadata: Metadata): Metadata;
  /** Masks a conf.json, even if it is not valid JSON. */
  conf(bytes: Uint8Array): Uint8Array;
  bundle(bytes: Uint8Array): Uint8Array;
  request(text: string): string;
  /** Masks a text, JSON or not, that a plugin printed or that the bridge says about the plugin. */
  output(text: string): string;
  /** Excludes texts that are no secret although an environment variable holds them: the pod's name is its HOSTNAME. */
  knowAsPlain(texts: readonly string[]): void;
}

type Metadata = readonly (readonly [key: string, value: string])[];

export const openRedactor: Redactor = {
  redacts: false,
  payload: (_method, payload) => payload,
  metadata: (metadata) => metadata,
  conf: (bytes) => bytes,
  bundle: (bytes) => bytes,
  request: (text) => text,
  output: (text) => text,
  knowAsPlain() {},
};

/**
 * The redactor does not search output for shorter values, in characters: they say little and occur in unrelated words. A value
 * whose name says that it is secret may be shorter (`shortestNamed`).
 */
const shortestPlain = 6;
const shortestNamed = 3;
/** The metadata keys that the runtime itself sets; the redactor masks the value of any other key. */
const plainMetadata: ReadonlySet<string> = new Set(["containerd-namespace-ttrpc", "traceparent", "tracestate"]);

/**
 * Creates a redactor that replaces each secret with a mask of as many bytes. Secrets are the values of environment variables,
 * annotations except those under io.kubernetes., arguments after the program's name, and values of conf.json whose key looks
 * secret. The redactor also masks each of these values in the output of plugins. In requests, events, bundles and conf.json only a
 * value's place and shape decide, so that a replay sends the same masked requests.
 * @param keepAnnotation whether to keep an annotation, on which a plugin's behaviour may depend
 */
export function createRedactor(keepAnnotation: (key: string) => boolean = () => false): Redactor {
  const known = new KnownSecrets();
  const ofConf = new KnownSecrets();

  /** Masks a value, and learns it, when its place says that it is secret. Undefined when the place does not say that. */
  function maskByPlace(path: Path, text: string, isSecret = path.some(isSecretName)): string | undefined {
    const [key = "", parent = ""] = [path.at(-1), path.at(-2)];
    const masked = (secret: string, name: string) => {
      known.learn(secret, isSecretName(name) ? shortestNamed : shortestPlain);
      return mask(secret);
    };
    if (parent === "annotations") {
      return key.startsWith("io.kubernetes.") || keepAnnotation(key) ? maskNested(key, text) : masked(text, key);
    }
    if (parent === "env" && /^\d+$/.test(key)) {
      const equals = text.indexOf("=");
      const name = text.slice(0, Math.max(equals, 0));
      return equals < 0 ? undefined : `${name}=${masked(text.slice(equals + 1), name)}`;
    }
    if (path.at(-3) === "env") return key === "key" ? text : masked(text, "");
    if (/^adjust\.(env|annotation)\./.test(key)) return masked(text, key);
    if (parent === "args" && key !== "0") return masked(text, "");
    return isSecret ? masked(text, "secret") : undefined;
  }

  /** compat: CRI-O stores a second copy of a pod's annotations as JSON, in io.kubernetes.cri-o.Annotations. */
  function maskNested(key: string, text: string): string | undefined {
    if (!text.startsWith("{")) return undefined;
    const base = key.endsWith("Annotations") ? "annotations" : key;
    const found = rewrite(Buffer.from(text), (path, value, isSecret) =>
      byPlace(path.length > 2 ? path : [base, ...path], value, isSecret || isSecretName(base)),
    );
    return found === undefined || found.rest.length > 0 ? mask(text) : Buffer.from(found.bytes).toString();
  }

  /** Masks secrets by their shape, and learns them, since a plugin may print one alone, without that shape. */
  function maskByShape(text: string, learners: readonly KnownSecrets[] = [known]): string {
    for (const part of secretsWithin(text)) for (const learner of learners) learner.learn(part, shortestPlain);
    return maskShapes(text);
  }

  const byPlace = (path: Path, text: string, isSecret?: boolean) =>
    maskByPlace(path, text, isSecret) ?? maskByShape(text);
  const byConf = (_path: Path, text: string, isSecret: boolean) => {
    if (!isSecret) return ofConf.scrub(maskByShape(text, [ofConf, known]));
    for (const secrets of [ofConf, known]) secrets.learn(text, shortestNamed);
    return mask(text);
  };
  const byAll = (path: Path, text: string, isSecret: boolean) =>
    maskByPlace(path, text, isSecret) ?? known.scrub(maskShapes(text));

  return {
    redacts: true,
    payload: (method, payload) => rewritePayload(method, payload, byPlace),
    metadata: (metadata) =>
      metadata.map(([key, value]) => [key, plainMetadata.has(key.toLowerCase()) ? value : mask(value)]),
    conf(bytes) {
      // Two passes: the first learns each secret, since a value may contain a secret whose key only comes later.
      rewrite(bytes, byConf);
      const found = rewrite(bytes, byConf);
      return found === undefined ? maskBrokenJson(bytes) : Buffer.concat([found.bytes, maskBrokenJson(found.rest)]);
    },
    bundle: (bytes) => rewrite(bytes, byPlace)?.bytes ?? maskBrokenJson(bytes),
    request(text) {
      const bytes = Buffer.from(text);
      const rules: Readonly<Record<string, RewriteText>> = { conf: byConf, results: byAll };
      const found = rewrite(bytes, (path, ...value) => (rules[path[0] ?? ""] ?? byPlace)(path, ...value));
      return Buffer.from(found?.bytes ?? maskBrokenJson(bytes)).toString();
    },
    output(text) {
      const found = /^\s*[[{]/.test(text) ? rewrite(Buffer.from(text), byAll) : undefined;
      return known.scrub(found === undefined ? maskShapes(text) : Buffer.concat([found.bytes, found.rest]).toString());
    },
    knowAsPlain: (texts) => known.except(texts),
  };
}

type RewriteText = JsonRewriter["text"];

function rewrite(bytes: Uint8Array, text: RewriteText) {
  const number: RewriteText = (_path, value, isSecret) => (isSecret ? maskNumber(value) : value);
  return rewriteJson(bytes, { isSecret: isSecretName, text, number });
}

/** Replaces each digit with 1: the mask has the same length and is still a number. */
function maskNumber(text: string): string {
  return text.replace(/\d/g, "1");
}

/**
 * Rewrites each text of a call's request; undefined for an unknown method. Drops protobuf fields that the codec does not know,
 * since they may hold a secret.
 */
function rewritePayload(
  method: string,
  payload: Uint8Array,
  rewrite: (path: Path, text: string) => string,
): Uint8Array | undefined {
  const codec = requestCodecOf(method);
  if (codec === undefined) return undefined;
  return codec.encode(rewriteMessage(codec.decode(payload), rewrite));
}

/** The message with each text replaced by what `rewrite` returns; keys of maps stay. */
function rewriteMessage(message: object, rewrite: (path: Path, text: string) => string, path: Path = []): object {
  const visit = (value: unknown, at: Path): unknown => {
    if (typeof value === "string") return rewrite(at, value);
    if (Array.isArray(value)) return value.map((element, index) => visit(element, [...at, String(index)]));
    return typeof value === "object" && value !== null ? rewriteMessage(value, rewrite, at) : value;
  };
  return Object.fromEntries(Object.entries(message).map(([key, inner]) => [key, visit(inner, [...path, key])]));
}

/** A place in a JSON text: the keys of objects, and the indices of lists as text, from the outermost value inwards. */
export type Path = readonly string[];

/** Gives the new value for each place. If it returns the same value, the original bytes stay as they are. */
interface JsonRewriter {
  /** Whether a key says that everything below it is a secret; called once for each key in the text. */
  isSecret(key: string): boolean;
  text(path: Path, value: string, isSecret: boolean): string;
  number(path: Path, value: string, isSecret: boolean): string;
}

/**
 * Rewrites the strings and numbers of the first JSON value in a text; all other bytes stay as they are.
 * @returns the text up to the value's end, and the rest after it; undefined when the text has no complete value
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
  /** For each part of the path: whether its key, or one before it in the path, says that the value is a secret. */
  const secret: boolean[] = [];
  // For each open list: the index of the current element. For each open object: undefined, and in `key` whether the next string is
  // a key.
  const open: { index: number | undefined; key: boolean }[] = [];
  for (let at = extent.start; at < extent.end; ) {
    const here = bytes[at];
    const container = open.at(-1);
    if (here === byteOf.openBrace || here === byteOf.openBracket) {
      const list = here === byteOf.openBracket;
      open.push({ index: list ? 0 : undefined, key: !list });
      path.push(list ? "0" : "");
      secret.push(secret.at(-1) ?? false);
      at++;
    } else if (here === byteOf.closeBrace || here === byteOf.closeBracket) {
      open.pop();
      path.pop();
      secret.pop();
      at++;
    } else if (here === byteOf.comma) {
      if (container?.index !== undefined) path[path.length - 1] = String(++container.index);
      else if (container !== undefined) container.key = true;
      at++;
    } else if (here === byteOf.quote) {
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
    } else if (here === undefined || here === byteOf.colon || isSpace(here)) {
      at++;
    } else {
      const end = scanLiteral(bytes, at, here);
      if (typeof end !== "number") return undefined;
      const value = Buffer.from(bytes.subarray(at, end)).toString("latin1");
      const rewritten = /^[tfn]/.test(value) ? value : rewriter.number(path, value, secret.at(-1) ?? false);
      if (rewritten !== value) replace(at, end, rewritten);
      at = end;
    }
  }
  parts.push(bytes.subarray(copied, extent.end));
  return { bytes: Buffer.concat(parts), rest: bytes.subarray(extent.end) };
}

/** Words of a conf.json that are no secret. */
const plainWords: ReadonlySet<string> = new Set(["version", "plugins", "type", "conf", "0.1", "true", "false", "null"]);

/** Masks the words of a text that is not valid JSON, such as a broken conf.json; keeps its punctuation and its length. */
export function maskBrokenJson(bytes: Uint8Array): Uint8Array {
  // In latin1 each byte is one character. Keep a byte order mark, since it may be what makes the JSON invalid.
  const text = Buffer.from(bytes).toString("latin1");
  const bom = text.startsWith("\u00ef\u00bb\u00bf") ? text.slice(0, 3) : "";
  const masked = text
    .slice(bom.length)
    .replace(/[^\s"{}[\]:,\\]+/g, (word) => (plainWords.has(word) ? word : "x".repeat(word.length)));
  return Buffer.from(bom + masked, "latin1");
}
