import { readFileSync } from "node:fs";

import type { OpenFilesLimit } from "../ffi/posix-spawn.js";

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
