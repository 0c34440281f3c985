/**
 * Values as Go's json.Marshal writes them. A text of JavaScript is UTF-16: a lone surrogate, which no UTF-8 holds, is
 * written as the six characters `\ufffd` that Go writes for an invalid byte.
 */

/** A string in double quotes, `<` `>` `&` U+2028 U+2029 and control characters escaped. */
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
  // UTF-16 has surrogates below U+E000 to U+FFFF, UTF-8 has code points in their order.
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

/** ASCII that stands for itself. */
const plain = /^[ !#-%'-;=?-[\]-~]*$/;
// U+007F to U+009F are control characters that JSON leaves bare.
const unsafe = /["\\<>&\u2028\u2029\p{Cs}]|(?![\x7f-\x9f])\p{Cc}/gu;
// compat: Go 1.19 knows no \b and \f.
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
