import { closeSync } from "node:fs";

import { EventPoll } from "../ffi/event-poll.js";
import { type LoadedKoffi, loadKoffi } from "../ffi/koffi.js";
import { NativeError, openLibc } from "../ffi/libc.js";
import { type OpenFilesLimit, PosixSpawn } from "../ffi/posix-spawn.js";
import { FfiStarter } from "./ffi-starter.js";
import { closeInheritedDescriptors } from "./inherited-descriptors.js";
import { startingOpenFilesLimit } from "./open-files-limit.js";
import { ProcessSpawner } from "./process-spawner.js";
import type { Spawner } from "./spawner.js";

/** Where sizes, numbers and layouts of the C library are as `src/ffi` has them. */
const architectures: readonly string[] = ["x64", "arm64", "riscv64"];
/** As much as a pipe holds. */
const scratchBytes = 1 << 16;

export interface FfiSpawnerOptions {
  readonly koffi?: LoadedKoffi;
  /** What plugins get; undefined for what we have ourselves. */
  readonly openFiles?: OpenFilesLimit | undefined;
}

/**
 * The fast spawner: posix_spawn(3) through an FFI library. Nothing of it grows with our memory, and nothing of it waits:
 * the ends of processes and their output come to the event loop by descriptors.
 *
 * Processes lead a session of their own (POSIX_SPAWN_SETSID and not SETPGROUP), as those of the portable spawner do.
 *
 * @throws Error when it cannot work here: no library for this machine, an old C library, a kernel before 5.3, a seccomp
 * filter that forbids pidfds
 */
export function createFfiSpawner(options: FfiSpawnerOptions = {}): Spawner {
  if (process.platform !== "linux" || !architectures.includes(process.arch)) {
    throw new Error(`not for ${process.platform} on ${process.arch}`);
  }
  const { koffi } = options.koffi ?? loadKoffi();
  const libc = openLibc(koffi);
  const pidfd = libc.pidfdOpen(process.pid);
  if (pidfd < 0) throw new NativeError("pidfd_open", libc.lastError());
  closeSync(pidfd);
  // Where the C library can, each child closes what it is not to have.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  const openFiles = "openFiles" in options ? options.openFiles : startingOpenFilesLimit();
  const parts = {
    libc,
    events: new EventPoll(koffi, libc),
    scratch: Buffer.alloc(scratchBytes),
    status: new Int32Array(1),
  };
  return new ProcessSpawner(new FfiStarter(new PosixSpawn(libc, openFiles), parts));
}
