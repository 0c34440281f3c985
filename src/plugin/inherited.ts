import { closeSync, readdirSync, readFileSync } from "node:fs";

import type { OpenFilesLimit } from "./posix-spawn.js";

/** systemd's defaults (DefaultLimitNOFILE, with Debian's patch), the kernel's own: the hard limit of who asked for none. */
const defaultHardLimits: readonly bigint[] = [524_288n, 1_048_576n, 4_096n];
const defaultSoftLimit = 1_024n;

/**
 * The limit of open files that a plugin is to have: the one that we were started with. undefined: the one that we have.
 *
 * Node raises its own soft limit to the hard one when it starts, and tells nobody what it was. Who started us and has our
 * hard limit most likely handed us the soft one, too. Who manages services (systemd) has other limits for itself: there a
 * well-known hard limit comes with the well-known soft one, and any other was set together with it (LimitNOFILE=65536).
 */
export function startingOpenFilesLimit(procRoot = "/proc", parent = process.ppid): OpenFilesLimit | undefined {
  const own = readLimit(`${procRoot}/self/limits`);
  if (own === undefined || own.soft !== own.hard) return undefined;
  const given = parent > 0 ? readLimit(`${procRoot}/${parent}/limits`) : undefined;
  if (given?.hard === own.hard) return given.soft < own.hard ? given : undefined;
  return defaultHardLimits.includes(own.hard) ? { soft: defaultSoftLimit, hard: own.hard } : undefined;
}

/** So many descriptors we may have ourselves. */
export function ownOpenFiles(procRoot = "/proc"): number {
  return Number(readLimit(`${procRoot}/self/limits`)?.soft ?? defaultSoftLimit);
}

function readLimit(path: string): OpenFilesLimit | undefined {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  const [, soft, hard] = /^Max open files +(\d+) +(\d+) /m.exec(text) ?? [];
  return soft === undefined || hard === undefined ? undefined : { soft: BigInt(soft), hard: BigInt(hard) };
}

const closeOnExec = 0o2000000;

/**
 * Closes the descriptors that we were started with and that nobody here knows, so that no plugin inherits them.
 *
 * Node opens everything close-on-exec, and at its start marks what it inherits, but only up to the first gap from 16 on.
 * A descriptor without the mark is thus such a stray one. One that the runtime hands us on purpose is low, and marked.
 */
export function closeInheritedDescriptors(): number[] {
  const strays = readdirSync("/proc/self/fdinfo")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && survivesExec(descriptor));
  for (const descriptor of strays) closeSync(descriptor);
  return strays;
}

function survivesExec(descriptor: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1");
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    // The one that listed the directory.
    return false;
  }
}
