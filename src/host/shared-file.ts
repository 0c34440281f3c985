import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf, errorText } from "../base/errors.js";
import type { Answer } from "./proc.js";

/** compat: containerd 1.6 to 2.x read v0.1's configuration from here and nowhere else. */
const nativeConfFile = "/etc/nri/conf.json";

/**
 * Whether the runtime's own /etc/nri/conf.json is the file that the bridge reads: the same device and inode, seen through
 * the runtime's root; or, where neither has one yet, the same place for it. Asked anew for each pod, at its create and at
 * its delete, since installers put new files in place.
 *
 * @param peer the runtime's process; undefined when it is not known
 */
export function sharesConfFile(peer: number | undefined, confFile: string, procRoot = "/proc"): Answer {
  if (peer === undefined) return { answer: "unknown", reason: "the runtime's process is not known" };
  const theirs = `${procRoot}/${peer}/root${nativeConfFile}`;
  try {
    // Without its root nothing can be said; a missing file below it is an answer.
    if (identityOf(`${procRoot}/${peer}/root/.`) === undefined) {
      return { answer: "unknown", reason: `the root of process ${peer} cannot be seen` };
    }
    for (let attempt = 0; ; attempt++) {
      const own = placeOf(confFile);
      const native = placeOf(theirs);
      if (own.place === native.place) {
        const reason = `${nativeConfFile} of process ${peer} is ${confFile}`;
        return { answer: "yes", reason: own.exists ? reason : `${reason}, which is not there yet` };
      }
      // A rename between the two looks makes one file two: look again before saying no.
      if (attempt < 2 && placeOf(confFile).place !== own.place) continue;
      return {
        answer: "no",
        reason: native.exists
          ? `${nativeConfFile} of process ${peer} is another file than ${confFile}`
          : `process ${peer} has no ${nativeConfFile}`,
      };
    }
  } catch (error) {
    return { answer: "unknown", reason: errorText(error) };
  }
}

interface Place {
  readonly exists: boolean;
  /** A file's device and inode; of a missing one those of the nearest directory that is there, and the names below it. */
  readonly place: string;
}

/** @throws the system's error when it cannot be looked at */
function placeOf(path: string): Place {
  let names = "";
  for (let at = path; ; at = dirname(at)) {
    const identity = identityOf(at);
    if (identity !== undefined) return { exists: names === "", place: identity + names };
    names = `/${basename(at)}${names}`;
  }
}

/** Device and inode; undefined when there is no such file. @throws the system's error when it cannot be looked at */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}
