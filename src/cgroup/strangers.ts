import { closeSync, constants, openSync, readdirSync } from "node:fs";

import { type CaptureNote, captureNote } from "./capture-notes.js";
import { hierarchies } from "./controllers.js";
import { cgroupRoot } from "./mountinfo.js";
import { ownDirectory } from "./tree.js";

const maxNotes = 10;

/**
 * Looks for what was not there before the plugin ran, in the whole tree. The view's number of inodes bounds the work.
 * `root`: the view's /sys/fs/cgroup, by a path that is safe to use from outside; `seeded`: what was there, below it.
 */
export function findStrangers(root: string, cgroupsPath: string, seeded: readonly string[]): CaptureNote[] {
  const files = new Set(seeded.map((path) => `/${path}`));
  const strangers: string[] = [];
  const parents = knownParents(cgroupsPath);
  const visit = (descriptor: number, at: string): void => {
    for (const entry of readdirSync(`/proc/self/fd/${descriptor}`, { withFileTypes: true })) {
      const path = `${at}/${entry.name}`;
      if (files.has(path) || path === `/${ownDirectory}`) continue;
      if (!parents.has(path)) strangers.push(`${path}${entry.isDirectory() ? "/" : ""}`);
      else if (entry.isDirectory())
        withDirectory(`/proc/self/fd/${descriptor}/${entry.name}`, (inner) => visit(inner, path));
    }
  };
  withDirectory(`${root}/.`, (descriptor) => visit(descriptor, ""));
  const notes = strangers.slice(0, maxNotes).map((path) => {
    const made = path.endsWith("/") ? "directory" : "file";
    return captureNote(
      `${cgroupRoot}${path}`,
      `the plugin made this ${made}; only the container's own files are captured`,
    );
  });
  const rest = strangers.length - notes.length;
  return rest > 0 ? [...notes, captureNote(cgroupRoot, `the plugin made ${rest} more files there`)] : notes;
}

/** The links, and every directory on the way to the container's. */
function knownParents(cgroupsPath: string): Set<string> {
  const known = new Set<string>();
  for (const { directory, links } of hierarchies) {
    for (const link of links) known.add(`/${link}`);
    const names = `${directory}${cgroupsPath}`.split("/");
    for (const index of names.keys()) known.add(`/${names.slice(0, index + 1).join("/")}`);
  }
  return known;
}

/** Opens a directory and never a link; one that is gone since it was listed is left out. */
function withDirectory(path: string, action: (descriptor: number) => void): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return;
  }
  try {
    action(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
