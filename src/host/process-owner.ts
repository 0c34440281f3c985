import { readFileSync, readlinkSync } from "node:fs";
import { attempt, errorText } from "../base/errors.js";
import type { Machine, ProcessIdentity } from "./proc.js";
import { readProcessStat } from "./proc.js";

/** Whose process a pid is said to be. */
export interface ProcessQuery {
  /** Of the pod sandbox or container. */
  readonly id: string;
  readonly pid: number;
  /** As the event has it, in the form of cgroupfs or of systemd; "" when it does not say. */
  readonly cgroupsPath: string;
}

/** A process that is the pod's or container's for sure. */
export interface OwnProcess {
  readonly identity: ProcessIdentity;
  readonly parent: number;
}

/** The process of a pod or container, or why it cannot be said which it is. */
export type ProcessClaim =
  | ({ readonly confirmed: true } & OwnProcess)
  | { readonly confirmed: false; readonly reason: string };

/** Checks that a pid is the process of a pod or container, and gives the identity of exactly that process. */
export function claimProcess(query: ProcessQuery, machine: Machine): ProcessClaim {
  if (query.pid <= 0) return { confirmed: false, reason: "the event names no process" };
  const { procRoot, bootId, pidNamespace } = machine;
  // Before its cgroup: should the pid change hands meanwhile, the identity is that of a process which has ended.
  const stat = readProcessStat(query.pid, procRoot);
  if (typeof stat === "string") return { confirmed: false, reason: `there is no process ${query.pid} here` };
  const { startTime, parent } = stat;
  const reason = whyForeign(query, procRoot, parent);
  if (reason !== undefined) return { confirmed: false, reason };
  return { confirmed: true, identity: { pid: query.pid, startTime, bootId, pidNamespace }, parent };
}

/** Undefined where its cgroup names the id or is the event's cgroupsPath, or its parent, the shim or conmon, works in the bundle. */
function whyForeign(query: ProcessQuery, procRoot: string, parent: number): string | undefined {
  let cgroups: string;
  try {
    cgroups = readFileSync(`${procRoot}/${query.pid}/cgroup`, "utf8");
  } catch (error) {
    return `the cgroup of process ${query.pid} cannot be read: ${errorText(error)}`;
  }
  if (cgroupsName(cgroups, query)) return undefined;
  return worksIn(parent, query.id, procRoot)
    ? undefined
    : `neither the cgroup of process ${query.pid} nor the bundle of its parent names ${query.id}`;
}

/** Whether the text of /proc/<pid>/cgroup, of cgroup v1, v2 or both, names a pod or container. */
export function cgroupsName(cgroups: string, { id, cgroupsPath }: Pick<ProcessQuery, "id" | "cgroupsPath">): boolean {
  const wanted = pathOf(cgroupsPath);
  return cgroups.split("\n").some((line) => {
    // `hierarchy:controllers:path`; a path may hold colons.
    const path = line.split(":").slice(2).join(":");
    return names(path, id) || (wanted !== "" && `${path}/`.includes(`${wanted}/`));
  });
}

/** The end of a cgroup's path that a cgroupsPath stands for; "" when it names none. */
function pathOf(cgroupsPath: string): string {
  // systemd's form is slice:prefix:name, which becomes the unit prefix-name.scope.
  const [slice, prefix, name] = cgroupsPath.split(":");
  if (slice !== undefined && prefix !== undefined && name !== undefined && name !== "") {
    const unit = prefix === "" ? name : `${prefix}-${name}`;
    return `/${name.endsWith(".slice") ? name : `${unit}.scope`}`;
  }
  const trimmed = cgroupsPath.replace(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}

/** Whether a part of a path is this id, bare or in a systemd unit such as `cri-containerd-<id>.scope`. */
function names(path: string, id: string): boolean {
  return (
    id !== "" && path.split("/").some((part) => part === id || part.endsWith(`-${id}.scope`) || part.endsWith(`:${id}`))
  );
}

function worksIn(process: number, id: string, procRoot: string): boolean {
  if (process <= 1) return false;
  return attempt(() => names(readlinkSync(`${procRoot}/${process}/cwd`), id)) ?? false;
}
