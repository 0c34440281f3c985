/**
 * Writes values as Go's json.Marshal does. JavaScript strings are UTF-16: for a lone surrogate, which UTF-8 cannot encode, these
 * functions write the six characters `\ufffd` that Go writes for an invalid byte.
 */

/** A JSON string in double quotes, with `<` `>` `&` U+2028 U+2029 and control characters escaped. */
export function formatString(text: string): string {
  return plain.test(text) ? `"${text}"` : `"${text.replace(unsafe, escapeCharacter)}"`;
}

/** A map of strings as an object, its keys sorted by their UTF-8 bytes. */
export function formatStringMap(map: Readonly<Record<string, string>>): string {
  return formatMap(map, formatString);
}

/** A map as an object, its keys sorted by their UTF-8 bytes. */
export function formatMap<T>(map: Readonly<Record<string, T>>, formatValue: (value: T) => string): string {
  const keys = Object.keys(map);
  // UTF-16 order puts surrogates below U+E000 to U+FFFF; UTF-8 order is the order of the code points.
  if (keys.some((key) => surrogate.test(key))) keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  else keys.sort();
  let text = "{";
  for (const key of keys) {
    const value = map[key];
    if (value === undefined) continue;
    text += `${text.length > 1 ? "," : ""}${formatString(key)}:${formatValue(value)}`;
  }
  return `${text}}`;
}

const surrogate = /[\ud800-\udfff]/;

/** Matches a text that consists only of ASCII characters that JSON writes without an escape. */
const plain = /^[ !#-%'-;=?-[\]-~]*$/;
// The pattern excludes U+007F to U+009F: they are control characters that JSON does not escape.
const unsafe = /["\\<>&\u2028\u2029\p{Cs}]|(?![\x7f-\x9f])\p{Cc}/gu;
// compat: Go 1.19 does not write the short escapes \b and \f.
const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeCharacter(character: string): string {
  if (surrogate.test(character)) return "\\ufffd";
  return shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
