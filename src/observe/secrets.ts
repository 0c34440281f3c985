import { attempt } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { formatString } from "../v01/gojson/format.js";
import { quoteText } from "../v01/gojson/quote.js";

/** Shorter values are in too many words that have nothing to do with them; in fewer, where a name says that they are secret. */
const shortest = 8;
const shortestNamed = 6;
/** A word, or a path: what a conf is full of, and a log needs; a secret only under a name that says so. */
const plainValue = /^(?:[a-z][a-z_-]*|\/[\w./-]*|true|false)$/i;

type Confs = Parameters<Log["conceal"]>[0];

/** The bridge's own words in a line of the log: never a plugin's. */
const ownFields: ReadonlySet<string> = new Set(
  "event state id pod container plugin path file outcome runtime runtimeVersion directory".split(" "),
);

/**
 * Masks in each line of the log what plugins' confs hold, and what looks like a secret. Never throws: what cannot be looked at is
 * masked. Confs are looked at when there is a line to write.
 */
export class LogFunnel {
  private known = new KnownSecrets();
  private readonly seen = new WeakSet<object>();
  private readonly waiting: string[] = [];

  /** From now on no line says what these hold. */
  conceal(confs: Confs): void {
    for (const conf of confs) {
      if (conf.conf === undefined || this.seen.has(conf)) continue;
      this.seen.add(conf);
      this.waiting.push(conf.conf);
    }
  }

  mask(fields: object): object {
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
      // A conf whose secrets change again and again: the oldest are given up.
      if (this.known.full) this.known = new KnownSecrets();
      // Go's JSON is more lenient than ours in nothing that a compacted conf still has.
      const parsed = attempt((): unknown => JSON.parse(conf));
      learn(this.known, parsed);
    }
  }
}

/** Without a call for each level: v0.1 takes ten thousand of them. */
function learn(known: KnownSecrets, conf: unknown): void {
  const pending: { readonly value: unknown; readonly isNamed: boolean }[] = [{ value: conf, isNamed: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, isNamed } = next;
    if (typeof value === "string") {
      if (isNamed) known.learn(value, shortestNamed);
      else if (!plainValue.test(value)) known.learn(value, shortest);
      // A plugin takes the password out of mysql://user:password@host.
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

/** Texts that were masked somewhere, to be found again in what a plugin prints. */
export class KnownSecrets {
  private readonly forms = new Set<string>();
  private readonly plain = new Set<string>();
  /** Longest first, so that a secret within a longer one does not cut it in two. */
  private sorted: readonly string[] | undefined;

  /** @param shortest texts of fewer letters are in too many words that have nothing to do with them */
  learn(secret: string, shortest: number): void {
    // Output comes by lines, and a key of several lines would not be found in it.
    for (const text of new Set([secret, ...secret.split(/\r?\n/)])) {
      if (text.length < shortest || this.plain.has(text) || this.forms.size >= mostSecrets) continue;
      // As it is, as JSON and Go write it in a string, and as Go quotes that JSON.
      const written = [text, JSON.stringify(text).slice(1, -1), formatString(text).slice(1, -1)];
      for (const form of written) this.forms.add(form).add(quoteText(form).slice(1, -1));
      this.sorted = undefined;
    }
  }

  /** It learns no more. */
  get full(): boolean {
    return this.forms.size >= mostSecrets;
  }

  /** Texts that are no secret though a variable holds them: a pod's name is its HOSTNAME. */
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

  /** Masks the beginning of a secret before the place where a text was cut, such as `k3pt-f0… (12 bytes cut)`. */
  private scrubCut(text: string): string {
    const at = text.lastIndexOf(cutMark);
    if (at < 0) return text;
    const tail = text.slice(Math.max(0, at - longestTail), at);
    const lengths = (this.sorted ?? []).map((form) => beginningAt(tail, form));
    const masked = Math.max(0, ...lengths);
    return masked === 0 ? text : text.slice(0, at - masked) + "x".repeat(masked) + text.slice(at);
  }
}

/** The mark where a text was cut; the bridge's own words follow. */
const cutMark = "… (";
const longestTail = 4096;
/** Shorter beginnings of a secret are in too many words. */
const shortestBeginning = 4;

/** How many characters at the end of a text are the beginning of another one; 0 when too few are. */
function beginningAt(text: string, whole: string): number {
  for (let length = Math.min(whole.length - 1, text.length); length >= shortestBeginning; length--) {
    if (text.endsWith(whole.slice(0, length))) return length;
  }
  return 0;
}

/** Words in a name that say that its value is a secret. */
const secretWords: ReadonlySet<string> = new Set(
  [
    "password passwd pwd pass passphrase passcode secret secrets token tokens key keys apikey credential credentials",
    "cred creds auth authorization authentication bearer cookie cookies private cert certificate certs dsn pin salt",
    "signature jwt oauth pem session webhook connectionstring",
  ].flatMap((words) => words.split(" ")),
);

/** Parts of names that are written without a break: `dbpassword`, `accesstoken`. */
const secretParts = /passw(or)?d|passphrase|secret|token|credential|apikey|accesskey|privatekey/;

/** Whether a key, the name of a variable or of an option looks as if its value were secret. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ")
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.some((word) => secretWords.has(word) || secretParts.test(word));
}

/** The mask of a secret: as many bytes, none of them its own. */
export function mask(secret: string): string {
  return "x".repeat(Buffer.byteLength(secret));
}

/** Secrets by their shape; the group is what to mask. Others write these texts: no pattern may start anew at each letter. */
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
