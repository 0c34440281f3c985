import { ftruncateSync, futimesSync, linkSync, mkdirSync, renameSync, writeSync } from "node:fs";
import { parseMountinfo } from "../host/proc.js";
import type { LinuxResources } from "../v01/resources.js";
import type { V1File } from "./fields.js";
import { formatList, type Machine } from "./machine.js";
import { cgroupRoot, hierarchies, v1Files } from "./v1-files.js";

/** One file of the container's cgroup, as a view begins with it. `directory`: the hierarchy's, below cgroupRoot. */
export interface SeedFile {
  readonly directory: string;
  readonly file: V1File;
  readonly value: string;
  readonly content: string;
  /** The container's real cgroup has it. */
  readonly isReal: boolean;
}

export interface SeedOptions {
  readonly machine: Machine;
  readonly spec?: LinuxResources;
  /** The values of the real cgroup, as readFiles gives them: over the spec. */
  readonly files?: ReadonlyMap<string, string>;
  /** Values that replace those it has now. */
  readonly asked?: LinuxResources;
  /** The container's process; 0 before there is one. */
  readonly pid?: number;
}

/**
 * The files of a container's directory in each v1 hierarchy. A single line has a second newline, which readers strip: it tells
 * `50000` over `100000` without truncating, as opencontainers/cgroups writes, from a shell that writes `500000`.
 */
export function seedFiles(options: SeedOptions, known = v1Files(options.machine)): SeedFile[] {
  const { spec = {}, files, asked = {}, pid = 0 } = options;
  return known.map(({ directory, file }) => {
    const real = files?.get(`${file.controller}/${file.file}`);
    const said = file.current(asked) ?? (real || file.current(spec));
    const read = said === undefined ? undefined : file.parse(said);
    // A limit of cgroup v2. A value of the spec that the kernel would refuse is the runtime's problem.
    const parsed = said === "max" && !read?.ok ? file.parse("-1") : read;
    const isProcess = pid > 0 && (file.file === "cgroup.procs" || file.file === "tasks");
    const value = isProcess ? `${pid}` : parsed?.ok ? parsed.value : file.unset;
    const printed = file.print(value);
    const isPadded = /^.+\n$/.test(printed) && !isProcess && file.kind !== "read";
    return { directory, file, value, content: isPadded ? `${printed}\n` : printed, isReal: real !== undefined };
  });
}

/** A cpuset's parents have these as well: containerd/cgroups copies them down the path of an update (cgroup1/cpuset.go). */
function parentFiles({ cpus, mems }: Machine): readonly TreeFile[] {
  return [
    { path: "cpuset.cpus", content: `${formatList(cpus)}\n` },
    { path: "cpuset.mems", content: `${formatList(mems)}\n` },
  ];
}

/** The view's own files, below its cgroupRoot. */
export const ownDirectory = ".view";
/** Where the container's directories wait for their path to be known. */
const templateDirectory = `${ownDirectory}/template`;

/** Seconds since 1970: the mtime of a file that was not written to. */
export const untouchedTime = 1;

/** Stands in ownFiles.start until the plugin is about to be executed; then that is empty, or the status of a failed exec. */
export const notEntered = "not entered";

/** The files by which the ways in, and the texts over /proc, come into a view. */
export const ownFiles = {
  start: `${ownDirectory}/start`,
  cgroup: `${ownDirectory}/cgroup`,
  containerCgroup: `${ownDirectory}/container-cgroup`,
  mountinfo: `${ownDirectory}/mountinfo`,
  fstab: `${ownDirectory}/fstab`,
} as const;

export type TreeFile = Readonly<Record<"path" | "content", string>>;

/** The directories of a view that waits for its container, and the files that are seeded in them, as a shell's words. */
export const treeDirectories = hierarchies.map(({ directory }) => `${directory} ${templateOf(directory)}`).join(" ");
export const seededPatterns = `${templateDirectory}/*/* cpuset/*`;

/** Where a hierarchy's directory for the container waits. */
export function templateOf(directory: string): string {
  return `${templateDirectory}/${directory}`;
}

/** Where one of its files waits: it has its descriptor by that name, wherever it is moved to. */
export function templateFile({ directory, file }: Pick<SeedFile, "directory" | "file">): string {
  return `${templateOf(directory)}/${file.file}`;
}

/** FIFOs: of rules all writes count, and in a file each would take the place of the one before it. */
export const ruleFiles = ["devices.allow", "devices.deny"].map((file) => `${templateOf("devices")}/${file}`);

/** The files of a view that waits for its container. Our own are all there from the start: writing them takes no inode. */
export function treeFiles(template: readonly SeedFile[], machine: Machine): TreeFile[] {
  return [
    ...template.map((one) => ({ path: templateFile(one), content: one.content })),
    ...parentFiles(machine).map(({ path, content }) => ({ path: `cpuset/${path}`, content })),
    { path: ownFiles.start, content: notEntered },
    { path: ownFiles.cgroup, content: formatProcCgroup() },
    ...[ownFiles.containerCgroup, ownFiles.mountinfo, ownFiles.fstab].map((path) => ({ path, content: "" })),
  ].filter(({ path }) => !ruleFiles.includes(path));
}

/** Moves the container's directories to their place below the view's `root`. Gives the files of cgroups above the container's. */
export function placeTree(root: string, cgroupsPath: string, machine: Machine): string[] {
  const names = cgroupsPath.split("/").slice(1, -1);
  const parents = names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
  const shared = parentFiles(machine).map(({ path }) => path);
  for (const { directory } of hierarchies) {
    for (const parent of parents) {
      const above = `${root}/${directory}${parent}`;
      mkdirSync(above);
      if (directory === "cpuset") for (const path of shared) linkSync(`${root}/cpuset/${path}`, `${above}/${path}`);
    }
    renameSync(`${root}/${templateOf(directory)}`, `${root}/${directory}${cgroupsPath}`);
  }
  return ["", ...parents].flatMap((parent) => shared.map((path) => `cpuset${parent}/${path}`));
}

export function seed(descriptor: number, content: string): void {
  rewrite(descriptor, content);
  futimesSync(descriptor, untouchedTime, untouchedTime);
}

export function rewrite(descriptor: number, content: string): void {
  ftruncateSync(descriptor);
  writeSync(descriptor, content, 0);
}

/**
 * The text of /proc/<pid>/mountinfo in a view: the machine's mounts with those of a v1 node. containerd/cgroups takes the parent of
 * the first mount of type `cgroup` as its root, and refuses a line of fewer than ten fields (cgroup1/utils.go, v1.go).
 */
export function formatMountinfo(machine: string): string {
  const isInside = (point: string) => `${point}/`.startsWith(`${cgroupRoot}/`);
  const kept = parseMountinfo(machine).filter(({ point, type }) => !isInside(point) && !/^cgroup2?$/.test(type));
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

/** The text of /proc/<pid>/cgroup in a view of a process in this cgroup; a plugin's own is in the root. */
export function formatProcCgroup(path = "/"): string {
  return hierarchies
    .map(({ option }, index) => `${index + 1}:${option}:${path}\n`)
    .reverse()
    .join("");
}
