import { closeSync, ftruncateSync, futimesSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";

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

/** Stands in the view until the wrapper is about to execute the plugin; then it is emptied, or holds the status of a failed exec. */
export const notEntered = "not entered";

/** The files by which the ways in, and the texts over /proc, come into a view. */
export const ownFiles = {
  start: `${ownDirectory}/start`,
  cgroup: `${ownDirectory}/cgroup`,
  containerCgroup: `${ownDirectory}/container-cgroup`,
  mountinfo: `${ownDirectory}/mountinfo`,
  fstab: `${ownDirectory}/fstab`,
} as const;

/** A file of a view, below its cgroupRoot. */
export interface TreeFile {
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
    ...template.map((seed) => ({ path: templateFileOf(seed), content: seed.content })),
    ...parents.flatMap((path) =>
      parentFiles(machine).map(({ file, content }) => ({ path: `${path}/${file}`, content })),
    ),
    { path: ownFiles.start, content: notEntered },
    { path: ownFiles.cgroup, content: formatProcCgroup() },
    ...[ownFiles.containerCgroup, ownFiles.mountinfo, ownFiles.fstab].map((path) => ({ path, content: "" })),
  ];
}

/** Where a hierarchy's directory for the container waits. */
export function templateOf(directory: string): string {
  return `${templateDirectory}/${directory}`;
}

/** Where a seeded file waits: it has its descriptor by that name, wherever it is moved to. */
export function templateFileOf({ directory, file }: Pick<SeedFile, "directory" | "file">): string {
  return `${templateOf(directory)}/${file}`;
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
  for (const { file, content } of parentFiles(machine)) {
    const descriptor = openSync(`${path}/${file}`, "wx", 0o644);
    try {
      writeSeed(descriptor, content);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Writes a file as one that nobody has written to. */
export function writeSeed(descriptor: number, content: string): void {
  rewrite(descriptor, content);
  futimesSync(descriptor, untouchedTime, untouchedTime);
}

/** Replaces a file's content. */
export function rewrite(descriptor: number, content: string): void {
  ftruncateSync(descriptor);
  writeSync(descriptor, content, 0);
}
