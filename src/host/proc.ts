import { openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { attempt, errnoOf } from "../base/errors.js";
import { closing } from "../base/files.js";

/** The answer to a question about the machine, and the fact that it rests on. */
export interface Answer {
  readonly answer: "yes" | "no" | "unknown";
  readonly reason: string;
}

/** The text of a file of /proc; undefined when the file cannot be read. */
export function readText(path: string): string | undefined {
  return attempt(() => readFileSync(path, "utf8"));
}

/** The target of a link; undefined when the path is no link, or cannot be read. */
export function readLink(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

export interface ProcessStat {
  /** The letter of the process's state, as in proc(5); Z and X are processes that have ended. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks between the boot of the machine and the start of the process, as the kernel writes them. */
  readonly startTime: string;
}

const statBytes = 1024; // Enough for a command of 64 bytes (kernel workers) and the 50 numbers after it.
const argumentBytes = 64 * 1024; // The bridge reads no more of a process's arguments, which may be megabytes.

/** The first bytes of a file, at most `limit`. @throws the system's error when the file cannot be opened or read */
function readStart(path: string, limit: number): Buffer {
  const buffer = Buffer.allocUnsafe(limit);
  return closing(openSync(path, "r"), (file) => buffer.subarray(0, readSync(file, buffer, 0, limit, 0)));
}

/**
 * Matches /proc/<pid>/stat (proc(5)). The command in parentheses may contain any character. After it the pattern captures fields 3
 * (state), 4 (parent), 5 (process group) and 22 (start time).
 */
const statPattern = /^.*\) ([A-Za-z]) (\d+) (\d+)(?: \S+){16} (\d+)/s;

/** The stat of a process; `missing` when no process has this pid, `unreadable` when /proc does not show whether one has. */
export function readProcessStat(pid: number, procRoot: string): ProcessStat | "missing" | "unreadable" {
  if (!Number.isSafeInteger(pid) || pid <= 0) return "missing";
  try {
    const text = readStart(`${procRoot}/${pid}/stat`, statBytes).toString("latin1");
    const [, state, parent, group, startTime] = statPattern.exec(text) ?? [];
    if (state === undefined || startTime === undefined) return "unreadable";
    return { state, parent: Number(parent), group: Number(group), startTime };
  } catch (error) {
    // The error is ESRCH when the process ended between open(2) and read(2).
    return ["ENOENT", "ESRCH"].includes(errnoOf(error)) ? "missing" : "unreadable";
  }
}

/** Whether a process has ended. A zombie counts as ended: the kernel keeps only its exit status. */
export function hasEnded({ state }: Pick<ProcessStat, "state">): boolean {
  return ["Z", "X", "x"].includes(state);
}

export interface ProcessIdentity {
  /** 0 when there is no process, or the runtime did not name its pid. */
  readonly pid: number;
  /** The start time from /proc/<pid>/stat (see ProcessStat); undefined when the file could not be read. */
  readonly startTime: string | undefined;
  /** The boot_id of the machine's boot in which the process runs; "" when the boot_id could not be read. */
  readonly bootId: string;
  /** The pid namespace that the pid belongs to, such as `pid:[4026531836]`: in another one the pid means another process. */
  readonly pidNamespace: string;
}

export type Liveness = "alive" | "dead" | "unknown";

/**
 * Whether a process of this boot and pid namespace runs. The start time is compared, because another process may have got the pid
 * by now; without a start time the answer is "unknown".
 */
export function livenessHere({ pid, startTime }: ProcessIdentity, procRoot: string): Liveness {
  if (pid <= 0 || startTime === undefined) return "unknown";
  const stat = readProcessStat(pid, procRoot);
  if (stat === "unreadable") return "unknown";
  return stat === "missing" || stat.startTime !== startTime || hasEnded(stat) ? "dead" : "alive";
}

/** The name of a process, which the kernel cuts after 15 bytes. */
export function commandOf(pid: number, procRoot: string): string | undefined {
  return readText(`${procRoot}/${pid}/comm`)?.trim();
}

/** The arguments that a process was started with, the program's name first; empty arguments are left out. */
export function argumentsOf(pid: number, procRoot: string): readonly string[] {
  const text = attempt(() => readStart(`${procRoot}/${pid}/cmdline`, argumentBytes).toString("utf8")) ?? "";
  return text.split("\0").filter((argument) => argument !== "");
}

/** The environment variables that a process was started with; undefined when /proc does not show them to the bridge. */
export function environmentOf(pid: number, procRoot: string): ReadonlyMap<string, string> | undefined {
  const entries = readText(`${procRoot}/${pid}/environ`)?.split("\0");
  return entries && new Map(entries.map((entry) => [entry.replace(/=.*/s, ""), entry.slice(entry.indexOf("=") + 1)]));
}

/** The system call numbers of read(2) and readv(2) on the 64-bit machines that the bridge runs on. */
const readCalls = process.arch === "x64" ? ["0", "19"] : ["63", "65"];

/** The descriptors on which threads of a process wait in read(2); empty when /proc does not show the threads' calls. */
export function blockedReads(pid: number, procRoot: string): readonly number[] {
  const tasks = attempt(() => readdirSync(`${procRoot}/${pid}/task`)) ?? [];
  return tasks.flatMap((task) => {
    // The file holds the call's number and arguments, `0 0x3 0x7ffd...`, or `running` for a thread that is in no call.
    const [call = "", descriptor] = readText(`${procRoot}/${pid}/task/${task}/syscall`)?.split(" ") ?? [];
    return readCalls.includes(call) ? Number(descriptor) : [];
  });
}

/** The inodes of a process's sockets; empty when the bridge cannot read the process's descriptors. */
export function socketsOf(pid: number, procRoot: string): readonly string[] {
  const names = attempt(() => readdirSync(`${procRoot}/${pid}/fd`)) ?? [];
  const links = names.map((name) => readLink(`${procRoot}/${pid}/fd/${name}`) ?? "");
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

export function listPids(procRoot: string): readonly number[] {
  const names = attempt(() => readdirSync(procRoot)) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** A process, as described by /proc. */
export interface Process {
  readonly pid: number;
  readonly command: string;
  readonly args: readonly string[];
  /** The path of the process's executable in the mount namespace of the process. */
  readonly exe: string;
  /** Whether the executable has been replaced or removed since the process started. */
  readonly replaced: boolean;
  readonly uid: number;
}

/** Every process that /proc shows, except kernel threads and ended processes, in ascending order of pids. */
export function listProcesses(procRoot: string): readonly Process[] {
  const pids = listPids(procRoot).toSorted((a, b) => a - b);
  return pids.flatMap((pid) => {
    const command = commandOf(pid, procRoot);
    const args = argumentsOf(pid, procRoot);
    // The link `exe` of another user's process cannot be read, so the first argument stands for it. A process without arguments has
    // ended, or is a kernel thread.
    const link = readLink(`${procRoot}/${pid}/exe`) ?? args[0];
    if (command === undefined || link === undefined) return [];
    const uid = attempt(() => statSync(`${procRoot}/${pid}`).uid) ?? -1;
    const exe = link.replace(/ \(deleted\)$/, "");
    return [{ pid, command, args, exe, replaced: exe !== link, uid }];
  });
}

/** The value of the first of these flags in the arguments: `--flag value`, `--flag=value` or the flag's short form. */
export function flagOf(args: readonly string[], ...flags: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => flags.includes(arg.replace(/=.*/s, "")));
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg.includes("=") ? arg.slice(arg.indexOf("=") + 1) : args[at + 1];
}

/**
 * The directory of the pod's bundle, which conmon-rs has in its arguments (conmon-rs pkg/client/client.go toArgs); undefined for
 * other processes.
 */
export function conmonRsDirectory(args: readonly string[]): string | undefined {
  const told = flagOf(args, "--runtime-dir");
  return told?.startsWith("/") ? told : undefined;
}

/** A mount, as described by a line of /proc/<pid>/mountinfo (proc(5)). */
export type Mount = ReturnType<typeof parseMountinfo>[number];

/** Parses the text of /proc/<pid>/mountinfo. Lines of another format are left out. */
export function parseMountinfo(text: string) {
  // The kernel writes a space, tab, newline or backslash in a path as a backslash and three octal digits.
  const decode = (path = "") => path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number(`0o${octal}`)));
  return text.split("\n").flatMap((line) => {
    // A line has six fields, optional fields up to a hyphen, then the type, the source and the file system's options.
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    if (hyphen < 0) return [];
    return {
      line,
      id: Number(fields[0]),
      /** The directory of the file system that is mounted at `point`. */
      root: decode(fields[3]),
      point: decode(fields[4]),
      /** The optional fields, which state the propagation of mounts: `shared:7`, `master:3`. */
      optional: fields.slice(6, hyphen),
      type: fields[hyphen + 1] ?? "",
      superOptions: (fields[hyphen + 3] ?? "").split(","),
    };
  });
}
