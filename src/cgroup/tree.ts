import { ftruncateSync, futimesSync, linkSync, mkdirSync, renameSync, writeSync } from "node:fs";
import { parseMountinfo } from "../host/proc.js";
import type { LinuxResources } from "../v01/resources.js";
import type { V1File } from "./fields.js";
import { formatList, type Machine } from "./machine.js";
import { cgroupRoot, hierarchies, v1Files } from "./v1-files.js";

/** A file of the container's cgroup, as the bridge puts it into a new view. `directory`: the hierarchy's, below cgroupRoot. */
export interface SeedFile {
  readonly directory: string;
  readonly file: V1File;
  readonly value: string;
  readonly content: string;
  /** Whether the container's real cgroup has the file. */
  readonly isReal: boolean;
}

export interface SeedOptions {
  readonly machine: Machine;
  readonly spec?: LinuxResources;
  /** The values of the real cgroup, as readFiles returns them. They win over the spec. */
  readonly files?: ReadonlyMap<string, string>;
  /** Resources whose values win over the values of the real cgroup and of the spec. */
  readonly asked?: LinuxResources;
  /** The pid of the container's process; 0 before the container has a process. */
  readonly pid?: number;
}

/**
 * The files of a container's directory in each v1 hierarchy. A content of a single line gets a second newline, which readers strip.
 * The second newline distinguishes a write of `50000` over `100000` without truncation, as opencontainers/cgroups writes, from a
 * shell's write of `500000`.
 */
export function seedFiles(options: SeedOptions, known = v1Files(options.machine)): SeedFile[] {
  const { spec = {}, files, asked = {}, pid = 0 } = options;
  return known.map(({ directory, file }) => {
    const real = files?.get(`${file.controller}/${file.file}`);
    const said = file.current(asked) ?? (real || file.current(spec));
    const read = said === undefined ? undefined : file.parse(said);
    // In cgroup v2 `max` means no limit. For a value that the kernel would refuse, the view shows the value of a new cgroup: to
    // report a wrong spec is up to the runtime.
    const parsed = said === "max" && !read?.ok ? file.parse("-1") : read;
    const isProcess = pid > 0 && (file.file === "cgroup.procs" || file.file === "tasks");
    const value = isProcess ? `${pid}` : parsed?.ok ? parsed.value : file.unset;
    const printed = file.print(value);
    const isPadded = /^.+\n$/.test(printed) && !isProcess && file.kind !== "read";
    return { directory, file, value, content: isPadded ? `${printed}\n` : printed, isReal: real !== undefined };
  });
}

/**
 * The files that the parents of the container's cpuset have as well: in an update containerd/cgroups copies them down the path
 * (cgroup1/cpuset.go).
 */
function parentFiles({ cpus, mems }: Machine): readonly TreeFile[] {
  return [
    { path: "cpuset.cpus", content: `${formatList(cpus)}\n` },
    { path: "cpuset.mems", content: `${formatList(mems)}\n` },
  ];
}

/** The directory of the bridge's own files in a view, below cgroupRoot. */
export const ownDirectory = ".view";
/** The directory that holds the container's directories until the bridge knows the container's cgroup path. */
const templateDirectory = `${ownDirectory}/template`;

/** The mtime, in seconds since 1970, of a file that the plugin has not written to. */
export const untouchedTime = 1;

/**
 * The content of ownFiles.start until the shell in the view is about to execute the plugin. After that the file is empty, or holds
 * the exit status of a failed exec.
 */
export const notEntered = "not entered";

/**
 * The bridge's own files in a view: the state of the plugin's start, the texts that cover files of /proc, and the table of mounts
 * for these texts.
 */
export const ownFiles = {
  start: `${ownDirectory}/start`,
  cgroup: `${ownDirectory}/cgroup`,
  containerCgroup: `${ownDirectory}/container-cgroup`,
  mountinfo: `${ownDirectory}/mountinfo`,
  fstab: `${ownDirectory}/fstab`,
} as const;

export type TreeFile = Readonly<Record<"path" | "content", string>>;

/** Words for the keeper's shell: the directories of a view in reserve, and the patterns of the files that the shell seeds. */
export const treeDirectories = hierarchies.map(({ directory }) => `${directory} ${templateOf(directory)}`).join(" ");
export const seededPatterns = `${templateDirectory}/*/* cpuset/*`;

/** The path of the container's directory in a hierarchy, before the bridge moves the directory to the container's cgroup path. */
export function templateOf(directory: string): string {
  return `${templateDirectory}/${directory}`;
}

/**
 * The path of a file in that directory before the move. Keeper.files has the file's descriptor under this path, also after the
 * move.
 */
export function templateFile({ directory, file }: Pick<SeedFile, "directory" | "file">): string {
  return `${templateOf(directory)}/${file.file}`;
}

/**
 * The files of device rules, which are FIFOs in a view: every write counts, and in a plain file a write would replace the one
 * before it.
 */
export const ruleFiles = ["devices.allow", "devices.deny"].map((file) => `${templateOf("devices")}/${file}`);

/** The files of a view in reserve. The bridge's own files are among them, so that a later write of them takes no inode. */
export function treeFiles(template: readonly SeedFile[], machine: Machine): TreeFile[] {
  return [
    ...template.map((one) => ({ path: templateFile(one), content: one.content })),
    ...parentFiles(machine).map(({ path, content }) => ({ path: `cpuset/${path}`, content })),
    { path: ownFiles.start, content: notEntered },
    { path: ownFiles.cgroup, content: formatProcCgroup() },
    ...[ownFiles.containerCgroup, ownFiles.mountinfo, ownFiles.fstab].map((path) => ({ path, content: "" })),
  ].filter(({ path }) => !ruleFiles.includes(path));
}

/**
 * Moves the container's directories to the container's cgroup path below the view's `root`. Returns the paths of the cpuset files
 * in the cgroups above the container's.
 */
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
 * The text of /proc/<pid>/mountinfo in a view: the machine's mounts, with the cgroup mounts of a v1 node in place of the machine's
 * own. containerd/cgroups takes the parent of the first mount of type `cgroup` as its root, and refuses a line of fewer than ten
 * fields (cgroup1/utils.go, v1.go).
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

/** The text of /proc/<pid>/cgroup that a view shows for a process in the cgroup `path`. The plugin's process is in the root. */
export function formatProcCgroup(path = "/"): string {
  return hierarchies
    .map(({ option }, index) => `${index + 1}:${option}:${path}\n`)
    .reverse()
    .join("");
}
