import { closeSync, readdirSync, readFileSync } from "node:fs";
import { attempt } from "../base/errors.js";

/** A process's limit of open files (RLIMIT_NOFILE). */
export interface OpenFilesLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/**
 * The hard limit of a service whose unit sets none: systemd's defaults (DefaultLimitNOFILE, with Debian's patch), and the kernel's.
 */
const defaultHardLimits: readonly bigint[] = [524_288n, 1_048_576n, 4_096n];
const defaultSoftLimit = 1_024n;

/**
 * The limit of open files to give a plugin: the limit that the bridge was started with. undefined: the bridge's present one.
 *
 * Node raises its own soft limit to the hard one when it starts, and does not report the old value. A parent with the bridge's hard
 * limit most likely passed its soft limit on, too. A service manager (systemd) has other limits for itself: then a default hard
 * limit means the default soft one, and any other hard limit was set together with the soft one (LimitNOFILE=65536).
 */
export function startingOpenFilesLimit(
  own = readOpenFilesLimit("self"),
  parents = readOpenFilesLimit(process.ppid),
): OpenFilesLimit | undefined {
  if (own === null || own.soft !== own.hard) return undefined;
  if (parents?.hard === own.hard) return parents.soft < own.hard ? parents : undefined;
  return defaultHardLimits.includes(own.hard) ? { soft: defaultSoftLimit, hard: own.hard } : undefined;
}

/** The limits of a process from /proc; null when one is unlimited, or when they cannot be read. */
function readOpenFilesLimit(pid: number | "self"): OpenFilesLimit | null {
  const text = attempt(() => readFileSync(`/proc/${pid}/limits`, "latin1")) ?? "";
  const [, soft, hard] = /^Max open files +(\d+) +(\d+) /m.exec(text) ?? [];
  return soft === undefined || hard === undefined ? null : { soft: BigInt(soft), hard: BigInt(hard) };
}

const closeOnExec = 0o2000000;

/**
 * Closes the descriptors that the bridge inherited and that are not meant for it, so that no plugin inherits them.
 *
 * Node opens all descriptors close-on-exec. At its start it also marks inherited descriptors close-on-exec, but only up to the
 * first gap from 16 on: a descriptor without this mark is an inherited one behind that gap. A descriptor that the runtime passes to
 * the bridge on purpose has a low number, so Node has marked it and it stays open.
 */
export function closeInheritedDescriptors(): void {
  for (const descriptor of readdirSync("/proc/self/fdinfo").map(Number)) {
    // readdirSync has closed the descriptor with which it read the directory, which is in the list too.
    const info = attempt(() => readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? "";
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
    const survivesExec = flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
    if (descriptor > 2 && survivesExec) closeSync(descriptor);
  }
}
