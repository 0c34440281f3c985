/**
 * Finds the last write in a plain file that stands for a kernel's, white space around it removed: no text when nothing, or nothing
 * but white space, was written; nearly always there is one. A kernel file takes each write for itself, wherever the
 * file was truncated or not; in a plain file the writes and the text before them mix.
 *
 * - Truncated (`>`, Go's WriteFile, fopen "w"): the content is what was written; of several lines the last one counts.
 * - Appended (`>>`): what stands after the seed; of several lines the last one.
 * - Written over without truncating (opencontainers/cgroups, open(O_WRONLY) in C): the text, then the seed's tail. The second
 *   newline of a seeded number tells it from the first case. Where the text ended cannot always be told: `50000` over
 *   `100000` leaves `500000`, as does `5000`. Then all that it can have been are answered.
 */
export function readWritten(seed: string, content: string, replaced = false): readonly string[] {
  if (content === "") return [];
  if (replaced) return lastLine(content);
  if (seed !== "" && content.length > seed.length && content.startsWith(seed)) {
    return lastLine(content.slice(seed.length));
  }
  return isWrittenOver(seed, content) ? overlay(seed, content) : lastLine(content);
}

/** Only a text that was not truncated has the seed's length and its end. */
function isWrittenOver(seed: string, content: string): boolean {
  return content.length === seed.length && seed.length > 1 && content.slice(-2) === seed.slice(-2);
}

function overlay(seed: string, content: string): readonly string[] {
  let differing = content.length;
  while (differing > 0 && content[differing - 1] === seed[differing - 1]) differing--;
  const end = content.indexOf("\n");
  // A newline where the seed had none was written, and ends the text.
  if (end < seed.indexOf("\n")) return lastLine(content.slice(0, Math.max(end + 1, differing)));
  const texts: string[] = [];
  for (let length = Math.max(differing, 1); length <= end; length++) texts.push(content.slice(0, length).trim());
  return texts.length === 0 ? lastLine(content) : [...new Set(texts)];
}

function lastLine(content: string): readonly string[] {
  const last = content
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .at(-1);
  return last === undefined ? [] : [last];
}
