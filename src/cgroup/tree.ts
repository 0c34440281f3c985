import { ftruncateSync, futimesSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { closing } from "../base/files.js";
import { type Mount, parseMountinfo } from "../host/proc.js";
import type { LinuxResources } from "../v01/resources.js";
import { type ControllerName, cgroupRoot, commonFiles, hierarchies, plainFiles, processFiles } from "./controllers.js";
import { type FieldFile, fieldFiles } from "./fields.js";
import { type Machine, machineLists } from "./machine.js";

/** One file of the container's cgroup, as a view begins with it. */
export interface SeedFile {
  /** The hierarchy's directory below /sys/fs/cgroup. */
  readonly directory: string;
  /** Whose file it is; undefined for the files of every cgroup. */
  readonly controller: ControllerName | undefined;
  readonly file: string;
  readonly content: string;
  /** The field that a write to it sets, and the field's value now. */
  readonly field?: { readonly file: FieldFile; readonly value: string };
}

interface SeedOptions {
  readonly machine: Machine;
  /** What the container has: in phase create its spec, in phase start what its real cgroup says. */
  readonly resources: LinuxResources;
  /** The container's process; 0 before there is one. */
  readonly pid?: number;
}

/**
 * The files of a container's directory in each v1 hierarchy.
 *
 * One thing is not as the kernel prints it: a number is followed by a second newline, which readers strip with the first.
 * It tells a program that opens the file without truncating it and writes `50000` over `100000` (a kernel file takes that as
 * 50000) from a shell that writes `500000`: only the first leaves two newlines. opencontainers/cgroups writes that way.
 */
export function seedFiles({ machine, resources, pid = 0 }: SeedOptions): SeedFile[] {
  const fields = fieldFiles(machine);
  const processes = pid > 0 ? `${pid}\n` : "";
  return hierarchies.flatMap(({ directory, controllers }) => {
    const common = [...processFiles.map((file) => [file, processes] as const), ...Object.entries(commonFiles)];
    return [
      ...common.map(([file, content]) => ({ directory, controller: undefined, file, content })),
      ...controllers.flatMap((controller) => [
        ...Object.entries({ ...plainFiles[controller], ...hugetlbUsage(controller, machine) }).map(
          ([file, content]) => ({ directory, controller, file, content }),
        ),
        ...fields
          .filter((field) => field.controller === controller)
          .map((field) => seedField(directory, field, resources)),
      ]),
    ];
  });
}

function seedField(directory: string, file: FieldFile, resources: LinuxResources): SeedFile {
  const asked = file.current(resources);
  // A spec may hold what the kernel would refuse or round: the runtime's problem, not the plugin's.
  const parsed = asked === undefined ? undefined : file.parse(asked);
  const value = parsed?.ok ? parsed.value : file.unset;
  const printed = file.print(value);
  const isSingleLine = printed.indexOf("\n") === printed.length - 1;
  const content = isSingleLine ? `${printed}\n` : printed;
  return { directory, controller: file.controller, file: file.file, content, field: { file, value } };
}

function hugetlbUsage(controller: ControllerName, machine: Machine): Record<string, string> {
  if (controller !== "hugetlb") return {};
  const names = machine.hugepages.flatMap(({ name }) =>
    ["usage_in_bytes", "max_usage_in_bytes", "failcnt"].map((file) => `hugetlb.${name}.${file}`),
  );
  return Object.fromEntries(names.map((file) => [file, "0\n"]));
}

/**
 * The two files that a cpuset's parents have as well: containerd/cgroups copies them down the path when it updates a cgroup,
 * and makes them where they are empty (cgroup1/cpuset.go).
 */
function parentFiles(machine: Machine): { readonly file: string; readonly content: string }[] {
  const lists = machineLists(machine);
  return [
    { file: "cpuset.cpus", content: `${lists.cpus}\n` },
    { file: "cpuset.mems", content: `${lists.mems}\n` },
  ];
}

/** The cgroups above a container's, from the top and without the root: `/a` and `/a/b` of `/a/b/c`. */
function parentPaths(cgroupsPath: string): string[] {
  const names = cgroupsPath.split("/").slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

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
    closing(openSync(`${path}/${file}`, "wx", 0o644), (descriptor) => writeSeed(descriptor, content));
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
