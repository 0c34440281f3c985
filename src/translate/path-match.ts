/**
 * Compiles a pattern as Go's path.Match reads it: `*` and `?` match no slash, `[a-c]` and `[^a-c]` are classes, which do
 * match one, and `\` takes the next character as it is. A malformed pattern matches nothing.
 */
export function compilePathPattern(pattern: string): RegExp {
  const characters = [...pattern];
  let source = "";
  for (let at = 0; at < characters.length; ) {
    const term = readTerm(characters, at);
    if (term === undefined) return nothing;
    source += term.source;
    at = term.next;
  }
  return new RegExp(`^${source}$`, "su");
}

const nothing = /(?!)/;

/** A part of a pattern as the source of a regular expression, and where the next one begins. */
interface Term {
  readonly source: string;
  readonly next: number;
}

function readTerm(characters: readonly string[], at: number): Term | undefined {
  const character = characters[at];
  if (character === "*") return { source: "[^/]*", next: at + 1 };
  if (character === "?") return { source: "[^/]", next: at + 1 };
  if (character === "[") return readClass(characters, at + 1);
  const literal = character === "\\" ? characters[at + 1] : character;
  if (literal === undefined) return undefined;
  return { source: codePoint(literal.codePointAt(0) ?? 0), next: at + (character === "\\" ? 2 : 1) };
}

/** Reads a class from behind its `[`. Go wants at least one range, and a `-` or `]` in it behind a `\`. */
function readClass(characters: readonly string[], from: number): Term | undefined {
  const negated = characters[from] === "^";
  let at = negated ? from + 1 : from;
  let ranges = "";
  for (let count = 0; count === 0 || characters[at] !== "]"; count++) {
    const low = readBound(characters, at);
    if (low === undefined) return undefined;
    const high = characters[low.next] === "-" ? readBound(characters, low.next + 1) : low;
    if (high === undefined) return undefined;
    // compat: a range the wrong way round is well formed and empty.
    if (low.code <= high.code) ranges += `${codePoint(low.code)}-${codePoint(high.code)}`;
    at = high.next;
  }
  return { source: `[${negated ? "^" : ""}${ranges}]`, next: at + 1 };
}

function readBound(
  characters: readonly string[],
  at: number,
): { readonly code: number; readonly next: number } | undefined {
  const character = characters[at];
  if (character === "-" || character === "]") return undefined;
  const escaped = character === "\\";
  const code = characters[escaped ? at + 1 : at]?.codePointAt(0);
  return code === undefined ? undefined : { code, next: at + (escaped ? 2 : 1) };
}

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
