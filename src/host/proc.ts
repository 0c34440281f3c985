import { openSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { attempt, errnoOf } from "../base/errors.js";
import { closing } from "../base/files.js";

/** What the machine says to a question, and where it has that from. */
export interface Answer {
  readonly answer: "yes" | "no" | "unknown";
  /** For people, without a full stop. */
  readonly reason: string;
}

/** What /proc/<pid>/stat says of a process. */
export interface ProcessStat {
  /** One letter; Z and X are processes that have ended. */
  readonly state: string;
  readonly parent: number;
  /** The process group. */
  readonly group: number;
  /** Clock ticks between the boot of the machine and the start of the process, as the kernel writes them. */
  readonly startTime: string;
}

/** The stat of a process; `missing` when there is no such process, `unreadable` when that cannot be told. */
export function readProcessStat(pid: number, procRoot: string): ProcessStat | "missing" | "unreadable" {
  if (!Number.isSafeInteger(pid) || pid <= 0) return "missing";
  try {
    return closing(openSync(`${procRoot}/${pid}/stat`, "r"), readOpenStat) ?? "unreadable";
  } catch (error) {
    return isGone(error) ? "missing" : "unreadable";
  }
}

/** A command may be 64 bytes long (kernel workers), and there are 50 numbers after it. */
const statBytes = 1024;

/** The same from the open file, for less: there are thousands of processes to look at. @throws the system's error */
export function readOpenStat(file: number): ProcessStat | undefined {
  const buffer = Buffer.allocUnsafe(statBytes);
  return parseProcessStat(buffer.toString("latin1", 0, readSync(file, buffer, 0, statBytes, 0)));
}

/**
 * Reads the line of proc(5). Its second field is the command in parentheses, which may hold anything, blanks,
 * parentheses and line ends too: what follows the last parenthesis is plain.
 */
export function parseProcessStat(line: string): ProcessStat | undefined {
  const command = line.lastIndexOf(")");
  if (command < 0) return undefined;
  // Field 3, the state, comes first here: field 4 is the parent, 5 the group, 22 the start time.
  const fields = line.slice(command + 2).split(" ");
  const [state = "", parent = "", group = ""] = fields;
  const startTime = fields[19] ?? "";
  if (!/^[A-Za-z]$/.test(state) || !/^\d+$/.test(parent) || !/^\d+$/.test(group) || !/^\d+$/.test(startTime))
    return undefined;
  return { state, parent: Number(parent), group: Number(group), startTime };
}

/** A zombie runs no more: what is left of it is its exit status. */
export function hasEnded({ state }: Pick<ProcessStat, "state">): boolean {
  return state === "Z" || state === "X" || state === "x";
}

/** Whether reading /proc failed because the process has ended. ESRCH: it ended between open(2) and read(2). */
export function isGone(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ENOENT" || errno === "ESRCH";
}

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
function readBootId(procRoot: string): string {
  return attempt(() => readFileSync(`${procRoot}/sys/kernel/random/boot_id`, "latin1").trim()) ?? "";
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
function readPidNamespace(process: number | "self", procRoot: string): string | undefined {
  return attempt(() => readlinkSync(`${procRoot}/${process}/ns/pid`));
}

/**
 * Whether the pids that the runtime names are ours: whether both are in one pid namespace.
 *
 * @param peer the runtime's own process where it is known
 * @param named a pid of an event that is still on its way, so that its process runs; 0 when there is none
 */
export function sharesPidNamespace(peer: number | undefined, named: number, machine: Machine): Answer {
  const { procRoot, pidNamespace: own } = machine;
  const runtimes = peer === undefined ? undefined : readPidNamespace(peer, procRoot);
  if (own !== "" && runtimes !== undefined) {
    return own === runtimes
      ? { answer: "yes", reason: `the runtime is process ${peer}, and in our pid namespace` }
      : { answer: "no", reason: `the runtime is process ${peer}, and in another pid namespace (${runtimes})` };
  }
  if (named <= 0) return { answer: "unknown", reason: "the runtime's process is not known, and no event named one" };
  return readProcessStat(named, procRoot) === "missing"
    ? { answer: "no", reason: `process ${named}, which the runtime named, is not here` }
    : { answer: "yes", reason: `process ${named}, which the runtime named, is here` };
}

/** The value of `--flag value`, `--flag=value` or their short form. */
export function flagOf(args: readonly string[], ...flags: readonly string[]): string | undefined {
  for (const [at, arg] of args.entries()) {
    for (const flag of flags) {
      if (arg === flag) return args[at + 1];
      if (arg.startsWith(`${flag}=`)) return arg.slice(flag.length + 1);
    }
  }
  return undefined;
}

/** A mount, as a line of /proc/<pid>/mountinfo has it (proc(5)). */
export interface Mount {
  readonly line: string;
  readonly id: number;
  /** Which directory of the file system is mounted there. */
  readonly root: string;
  /** Where it is mounted. */
  readonly point: string;
  readonly options: readonly string[];
  /** How it propagates: `shared:7`, `master:3`. */
  readonly optional: readonly string[];
  /** The file system's. */
  readonly type: string;
  readonly superOptions: readonly string[];
}

/** Reads the text of /proc/<pid>/mountinfo. What is no line of it is left out. */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    // Six fields, optional ones up to a hyphen, then type, source and the file system's options.
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    if (hyphen < 0) return [];
    return {
      line,
      id: Number(fields[0]),
      root: decodePath(fields[3] ?? ""),
      point: decodePath(fields[4] ?? ""),
      options: (fields[5] ?? "").split(","),
      optional: fields.slice(6, hyphen),
      type: fields[hyphen + 1] ?? "",
      superOptions: (fields[hyphen + 3] ?? "").split(","),
    };
  });
}

/** The kernel writes space, tab, newline and backslash in octal. */
function decodePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
