import { formatString } from "../gojson/format.js";
import { quoteText } from "../gojson/quote.js";

/** Shorter values are in too many words that have nothing to do with them. */
const shortest = 8;
/** A word, or a path: what a conf is full of, and a log needs; a secret only under a name that says so. */
const plainValue = /^(?:[a-z][a-z_-]*|\/[\w./-]*|true|false)$/i;

/** What is read of a parsed conf.json. */
interface Confs {
  readonly plugins: readonly { readonly type: string; readonly conf?: string }[];
}

/**
 * Masks in a plugin's words what its `conf` holds, for the log: there are plugins that print their request. It never throws:
 * words that cannot be looked at are masked.
 */
export function createConfScrubber(confs: Confs): (plugin: string, text: string) => string {
  let byPlugin: Map<string, KnownSecrets> | undefined;
  // A chain whose plugins have nothing to say costs nothing: the confs are looked at when one does.
  return (plugin, text) => {
    try {
      byPlugin ??= learnAll(confs);
      return byPlugin.get(plugin)?.scrub(text) ?? text;
    } catch {
      return mask(text);
    }
  };
}

function learnAll({ plugins }: Confs): Map<string, KnownSecrets> {
  const byPlugin = new Map<string, KnownSecrets>();
  for (const { type, conf } of plugins) {
    if (conf === undefined) continue;
    const known = byPlugin.get(type) ?? new KnownSecrets();
    byPlugin.set(type, known);
    learn(known, parse(conf));
  }
  return byPlugin;
}

/** Without a call for each level: v0.1 takes ten thousand of them. */
function learn(known: KnownSecrets, conf: unknown): void {
  const pending: { readonly value: unknown; readonly isNamed: boolean }[] = [{ value: conf, isNamed: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, isNamed } = next;
    if (typeof value === "string") {
      if (isNamed || !plainValue.test(value)) known.learn(value, shortest);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        pending.push({ value: inner, isNamed: isNamed || isSecretName(name) });
      }
    }
  }
}

/** Go's JSON is more lenient than ours in nothing that a compacted conf still has. */
function parse(conf: string): unknown {
  try {
    return JSON.parse(conf);
  } catch {
    return undefined;
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
    return scrubbed;
  }
}

/** Words that say of a name that its value is nobody's business. */
const secretWords: ReadonlySet<string> = new Set([
  ..."password passwd pwd pass passphrase passcode secret secrets token tokens key keys apikey credential credentials".split(
    " ",
  ),
  ..."cred creds auth authorization authentication bearer cookie cookies private cert certificate certs dsn pin salt".split(
    " ",
  ),
  ..."signature jwt oauth pem session webhook connectionstring".split(" "),
]);

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

/** What takes a secret's place: as many bytes, none of them its own. */
export function mask(secret: string): string {
  return "x".repeat(Buffer.byteLength(secret));
}

/**
 * Secrets that are known by their shape wherever they stand; the group is what to mask. What somebody else writes is looked
 * at with them, so none may look at a long text anew from each of its letters.
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

/** Masks what looks like a secret within a text. */
export function maskShapes(text: string): string {
  let masked = text;
  for (const shape of shapes)
    masked = masked.replace(shape, (_, before: string, secret: string) => before + mask(secret));
  return masked;
}
