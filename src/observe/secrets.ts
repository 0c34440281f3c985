import { attempt } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { formatString } from "../v01/gojson/format.js";
import { quoteText } from "../v01/gojson/quote.js";

/**
 * The funnel does not mask shorter values, in characters: they occur in too many unrelated words. A value whose key says that it is
 * secret may be shorter (`shortestNamed`).
 */
const shortest = 8;
const shortestNamed = 6;
/** A plain word or a path: a log needs them, so that they count as secret only under a key that says so. */
const plainValue = /^(?:[a-z][a-z_-]*|\/[\w./-]*|true|false)$/i;

type Confs = Parameters<Log["conceal"]>[0];

/** Fields of a log line that hold the bridge's own words, never a plugin's: the funnel does not mask them. */
const ownFields: ReadonlySet<string> = new Set(
  "event state id pod container plugin path file outcome runtime runtimeVersion directory".split(" "),
);

/**
 * Masks in each line of the log the values in plugins' confs, and texts that look like secrets. Never throws: when it cannot
 * examine a text, it masks the whole text. It parses confs only when there is a line to write.
 */
export class LogFunnel {
  private known = new KnownSecrets();
  private readonly seen = new WeakSet<object>();
  private readonly waiting: string[] = [];

  /** From now on no line of the log shows the values in these confs. */
  conceal(confs: Confs): void {
    for (const conf of confs) {
      if (conf.conf === undefined || this.seen.has(conf)) continue;
      this.seen.add(conf);
      this.waiting.push(conf.conf);
    }
  }

  mask(fields: object): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, ownFields.has(name) ? value : this.maskValue(value)]),
    );
  }

  private maskValue(value: unknown): unknown {
    if (typeof value === "string") return this.maskText(value);
    if (Array.isArray(value)) return value.map((element) => this.maskValue(element));
    return typeof value === "object" && value !== null ? this.mask(value) : value;
  }

  private maskText(text: string): string {
    try {
      this.learnWaiting();
      return maskShapes(this.known.scrub(text));
    } catch {
      return mask(text);
    }
  }

  private learnWaiting(): void {
    for (const conf of this.waiting.splice(0)) {
      // A conf whose secrets change again and again fills the set: forget the earlier ones.
      if (this.known.full) this.known = new KnownSecrets();
      // The bridge compacted the conf: nothing is left in it that Go's JSON accepts and JSON.parse does not.
      const parsed = attempt((): unknown => JSON.parse(conf));
      learn(this.known, parsed);
    }
  }
}

/** Learns the values in a conf. Not recursive: v0.1 accepts a conf that is ten thousand levels deep. */
function learn(known: KnownSecrets, conf: unknown): void {
  const pending: { readonly value: unknown; readonly isNamed: boolean }[] = [{ value: conf, isNamed: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, isNamed } = next;
    if (typeof value === "string") {
      if (isNamed) known.learn(value, shortestNamed);
      else if (!plainValue.test(value)) known.learn(value, shortest);
      // A plugin may print only a part of the value, such as the password in mysql://user:password@host.
      for (const part of secretsWithin(value)) known.learn(part, shortestNamed);
    } else if (typeof value === "number") known.learn(String(value), isNamed ? shortestNamed : shortest);
    else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        pending.push({ value: inner, isNamed: isNamed || isSecretName(name) });
      }
    }
  }
}

const mostSecrets = 20_000;

/** Secrets that the bridge has learned, to find and mask them in what a plugin prints. */
export class KnownSecrets {
  private readonly forms = new Set<string>();
  private readonly plain = new Set<string>();
  /** The forms, longest first, so that masking a secret does not cut in two a longer one that contains it. */
  private sorted: readonly string[] | undefined;

  /** @param shortest shorter texts, in characters, are not learned: they occur in too many unrelated words */
  learn(secret: string, shortest: number): void {
    // A plugin's output arrives line by line, so a key of several lines must also be found by each of its lines.
    for (const text of new Set([secret, ...secret.split(/\r?\n/)])) {
      if (text.length < shortest || this.plain.has(text) || this.forms.size >= mostSecrets) continue;
      // The text as it is, as JavaScript and Go write it in a JSON string, and each of these as Go quotes a string.
      const written = [text, JSON.stringify(text).slice(1, -1), formatString(text).slice(1, -1)];
      for (const form of written) this.forms.add(form).add(quoteText(form).slice(1, -1));
      this.sorted = undefined;
    }
  }

