import { requestCodecOf } from "../../nri/json.js";
import { isSecretName, KnownSecrets, mask, maskShapes, secretsWithin } from "../../observe/secrets.js";
import { quotedEnd, unquote } from "../../v01/gojson/decoder.js";
import { byteOf, isSpace, scanLiteral } from "../../v01/gojson/literals.js";
import { scanFirstValue } from "../../v01/gojson/scanner.js";

export interface Redactor {
  readonly redacts: boolean;
  /** A call's request. Undefined when it cannot be made safe. */
  payload(method: string, payload: Uint8Array): Uint8Array | undefined;
  metadata(metadata: Metadata): Metadata;
  /** conf.json, whatever is in it. */
  conf(bytes: Uint8Array): Uint8Array;
  bundle(bytes: Uint8Array): Uint8Array;
  request(text: string): string;
  /** A text that a plugin printed, or that we say of it: JSON or not. */
  output(text: string): string;
  /** Texts that are no secret though a variable holds them: the pod's name is its HOSTNAME. */
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

/** Shorter values say little, and would be found in words that have nothing to do with them. */
const shortestPlain = 6;
const shortestNamed = 3;
/** The keys that a call has of itself; another key's value is masked. */
const plainMetadata: ReadonlySet<string> = new Set(["containerd-namespace-ttrpc", "traceparent", "tracestate"]);

/**
 * Masks secrets with as many bytes: values of variables, annotations but those under io.kubernetes., arguments after the program's
 * name, and values of conf.json whose key looks secret. A value that was masked once is masked in the output of plugins too.
 * Place and shape alone decide in requests, events, bundles and conf.json, so that a replay sends the masked requests.
 * @param keepAnnotation which annotations stay: a plugin may go by them
 */
export function createRedactor(keepAnnotation: (key: string) => boolean = () => false): Redactor {
  const known = new KnownSecrets();
  const ofConf = new KnownSecrets();

  /** Masks a value by where it stands, and learns it. Undefined: nothing is known against it. */
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

  /** compat: CRI-O keeps all of a pod's annotations once more as JSON, in io.kubernetes.cri-o.Annotations. */
  function maskNested(key: string, text: string): string | undefined {
    if (!text.startsWith("{")) return undefined;
    const base = key.endsWith("Annotations") ? "annotations" : key;
    const found = rewrite(Buffer.from(text), (path, value, isSecret) =>
      byPlace(path.length > 2 ? path : [base, ...path], value, isSecret || isSecretName(base)),
    );
    return found === undefined || found.rest.length > 0 ? mask(text) : Buffer.from(found.bytes).toString();
  }

  /** A secret that only its shape shows is masked where a plugin prints it alone, too. */
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
      // Twice: a value may stand in another one before the key that gives it away.
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

/** Another number of the same length, and still a number. */
function maskNumber(text: string): string {
  return text.replace(/\d/g, "1");
}

/** A call's request with other texts; undefined for an unknown method. Unknown fields are lost: they may hold a secret. */
function rewritePayload(
  method: string,
  payload: Uint8Array,
  rewrite: (path: Path, text: string) => string,
): Uint8Array | undefined {
  const codec = requestCodecOf(method);
  if (codec === undefined) return undefined;
  return codec.encode(rewriteMessage(codec.decode(payload), rewrite));
}

/** The message with each text as `rewrite` gives it; keys of maps stay. */
function rewriteMessage(message: object, rewrite: (path: Path, text: string) => string, path: Path = []): object {
  const visit = (value: unknown, at: Path): unknown => {
    if (typeof value === "string") return rewrite(at, value);
    if (Array.isArray(value)) return value.map((element, index) => visit(element, [...at, String(index)]));
    return typeof value === "object" && value !== null ? rewriteMessage(value, rewrite, at) : value;
  };
  return Object.fromEntries(Object.entries(message).map(([key, inner]) => [key, visit(inner, [...path, key])]));
}

/** A place in a JSON text: keys of objects, and indices of lists as text. */
export type Path = readonly string[];

/** The new value at a place; the same value leaves the bytes as they are. */
interface JsonRewriter {
  /** Whether a key says that everything below it is a secret; asked once for each key. */
  isSecret(key: string): boolean;
  text(path: Path, value: string, isSecret: boolean): string;
  number(path: Path, value: string, isSecret: boolean): string;
}

/**
 * Rewrites strings and numbers of a JSON text; everything else keeps its bytes.
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
