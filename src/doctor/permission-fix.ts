import { shellWord } from "./finding.js";

const safePlace = "a directory that root alone can write";

/**
 * What mends a fault of legacy/permissions, which begins with the path that is at fault: the file itself, a directory on the way to
 * it, or what a link on that way leads to. A command only where it takes nothing from others: a home is its user's, and /tmp
 * has to stay open to everybody.
 */
export function guardFile(file: string, fault: string): string {
  const [, path = file, rest = ""] = /^(\/.*?): (.*)$/s.exec(fault) ?? [];
  const word = shellWord(path);
  if (rest.startsWith("the link belongs to")) return `chown -h root ${word}`;
  const isAbove = file.startsWith(path === "/" ? "/" : `${path}/`);
  if (path !== file && !isAbove) {
    return `a link on the way to ${file} leads to ${path}: put what it leads to into ${safePlace}, and let the link lead there`;
  }
  if (isAbove && (/^mode [1357]/.test(rest) || path.startsWith("/home/"))) {
    return `move ${file} out of ${path}, to ${safePlace}`;
  }
  const both = isAbove ? `${word} ${shellWord(file)}` : word;
  if (rest.startsWith("it belongs to")) return `chown root ${word} && chmod go-w ${both}`;
  if (rest.startsWith("mode ")) return `chmod go-w ${both}`;
  return `let root own ${path}, and nobody else write it`;
}
