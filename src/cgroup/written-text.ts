/** What a program wrote to a seeded file, as far as the file can tell. */
export type Written =
  /** Emptied and nothing written, or nothing but white space: no write that a kernel would see. */
  | { readonly kind: "nothing" }
  /** One of these texts, white space around them removed; nearly always there is one. */
  | { readonly kind: "texts"; readonly texts: readonly string[] };

/**
 * Finds the last write in a plain file that stands for a kernel's. A kernel file takes each write for itself, wherever the
 * file was truncated or not; in a plain file the writes and the text before them mix.
 *
 * - Truncated (`>`, Go's WriteFile, fopen "w"): the content is what was written; of several lines the last one counts.
 * - Appended (`>>`): what stands after the seed; of several lines the last one.
 * - Written over without truncating (opencontainers/cgroups, open(O_WRONLY) in C): the text, then the seed's tail. The second
 *   newline of a seeded number tells it from the first case. Where the text ended cannot always be told: `50000` over
 *   `100000` leaves `500000`, as does `5000`. Then all that it can have been are answered.
 */
export function readWritten(seed: string, content: string, replaced = false): Written {
  if (content === "") return { kind: "nothing" };
  if (replaced) return lastLine(content);
  if (seed !== "" && content.length > seed.length && content.startsWith(seed)) {
    return lastLine(content.slice(seed.length));
  }
  const over = isWrittenOver(seed, content) ? overlay(seed, content) : undefined;
  return over === undefined ? lastLine(content) : over;
}

/** Only a text that was not truncated has the seed's length and its end. */
function isWrittenOver(seed: string, content: string): boolean {
  return content.length === seed.length && seed.length > 1 && content.slice(-2) === seed.slice(-2);
}

function overlay(seed: string, content: string): Written {
  let differing = content.length;
  while (differing > 0 && content[differing - 1] === seed[differing - 1]) differing--;
  const end = content.indexOf("\n");
  // A newline where the seed had none was written, and ends the text.
  if (end < seed.indexOf("\n")) return lastLine(content.slice(0, Math.max(end + 1, differing)));
  const texts: string[] = [];
  for (let length = Math.max(differing, 1); length <= end; length++) texts.push(content.slice(0, length).trim());
  return texts.length === 0 ? lastLine(content) : { kind: "texts", texts: [...new Set(texts)] };
}

function lastLine(content: string): Written {
  const last = content
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .at(-1);
  return last === undefined ? { kind: "nothing" } : { kind: "texts", texts: [last] };
}
