import { readFileSync, readlinkSync } from "node:fs";
import { hasEnded, readProcessStat } from "./process-stat.js";

/** One process, told from every other that has had or will have its pid. */
export interface ProcessIdentity {
  /** 0 when there is none, or the runtime did not say. */
  readonly pid: number;
  /** As /proc/<pid>/stat has it; undefined when it could not be read. */
  readonly startTime: string | undefined;
  /** The boot that the process belongs to; "" when the machine does not tell. */
  readonly bootId: string;
  /** The pid namespace in which the pid was looked up, `pid:[4026531836]`: in another one it is somebody else's. */
  readonly pidNamespace: string;
}

/** `unknown`: neither can be told from here. */
export type Liveness = "alive" | "dead" | "unknown";

/** What of an identity is the same for all processes that we can see: it never changes while we run. */
export interface Machine {
  /** Where its /proc is. */
  readonly procRoot: string;
  readonly bootId: string;
  readonly pidNamespace: string;
}

/** The machine as we see it from here. */
export function readMachine(procRoot: string): Machine {
  return { procRoot, bootId: readBootId(procRoot), pidNamespace: readPidNamespace("self", procRoot) ?? "" };
}

/** The process that has this pid now. */
export function identifyProcess(pid: number, { procRoot, bootId, pidNamespace }: Machine): ProcessIdentity {
  return { pid, startTime: startTimeOf(pid, procRoot), bootId, pidNamespace };
}

/** The start time of a process, in the kernel's clock ticks since the boot; undefined when it cannot be read. */
export function startTimeOf(pid: number, procRoot = "/proc"): string | undefined {
  const stat = readProcessStat(pid, procRoot);
  return typeof stat === "string" ? undefined : stat.startTime;
}

/** The id that the kernel gave to this boot; "" when it cannot be read. */
export function readBootId(procRoot = "/proc"): string {
  try {
    return readFileSync(`${procRoot}/sys/kernel/random/boot_id`, "latin1").trim();
  } catch {
    return "";
  }
}

/** Whether the process of an identity still runs. A pid alone proves nothing: it may be a stranger's by now. */
export function livenessOf(identity: ProcessIdentity, machine: Machine): Liveness {
  const { bootId, pid, startTime, pidNamespace } = identity;
  if (bootId !== "" && machine.bootId !== "" && bootId !== machine.bootId) return "dead";
  if (pid <= 0 || startTime === undefined) return "unknown";
  // A bridge that is deployed anew may find itself in a pid namespace of its own, where old pids mean nothing.
  if (pidNamespace !== machine.pidNamespace) return "unknown";
  const stat = readProcessStat(pid, machine.procRoot);
  if (stat === "unreadable") return "unknown";
  return stat === "missing" || stat.startTime !== startTime || hasEnded(stat) ? "dead" : "alive";
}

/** The pid namespace of a process; undefined when it cannot be read. */
export function readPidNamespace(process: number | "self", procRoot: string): string | undefined {
  try {
    return readlinkSync(`${procRoot}/${process}/ns/pid`);
  } catch {
    return undefined;
  }
}
