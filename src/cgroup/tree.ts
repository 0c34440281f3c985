import { closeSync, constants, futimesSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";

import { hierarchies } from "./controllers.js";
import type { Machine } from "./machine.js";
import { formatProcCgroup } from "./mountinfo.js";
import { parentFiles, parentPaths, type SeedFile } from "./seed.js";

/** What a view keeps for itself, below its cgroupRoot. */
export const ownDirectory = ".view";
/** Where the container's directories wait for their path to be known. */
const templateDirectory = `${ownDirectory}/template`;
/** Where the directories above a cpuset's wait, with the files that those have. */
const parentsDirectory = `${ownDirectory}/parents`;
/** So deep lie the containers of kubelets; what lies deeper is made when it is needed. */
const readyParents = 5;

/** Seconds since 1970: the mtime of a file that nobody has written to. */
export const untouchedTime = 1;

/** Stands in the view until the wrapper is about to execute the plugin; then it is emptied, or holds an error number. */
export const notEntered = "not entered";

/** A file of a view, below its cgroupRoot. */
interface TreeFile {
  readonly path: string;
  readonly content: string;
}

/** The directories of a view that waits for its container. */
export const treeDirectories: readonly string[] = [
  ...hierarchies.flatMap(({ directory }) => [directory, templateOf(directory)]),
  ...Array.from({ length: readyParents }, (_, level) => `${parentsDirectory}/${level}`),
];

/** The files that are seeded in them, as a shell's patterns. */
export const seededPatterns = [`${templateDirectory}/*/*`, `${parentsDirectory}/*/*`, "cpuset/*"] as const;

/**
 * The files of a view that waits for its container. Our own are all there from the start: writing them takes no inode, and
 * what lies over a process's own /proc files can be put there before it is known what it will say.
 */
export function treeFiles(template: readonly SeedFile[], machine: Machine): TreeFile[] {
  const parents = ["cpuset", ...treeDirectories.filter((path) => path.startsWith(parentsDirectory))];
  return [
    ...template.map(({ directory, file, content }) => ({ path: `${templateOf(directory)}/${file}`, content })),
    ...parents.flatMap((path) =>
      parentFiles(machine).map(({ file, content }) => ({ path: `${path}/${file}`, content })),
    ),
    { path: `${ownDirectory}/start`, content: notEntered },
    { path: `${ownDirectory}/cgroup`, content: formatProcCgroup() },
    ...["container-cgroup", "mountinfo", "fstab"].map((file) => ({ path: `${ownDirectory}/${file}`, content: "" })),
  ];
}

export function templateOf(directory: string): string {
  return `${templateDirectory}/${directory}`;
}

/**
 * Moves the container's directories to their place, with what lies above them. `root`: the view's cgroupRoot, by a path that is
 * safe to use from outside. Gives the files of cgroups above the container's, below `root`.
 */
export function placeTree(root: string, cgroupsPath: string, machine: Machine): string[] {
  const parents = parentPaths(cgroupsPath);
  for (const { directory } of hierarchies) {
    for (const [level, parent] of parents.entries()) {
      const path = `${root}/${directory}${parent}`;
      if (directory !== "cpuset") mkdirSync(path);
      else if (level < readyParents) renameSync(`${root}/${parentsDirectory}/${level}`, path);
      else makeParent(path, machine);
    }
    renameSync(`${root}/${templateOf(directory)}`, `${root}/${directory}${cgroupsPath}`);
  }
  return ["", ...parents].flatMap((parent) => parentFiles(machine).map(({ file }) => `cpuset${parent}/${file}`));
}

function makeParent(path: string, machine: Machine): void {
  mkdirSync(path);
  for (const { file, content } of parentFiles(machine)) writeSeed(`${path}/${file}`, content);
}

/** Writes a file as one that nobody has written to. */
export function writeSeed(path: string, content: string): void {
  const descriptor = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    writeSync(descriptor, content);
    futimesSync(descriptor, untouchedTime, untouchedTime);
  } finally {
    closeSync(descriptor);
  }
}
