import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { attempt, errnoOf } from "./errors.js";

/** No file that the bridge reads whole is so large: what is, is not what it is taken for. */
const usualLimit = 16 * 1024 * 1024;

/**
 * Reads a regular file: a FIFO, a device or a terminal in its place would block our one thread. The null device is an empty file.
 * @throws the system's error; EFTYPE for what is no file, EFBIG past the limit
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

/** Opens such a file. A directory is opened too: reading it says EISDIR. @throws as readRegularFile */
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

/** A stamp that changes when the file does, by an edit in place or by a rename. @throws the system's error */
export function fileStamp(path: string): string {
  const { dev, ino, mtimeNs, ctimeNs, size } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${mtimeNs}:${ctimeNs}:${size}`;
}

/** The file at a path, by its device and inode, whatever its name; undefined where none can be seen. */
export function fileIdentity(path: string): string | undefined {
  const stats = attempt(() => statSync(path, { bigint: true }));
  return stats && `${stats.dev}:${stats.ino}`;
}

/** By its numbers, 1 and 3: in a container it is a file of its own. */
export function isNullDevice(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0x103;
}

function systemError(code: string, what: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${what}, read '${path}'`), { code });
}

/**
 * Makes a directory with its parents. mkdir's `recursive` never returns on Node 20 where the system says ENOENT, as in /proc.
 * @throws the system's error
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
      // Another process may have been faster.
    } else if (!isDirectory(path)) throw error;
  }
}

function isDirectory(path: string): boolean {
  return attempt(() => statSync(path).isDirectory()) ?? false;
}
