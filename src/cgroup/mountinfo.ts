import { type Mount, parseMountinfo } from "../host/mountinfo.js";
import { hierarchies } from "./controllers.js";

export const cgroupRoot = "/sys/fs/cgroup";

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
    .map(({ option }, index) => ({ id: index + 1, option }))
    .reverse()
    .map(({ id, option }) => `${id}:${option}:${path}\n`)
    .join("");
}
