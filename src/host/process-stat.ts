import { readFileSync } from "node:fs";

/** What /proc/<pid>/stat says of a process. */
export interface ProcessStat {
  /** One letter; Z and X are processes that have ended. */
  readonly state: string;
  readonly parent: number;
  /** Clock ticks between the boot of the machine and the start of the process, as the kernel writes them. */
  readonly startTime: string;
}

/** The stat of a process; `missing` when there is no such process, `unreadable` when that cannot be told. */
export function readProcessStat(pid: number, procRoot: string): ProcessStat | "missing" | "unreadable" {
  if (!Number.isSafeInteger(pid) || pid <= 0) return "missing";
  try {
    return parseProcessStat(readFileSync(`${procRoot}/${pid}/stat`, "utf8")) ?? "unreadable";
  } catch (error) {
    // ESRCH: the process ended between open(2) and read(2).
    return isCode(error, "ENOENT") || isCode(error, "ESRCH") ? "missing" : "unreadable";
  }
}

/**
 * Reads the line of proc(5). Its second field is the command in parentheses, which may hold anything, blanks,
 * parentheses and line ends too: what follows the last parenthesis is plain.
 */
export function parseProcessStat(line: string): ProcessStat | undefined {
  const command = line.lastIndexOf(")");
  if (command < 0) return undefined;
  // Field 3, the state, comes first here: field 4 is the parent, field 22 the start time.
  const fields = line.slice(command + 2).split(" ");
  const [state = "", parent = ""] = fields;
  const startTime = fields[19] ?? "";
  if (!/^[A-Za-z]$/.test(state) || !/^\d+$/.test(parent) || !/^\d+$/.test(startTime)) return undefined;
  return { state, parent: Number(parent), startTime };
}

/** A zombie runs no more: what is left of it is its exit status. */
export function hasEnded({ state }: Pick<ProcessStat, "state">): boolean {
  return state === "Z" || state === "X" || state === "x";
}

/** Whether something thrown is a system error with this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