  /** Whether the set is full: `learn` then adds nothing. */
  get full(): boolean {
    return this.forms.size >= mostSecrets;
  }

  /** Excludes texts that are no secret although an environment variable holds them: a pod's name is its HOSTNAME. */
  except(texts: readonly string[]): void {
    for (const text of texts) this.plain.add(text);
  }

  scrub(text: string): string {
    this.sorted ??= [...this.forms].toSorted((a, b) => b.length - a.length);
    let scrubbed = text;
    for (const form of this.sorted) {
      if (scrubbed.includes(form)) scrubbed = scrubbed.replaceAll(form, mask(form));
    }
    return this.scrubCut(scrubbed);
  }

  /** Masks the beginning of a secret where the bridge cut a text within that secret, such as `k3pt-f0… (12 bytes cut)`. */
  private scrubCut(text: string): string {
    const at = text.lastIndexOf(cutMark);
    if (at < 0) return text;
    const tail = text.slice(Math.max(0, at - longestTail), at);
    const lengths = (this.sorted ?? []).map((form) => beginningAt(tail, form));
    const masked = Math.max(0, ...lengths);
    return masked === 0 ? text : text.slice(0, at - masked) + "x".repeat(masked) + text.slice(at);
  }
}

/** The bridge puts this mark where it cuts a text, and then says how much it cut. */
const cutMark = "… (";
const longestTail = 4096;
/** A shorter beginning of a secret, in characters, is not masked: it occurs in too many words. */
const shortestBeginning = 4;

/** How many characters at the end of `text` are the beginning of `whole`; 0 when fewer than `shortestBeginning` are. */
function beginningAt(text: string, whole: string): number {
  for (let length = Math.min(whole.length - 1, text.length); length >= shortestBeginning; length--) {
    if (text.endsWith(whole.slice(0, length))) return length;
  }
  return 0;
}

/** A name that contains one of these words says that its value is a secret. */
const secretWords: ReadonlySet<string> = new Set(
  [
    "password passwd pwd pass passphrase passcode secret secrets token tokens key keys apikey credential credentials",
    "cred creds auth authorization authentication bearer cookie cookies private cert certificate certs dsn pin salt",
    "signature jwt oauth pem session webhook connectionstring",
  ].flatMap((words) => words.split(" ")),
);

/** The same for names whose words are not separated: `dbpassword`, `accesstoken`. */
const secretParts = /passw(or)?d|passphrase|secret|token|credential|apikey|accesskey|privatekey/;

/** Whether the name of a key, a variable or an option says that its value is secret. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ")
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.some((word) => secretWords.has(word) || secretParts.test(word));
}

/** The mask of a secret: an `x` for each of its bytes in UTF-8. */
export function mask(secret: string): string {
  return "x".repeat(Buffer.byteLength(secret));
}

/**
 * Patterns that recognize a secret by its shape; the second group is the part to mask. The texts come from outside the bridge, so
 * no pattern may take quadratic time on a long text.
 */
const shapes: readonly RegExp[] = [
  // name=value, --name=value, "name: value"
  /((?:passw(?:or)?d|passphrase|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key)[\w.-]{0,100}["']?\s{0,10}[=:]\s{0,10}["']?)([^\s"',;&]+)/gi,
  // https://user:password@host
  /((?<![\w+.-])[\w+.-]+:\/\/[^\s:@/]*:)([^\s@/]+)(?=@)/g,
  // Authorization: Basic …, Bearer …
  /(\b(?:basic|bearer)\s+)([\w~+/.=-]{8,})/gi,
  // JSON Web Tokens
  /()(\beyJ[\w-]{8,2000}\.[\w-]{8,20000}\.[\w-]*)/g,
  // AWS and GitHub keys
  /()(\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,})/g,
  // PEM
  /(-----BEGIN [^-]+-----)([^-]+)/g,
];

/** The parts of a text that look like secrets. */
export function secretsWithin(text: string): string[] {
  return shapes.flatMap((shape) => [...text.matchAll(shape)].map((match) => match[2] ?? ""));
}

export function maskShapes(text: string): string {
  let masked = text;
  for (const shape of shapes)
    masked = masked.replace(shape, (_, before: string, secret: string) => before + mask(secret));
  return masked;
}
