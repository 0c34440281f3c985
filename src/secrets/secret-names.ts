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
