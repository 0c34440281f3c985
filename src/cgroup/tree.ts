import { ftruncateSync, futimesSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { closing } from "../base/files.js";
import { type Mount, parseMountinfo } from "../host/proc.js";
import type { LinuxResources } from "../v01/resources.js";
import { cgroupRoot, hierarchies } from "./controllers.js";
import type { V1File } from "./fields.js";
import { formatList, type Machine } from "./machine.js";
import { v1Files } from "./v1-files.js";

/** One file of the container's cgroup, as a view begins with it. */
export interface SeedFile {
  /** The hierarchy's directory below /sys/fs/cgroup. */
  readonly directory: string;
  readonly file: V1File;
  readonly value: string;
  readonly content: string;
  /** The container's real cgroup has it. */
  readonly isReal: boolean;
}

export interface SeedOptions {
  readonly machine: Machine;
  /** What the spec of the container says. */
  readonly spec?: LinuxResources;
  /** What its real cgroup says, as readFiles gives it. */
  readonly files?: ReadonlyMap<string, string>;
  /** What it is to have whatever it has now. */
  readonly asked?: LinuxResources;
  /** The container's process; 0 before there is one. */
  readonly pid?: number;
}

/**
 * The files of a container's directory in each v1 hierarchy.
 *
 * One thing is not as the kernel prints it: a single line is followed by a second newline, which readers strip with the first.
 * It tells a program that opens the file without truncating it and writes `50000` over `100000` (a kernel file takes that as
 * 50000) from a shell that writes `500000`: only the first leaves two newlines. opencontainers/cgroups writes that way.
 */
export function seedFiles({ machine, spec = {}, files, asked = {}, pid = 0 }: SeedOptions): SeedFile[] {
  return hierarchies.flatMap(({ directory, controllers }) =>
    v1Files(controllers, machine).map((file) => {
      const real = files?.get(`${file.controller}/${file.file}`);
      const said = file.current(asked) ?? (real || file.current(spec));
      // A spec may hold what the kernel would refuse or round: the runtime's problem, not the plugin's.
      const read = said === undefined ? undefined : file.parse(said);
      // Of v2, and of a v1 file that has no limit.
      const parsed = said === "max" && !read?.ok ? file.parse("-1") : read;
      const isProcess = pid > 0 && (file.file === "cgroup.procs" || file.file === "tasks");
      const value = isProcess ? `${pid}` : parsed?.ok ? parsed.value : file.unset;
      const content = file.print(value);
      const isOneLine = content.indexOf("\n") === content.length - 1 && content !== "";
      const isRead = isProcess || file.kind === "read";
      return {
        directory,
        file,
        value,
        content: isOneLine && !isRead ? `${content}\n` : content,
        isReal: real !== undefined,
      };
    }),
  );
}

/**
 * The two files that a cpuset's parents have as well: containerd/cgroups copies them down the path when it updates a cgroup,
 * and makes them where they are empty (cgroup1/cpuset.go).
 */
function parentFiles({ cpus, mems }: Machine): readonly TreeFile[] {
  return [
    { path: "cpuset.cpus", content: `${formatList(cpus)}\n` },
    { path: "cpuset.mems", content: `${formatList(mems)}\n` },
  ];
}

/** What a view keeps for itself, below its cgroupRoot. */
export const ownDirectory = ".view";
/** Where the container's directories wait for their path to be known. */
const templateDirectory = `${ownDirectory}/template`;

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
export const treeDirectories: readonly string[] = hierarchies.flatMap(({ directory }) => [
  directory,
  templateOf(directory),
]);

/** The files that are seeded in them, as a shell's patterns. */
export const seededPatterns = [`${templateDirectory}/*/*`, "cpuset/*"] as const;

/**
 * Of these all writes count, and each would take the place of the one before it in a file: `echo >` twice is two rules. They are
 * FIFOs, which nothing can be read from in the kernel either.
 */
export const ruleFiles: readonly string[] = ["devices.allow", "devices.deny"].map(
  (file) => `${templateOf("devices")}/${file}`,
);

/**
 * The files of a view that waits for its container. Our own are all there from the start: writing them takes no inode, and
 * what lies over a process's own /proc files can be put there before it is known what it will say.
 */
export function treeFiles(template: readonly SeedFile[], machine: Machine): TreeFile[] {
  return [
    ...template.map(({ directory, file, content }) => ({ path: `${templateOf(directory)}/${file.file}`, content })),
    ...parentFiles(machine).map(({ path, content }) => ({ path: `cpuset/${path}`, content })),
    { path: ownFiles.start, content: notEntered },
    { path: ownFiles.cgroup, content: formatProcCgroup() },
    ...[ownFiles.containerCgroup, ownFiles.mountinfo, ownFiles.fstab].map((path) => ({ path, content: "" })),
  ].filter(({ path }) => !ruleFiles.includes(path));
}

/** Where a hierarchy's directory for the container waits. */
export function templateOf(directory: string): string {
  return `${templateDirectory}/${directory}`;
}

/**
 * Moves the container's directories to their place, with what lies above them. `root`: the view's cgroupRoot, by a path that is
 * safe to use from outside. Gives the files of cgroups above the container's, below `root`.
 */
export function placeTree(root: string, cgroupsPath: string, machine: Machine): string[] {
  const names = cgroupsPath.split("/").slice(1, -1);
  const parents = names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
  const shared = parentFiles(machine);
  for (const { directory } of hierarchies) {
    for (const parent of parents) {
      const above = `${root}/${directory}${parent}`;
      mkdirSync(above);
      if (directory === "cpuset") for (const { path, content } of shared) seed(`${above}/${path}`, "wx", content);
    }
    renameSync(`${root}/${templateOf(directory)}`, `${root}/${directory}${cgroupsPath}`);
  }
  return ["", ...parents].flatMap((parent) => shared.map(({ path }) => `cpuset${parent}/${path}`));
}

/** Writes a file as one that nobody has written to. */
export function seed(path: string, flags: "wx" | "r+", content: string): void {
  closing(openSync(path, flags, 0o644), (descriptor) => {
    rewrite(descriptor, content);
    futimesSync(descriptor, untouchedTime, untouchedTime);
  });
}

/** Replaces a file's content. */
export function rewrite(descriptor: number, content: string): void {
  ftruncateSync(descriptor);
  writeSync(descriptor, content, 0);
}

/**
 * What /proc/<pid>/mountinfo says in a view: the machine's own mounts, with the cgroup mounts of a v1 node instead of
 * whatever it has.
 *
 * containerd/cgroups takes the parent of the first mount of type `cgroup` as its root, and refuses a line of fewer than ten
 * fields (cgroup1/utils.go and v1.go); with this text it finds cgroupRoot.
 */
export function formatMountinfo(machine: string): string {
  const kept = parseMountinfo(machine).filter((mount) => !isReplaced(mount));
  const first = kept.reduce((max, { id }) => Math.max(max, id), 0) + 1;
  const sys = kept.find(({ point }) => point === "/sys")?.id ?? kept[0]?.id ?? 1;
  const own = [
    `${first} ${sys} 0:${first} / ${cgroupRoot} rw,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755`,
    ...hierarchies.map(({ directory, option }, index) => {
      const id = first + 1 + index;
      const options = "rw,nosuid,nodev,noexec,relatime";
      return `${id} ${first} 0:${id} / ${cgroupRoot}/${directory} ${options} - cgroup cgroup rw,${option}`;
    }),
  ];
  return `${[...kept.map(({ line }) => line), ...own].join("\n")}\n`;
}

function isReplaced({ point, type }: Mount): boolean {
  return point === cgroupRoot || point.startsWith(`${cgroupRoot}/`) || type === "cgroup" || type === "cgroup2";
}

/** What /proc/<pid>/cgroup says in a view of a process in this cgroup; a plugin's own is in the root. */
export function formatProcCgroup(path = "/"): string {
  return hierarchies
    .map(({ option }, index) => `${index + 1}:${option}:${path}\n`)
    .reverse()
    .join("");
}
