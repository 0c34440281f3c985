import { openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { attempt, errnoOf } from "../base/errors.js";
import { closing } from "../base/files.js";

/** The machine's answer to a question, and its source. */
export interface Answer {
  readonly answer: "yes" | "no" | "unknown";
  readonly reason: string;
}

/** The text of a file of /proc; undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  return attempt(() => readFileSync(path, "utf8"));
}

/** The target of a link; undefined when it is none, or cannot be read. */
export function readLink(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

export interface ProcessStat {
  /** One letter; Z and X are processes that have ended. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks between the boot of the machine and the start of the process, as the kernel writes them. */
  readonly startTime: string;
}

const statBytes = 1024; // The command may be 64 bytes long (kernel workers), and there are 50 numbers after it.
const argumentBytes = 64 * 1024; // A process may have megabytes of them.

/** The first bytes of a file. @throws the system's error */
function readStart(path: string, limit: number): Buffer {
  const buffer = Buffer.allocUnsafe(limit);
  return closing(openSync(path, "r"), (file) => buffer.subarray(0, readSync(file, buffer, 0, limit, 0)));
}

/** The command in parentheses may hold anything. Behind it are fields 3, the state, 4, the parent, 5, the group, and 22 (proc(5)). */
const statPattern = /^.*\) ([A-Za-z]) (\d+) (\d+)(?: \S+){16} (\d+)/s;

/** The stat of a process; `missing` when there is no such process, `unreadable` when that cannot be told. */
export function readProcessStat(pid: number, procRoot: string): ProcessStat | "missing" | "unreadable" {
  if (!Number.isSafeInteger(pid) || pid <= 0) return "missing";
  try {
    const text = readStart(`${procRoot}/${pid}/stat`, statBytes).toString("latin1");
    const [, state, parent, group, startTime] = statPattern.exec(text) ?? [];
    if (state === undefined || startTime === undefined) return "unreadable";
    return { state, parent: Number(parent), group: Number(group), startTime };
  } catch (error) {
    // ESRCH: it ended between open(2) and read(2).
    return ["ENOENT", "ESRCH"].includes(errnoOf(error)) ? "missing" : "unreadable";
  }
}

/** A zombie runs no more: what is left of it is its exit status. */
export function hasEnded({ state }: Pick<ProcessStat, "state">): boolean {
  return ["Z", "X", "x"].includes(state);
}

export interface ProcessIdentity {
  /** 0 when there is none, or the runtime did not say. */
  readonly pid: number;
  /** As /proc/<pid>/stat has it; undefined when it could not be read. */
  readonly startTime: string | undefined;
  /** The boot that the process belongs to; "" when the machine does not tell. */
  readonly bootId: string;
  /** The pid namespace in which the pid was looked up, `pid:[4026531836]`: in another one it is another process's. */
  readonly pidNamespace: string;
}

export type Liveness = "alive" | "dead" | "unknown";

/** Whether a process of this boot and pid namespace runs. A pid alone proves nothing: it may be another process's by now. */
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

/** The arguments that a process was started with, its name first, without empty ones. */
export function argumentsOf(pid: number, procRoot: string): readonly string[] {
  const text = attempt(() => readStart(`${procRoot}/${pid}/cmdline`, argumentBytes).toString("utf8")) ?? "";
  return text.split("\0").filter((argument) => argument !== "");
}

/** The variables that a process was started with; undefined when they cannot be read. */
export function environmentOf(pid: number, procRoot: string): ReadonlyMap<string, string> | undefined {
  const entries = readText(`${procRoot}/${pid}/environ`)?.split("\0");
  return entries && new Map(entries.map((entry) => [entry.replace(/=.*/s, ""), entry.slice(entry.indexOf("=") + 1)]));
}

/** read(2) and readv(2) of 64-bit machines, by their numbers. */
const readCalls = process.arch === "x64" ? ["0", "19"] : ["63", "65"];

/** The descriptors on which threads of a process wait in read(2); none when that cannot be seen. */
export function blockedReads(pid: number, procRoot: string): readonly number[] {
  const tasks = attempt(() => readdirSync(`${procRoot}/${pid}/task`)) ?? [];
  return tasks.flatMap((task) => {
    // `0 0x3 0x7ffd...`: the call's number and its arguments; `running` where there is none.
    const [call = "", descriptor] = readText(`${procRoot}/${pid}/task/${task}/syscall`)?.split(" ") ?? [];
    return readCalls.includes(call) ? Number(descriptor) : [];
  });
}

/** The inodes of a process's sockets; none when its descriptors cannot be seen. */
export function socketsOf(pid: number, procRoot: string): readonly string[] {
  const names = attempt(() => readdirSync(`${procRoot}/${pid}/fd`)) ?? [];
  const links = names.map((name) => readLink(`${procRoot}/${pid}/fd/${name}`) ?? "");
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

export function listPids(procRoot: string): readonly number[] {
  const names = attempt(() => readdirSync(procRoot)) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** A process as /proc shows it. */
export interface Process {
  readonly pid: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Its executable as its own mount namespace names it. */
  readonly exe: string;
  /** The executable was replaced or removed since it was started. */
  readonly replaced: boolean;
  readonly uid: number;
}

/** Every process that can be seen and runs a program, by pid. */
export function listProcesses(procRoot: string): readonly Process[] {
  const pids = listPids(procRoot).toSorted((a, b) => a - b);
  return pids.flatMap((pid) => {
    const command = commandOf(pid, procRoot);
    const args = argumentsOf(pid, procRoot);
    // Another user's link cannot be read; what has no arguments either has ended, or is the kernel's.
    const link = readLink(`${procRoot}/${pid}/exe`) ?? args[0];
    if (command === undefined || link === undefined) return [];
    const uid = attempt(() => statSync(`${procRoot}/${pid}`).uid) ?? -1;
    const exe = link.replace(/ \(deleted\)$/, "");
    return [{ pid, command, args, exe, replaced: exe !== link, uid }];
  });
}

/** The value of `--flag value`, `--flag=value` or their short form. */
export function flagOf(args: readonly string[], ...flags: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => flags.includes(arg.replace(/=.*/s, "")));
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg.includes("=") ? arg.slice(arg.indexOf("=") + 1) : args[at + 1];
}

/** A mount, as a line of /proc/<pid>/mountinfo has it (proc(5)). */
export type Mount = ReturnType<typeof parseMountinfo>[number];

/** Reads the text of /proc/<pid>/mountinfo. What is no line of it is left out. */
export function parseMountinfo(text: string) {
  // The kernel writes space, tab, newline and backslash in octal.
  const decode = (path = "") => path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number(`0o${octal}`)));
  return text.split("\n").flatMap((line) => {
    // Six fields, optional ones up to a hyphen, then type, source and the file system's options.
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    if (hyphen < 0) return [];
    return {
      line,
      id: Number(fields[0]),
      /** Which directory of the file system is mounted at `point`. */
      root: decode(fields[3]),
      point: decode(fields[4]),
      /** How it propagates: `shared:7`, `master:3`. */
      optional: fields.slice(6, hyphen),
      type: fields[hyphen + 1] ?? "",
      superOptions: (fields[hyphen + 3] ?? "").split(","),
    };
  });
}
