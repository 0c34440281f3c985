import { dirname } from "node:path";
import { shellWord } from "./finding.js";

/**
 * What mends a fault of legacy/permissions, which begins with the path that is at fault: the file itself, a directory or a
 * link on the way to it.
 */
export function guardFile(file: string, fault: string): string {
  const [, path = file, rest = ""] = /^(\/.*?): (.*)$/s.exec(fault) ?? [];
  const word = shellWord(path);
  if (rest.startsWith("the link belongs to")) return `chown -h root ${word}`;
  const both = path === file ? word : `${word} ${shellWord(file)}`;
  if (rest.startsWith("it belongs to")) return `chown root ${word} && chmod go-w ${both}`;
  // /tmp has to stay open to everybody: what is in it has to move.
  if (/^mode [1357]/.test(rest)) return `move ${file} out of ${dirname(file)} to a directory that root alone can write`;
  if (rest.startsWith("mode ")) return `chmod go-w ${both}`;
  return `ls -ld ${both} # then let root own it, and nobody else write it`;
}
