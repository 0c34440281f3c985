import { closeSync } from "node:fs";

import { type Koffi, type LoadedKoffi, loadKoffi } from "./koffi.js";
import { type Libc, NativeError, openLibc } from "./libc.js";

/** Where numbers and layouts of the C library are as this room has them. */
const architectures: readonly string[] = ["x64", "arm64", "riscv64"];

/** The C library within reach. */
export interface Native {
  readonly koffi: Koffi;
  readonly libc: Libc;
  /** The file that the FFI library came from. */
  readonly artefact: string;
}

/**
 * Opens the C library through the FFI library, and checks that processes can be watched by it.
 *
 * @throws Error when that does not work here: no library for this machine, an old C library, a kernel before 5.3, a
 * seccomp filter that forbids pidfds
 */
export function openNative(load: () => LoadedKoffi = loadKoffi): Native {
  if (process.platform !== "linux" || !architectures.includes(process.arch)) {
    throw new Error(`not for ${process.platform} on ${process.arch}`);
  }
  const { koffi, artefact } = load();
  const libc = openLibc(koffi);
  const pidfd = libc.pidfdOpen(process.pid);
  if (pidfd < 0) throw new NativeError("pidfd_open", libc.lastError());
  closeSync(pidfd);
  return { koffi, libc, artefact };
}
