import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { attempt, errnoOf } from "./errors.js";

/** In bytes. No file that the bridge reads as a whole is larger; a larger file is not the file that the user meant. */
const usualLimit = 16 * 1024 * 1024;

/**
 * Reads a regular file. A FIFO, a device or a terminal is refused, since reading it would block the bridge's only
 * thread. The null device counts as an empty file.
 * @throws the system's error when the file cannot be read; an error with the code EFTYPE when the path names a FIFO or
 *   a device, and EFBIG when the file is larger than the limit
 */
export function readRegularFile(path: string, limitBytes = usualLimit): Buffer {
  const { descriptor, stats } = openRegularFile(path);
  return closing(descriptor, () => {
    if (stats.size > limitBytes) throw systemError("EFBIG", `${stats.size} bytes, more than ${limitBytes}`, path);
    return readFileSync(descriptor);
  });
}

export function closing<T>(descriptor: number, use: (descriptor: number) => T): T {
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Opens a regular file or the null device, and a directory too: reading the descriptor of a directory fails with EISDIR.
 * @throws the system's error when the file cannot be opened; an error with the code EFTYPE for a FIFO or a device
 */
export function openRegularFile(path: string): { readonly descriptor: number; readonly stats: Stats } {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(descriptor);
    if (stats.isFile() || stats.isDirectory() || isNullDevice(stats)) return { descriptor, stats };
    throw systemError("EFTYPE", "a FIFO or a device", path);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/**
 * A text that changes whenever the file at the path changes, by an edit in place or by a rename over the path.
 * @throws the system's error when stat(2) fails, as for a missing file
 */
export function fileStamp(path: string): string {
  const { dev, ino, mtimeNs, ctimeNs, size } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${mtimeNs}:${ctimeNs}:${size}`;
}

/** The device and inode of the file at a path: two names of one file give the same text. Undefined when stat(2) fails. */
export function fileIdentity(path: string): string | undefined {
  const stats = attempt(() => statSync(path, { bigint: true }));
  return stats && `${stats.dev}:${stats.ino}`;
}

/** Compares the device number (major 1, minor 3), because a container has its own inode for /dev/null. */
export function isNullDevice(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0x103;
}

function systemError(code: string, what: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${what}, read '${path}'`), { code });
}

/**
 * Makes a directory and its missing parents. Node's `recursive` option is not used: on Node 20 such a mkdir never returns where the
 * kernel answers ENOENT although the parent exists, as in /proc.
 * @throws the system's error when the directory cannot be made
 */
export function makeDirectory(path: string, mode?: number): void {
  if (isDirectory(path)) return;
  const parent = dirname(path);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !isDirectory(parent)) {
      makeDirectory(parent, mode);
      makeDirectory(path, mode);
      // Another process may have made the directory meanwhile, which is no error.
    } else if (!isDirectory(path)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return attempt(() => statSync(path).isDirectory()) ?? false;
}
