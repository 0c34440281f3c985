import { statSync } from "node:fs";
import { errnoOf, errorText } from "../base/errors.js";
import type { Answer } from "./proc.js";

/** compat: containerd 1.6 to 2.x read v0.1's configuration from here and nowhere else. */
const nativeConfFile = "/etc/nri/conf.json";

/**
 * Whether the runtime's own /etc/nri/conf.json is the file that the bridge reads: the same device and inode, seen through
 * the runtime's root. Asked anew for each pod, since installers put new files in place.
 *
 * @param peer the runtime's process; undefined when it is not known
 */
export function sharesConfFile(peer: number | undefined, confFile: string, procRoot = "/proc"): Answer {
  if (peer === undefined) return { answer: "unknown", reason: "the runtime's process is not known" };
  const theirs = `${procRoot}/${peer}/root${nativeConfFile}`;
  try {
    // Without its root nothing can be said; a missing file below it is an answer.
    if (look(`${procRoot}/${peer}/root/.`) === undefined) {
      return { answer: "unknown", reason: `the root of process ${peer} cannot be seen` };
    }
    for (let attempt = 0; ; attempt++) {
      const own = look(confFile);
      const native = look(theirs);
      if (own === native && own !== undefined) {
        return { answer: "yes", reason: `${nativeConfFile} of process ${peer} is ${confFile}` };
      }
      // A rename between the two looks makes one file two: look again before saying no.
      if (attempt < 2 && look(confFile) !== own) continue;
      return {
        answer: "no",
        reason:
          native === undefined
            ? `process ${peer} has no ${nativeConfFile}`
            : `${nativeConfFile} of process ${peer} is another file than ${confFile}`,
      };
    }
  } catch (error) {
    return { answer: "unknown", reason: errorText(error) };
  }
}

/** Device and inode; undefined when there is no such file. @throws the system's error when it cannot be looked at */
function look(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}
