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
  if (keys.some(hasSurrogate)) keys.sort(compareUtf8);
  else keys.sort();
  let text = "{";
  for (const key of keys) {
    const value = map[key];
    if (value === undefined) continue;
    text += `${text.length > 1 ? "," : ""}${formatString(key)}:${formatValue(value)}`;
  }
  return `${text}}`;
}

/** ASCII that stands for itself. */
const plain = /^[ !#-%'-;=?-[\]-~]*$/;
const unsafe = /["\\<>&\u2028\u2029\p{Cc}\p{Cs}]/gu;

// compat: Go 1.19 knows no \b and \f; U+007F to U+009F are control characters that JSON leaves bare.
function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  switch (character) {
    case '"':
    case "\\":
      return `\\${character}`;
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
  }
  if (code >= 0x7f && code <= 0x9f) return character;
  if (code >= 0xd800 && code <= 0xdfff) return "\\ufffd";
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

const surrogate = /[\ud800-\udfff]/;

function hasSurrogate(key: string): boolean {
  return surrogate.test(key);
}

/** Orders two texts as their UTF-8 bytes: by code point, where UTF-16 has surrogates below U+E000 to U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit > 0xdfff ? codeUnit - 0x800 : codeUnit + 0x2000;
}
