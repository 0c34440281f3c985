import { closeSync, readdirSync, readFileSync } from "node:fs";
import { attempt } from "../base/errors.js";

/** The limit of open files that a process is to have: RLIMIT_NOFILE. */
export interface OpenFilesLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** The hard limit of a service that asks for none: systemd's defaults (DefaultLimitNOFILE, with Debian's patch), the kernel's. */
const defaultHardLimits: readonly bigint[] = [524_288n, 1_048_576n, 4_096n];
const defaultSoftLimit = 1_024n;

/**
 * The limit of open files that a plugin is to have: the one that we were started with. undefined: the one that we have.
 *
 * Node raises its own soft limit to the hard one when it starts, and does not tell what it was. A parent with our hard limit most
 * likely handed us the soft one, too. A service manager (systemd) has other limits for itself: there a well-known hard limit
 * comes with the well-known soft one, and any other was set together with it (LimitNOFILE=65536).
 */
export function startingOpenFilesLimit(
  own = readOpenFilesLimit("self"),
  parents = readOpenFilesLimit(process.ppid),
): OpenFilesLimit | undefined {
  if (own === null || own.soft !== own.hard) return undefined;
  if (parents?.hard === own.hard) return parents.soft < own.hard ? parents : undefined;
  return defaultHardLimits.includes(own.hard) ? { soft: defaultSoftLimit, hard: own.hard } : undefined;
}

/** null when it is unlimited, or cannot be read. */
function readOpenFilesLimit(pid: number | "self"): OpenFilesLimit | null {
  const text = attempt(() => readFileSync(`/proc/${pid}/limits`, "latin1")) ?? "";
  const [, soft, hard] = /^Max open files +(\d+) +(\d+) /m.exec(text) ?? [];
  return soft === undefined || hard === undefined ? null : { soft: BigInt(soft), hard: BigInt(hard) };
}

const closeOnExec = 0o2000000;

/**
 * Closes the descriptors that we were started with and that are not meant for us, so that no plugin inherits them.
 *
 * Node opens everything close-on-exec, and at its start marks what it inherits, but only up to the first gap from 16 on: a
 * descriptor without the mark is such a one. One that the runtime hands us on purpose is low, and marked.
 */
export function closeInheritedDescriptors(): void {
  for (const descriptor of readdirSync("/proc/self/fdinfo").map(Number)) {
    // The one that listed the directory is not there any more.
    const info = attempt(() => readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")) ?? "";
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
    const survivesExec = flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
    if (descriptor > 2 && survivesExec) closeSync(descriptor);
  }
}
