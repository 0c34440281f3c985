import type { LinuxResources } from "../oci/resources.js";
import { type ControllerName, commonFiles, hierarchies, plainFiles, processFiles } from "./controllers.js";
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

export interface SeedOptions {
  readonly machine: Machine;
  /** What the container has: in phase create its spec, in phase start what its real cgroup says. */
  readonly resources: LinuxResources;
  /** The container's process, where there is one. */
  readonly pid?: number;
}

/**
 * The files of a container's directory in each v1 hierarchy.
 *
 * One thing is not as the kernel prints it: a number is followed by a second newline, which readers strip with the first.
 * It tells a program that opens the file without truncating it and writes `50000` over `100000` (a kernel file takes that as
 * 50000) from a shell that writes `500000`: only the first leaves two newlines. opencontainers/cgroups writes that way.
 */
export function seedFiles(options: SeedOptions): SeedFile[] {
  const fields = fieldFiles(options.machine);
  const processes = formatProcesses(options.pid);
  return hierarchies.flatMap(({ directory, controllers }) => {
    const common = [...processFiles.map((file) => [file, processes] as const), ...Object.entries(commonFiles)];
    return [
      ...common.map(([file, content]) => ({ directory, controller: undefined, file, content })),
      ...controllers.flatMap((controller) => [
        ...Object.entries({ ...plainFiles[controller], ...hugetlbUsage(controller, options.machine) }).map(
          ([file, content]) => ({ directory, controller, file, content }),
        ),
        ...fields
          .filter((field) => field.controller === controller)
          .map((field) => seedField(directory, field, options.resources)),
      ]),
    ];
  });
}

/** The same files with what one container has; faster than to make them all anew. */
export function fillSeed(template: readonly SeedFile[], resources: LinuxResources, pid?: number): SeedFile[] {
  const processes = formatProcesses(pid);
  return template.map((seed) => {
    if (seed.field !== undefined) return seedField(seed.directory, seed.field.file, resources);
    return isProcessFile(seed.file) && processes !== seed.content ? { ...seed, content: processes } : seed;
  });
}

function formatProcesses(pid: number | undefined): string {
  return pid === undefined || pid <= 0 ? "" : `${pid}\n`;
}

function isProcessFile(file: string): boolean {
  return processFiles.some((name) => name === file);
}

function seedField(directory: string, file: FieldFile, resources: LinuxResources): SeedFile {
  const asked = file.current(resources);
  // A spec may hold what the kernel would refuse or round: the runtime's problem, not the plugin's.
  const parsed = asked === undefined ? undefined : file.parse(asked);
  const value = parsed === undefined ? file.unset : parsed.ok ? parsed.value : file.unset;
  const printed = file.print(value);
  const content = isSingleLine(printed) ? `${printed}\n` : printed;
  return { directory, controller: file.controller, file: file.file, content, field: { file, value } };
}

function isSingleLine(text: string): boolean {
  return text.indexOf("\n") === text.length - 1;
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
export function parentFiles(machine: Machine): { readonly file: string; readonly content: string }[] {
  const lists = machineLists(machine);
  return [
    { file: "cpuset.cpus", content: `${lists.cpus}\n` },
    { file: "cpuset.mems", content: `${lists.mems}\n` },
  ];
}

/** The cgroups above a container's, from the top and without the root: `/a` and `/a/b` of `/a/b/c`. */
export function parentPaths(cgroupsPath: string): string[] {
  const names = cgroupsPath.split("/").slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}
