import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import type { LogDestination } from "./log.js";

/** After a rotation that failed, so much of the limit is written before the next try. */
const retryShare = 1 / 16;

/** A log of limited size: at 5 MiB the file becomes `<path>.1`, over the one before it. */
export function openLogFile(path: string, limitBytes = 5 * 1024 * 1024): LogDestination {
  let fd = open(path);
  const opened = fstatSync(fd);
  let { size } = opened;
  // A device or a pipe has no size to keep, and is not ours to rename.
  let rotateAt = opened.isFile() ? limitBytes : Infinity;

  /** The old file stays open until there is a new one: what cannot be rotated is written on. */
  const rotate = () => {
    rotateAt = size + limitBytes * retryShare;
    // Somebody else (logrotate) may have moved ours away, and made another in its place.
    if (isOpenAt(path, fd)) renameSync(path, `${path}.1`);
    const next = open(path);
    const old = fd;
    fd = next;
    size = fstatSync(next).size;
    rotateAt = limitBytes;
    closeSync(old);
  };

  return {
    write(line) {
      try {
        if (size + Buffer.byteLength(line) > rotateAt && size > 0) rotate();
      } catch {
        // No descriptor, no room, or a read-only file system: the file grows until the next try.
      }
      try {
        size += writeSync(fd, line);
      } catch {
        // A full disk costs log lines, never an event.
      }
    },
    close: () => closeSync(fd),
  };
}

/** A FIFO that nobody reads is an error, and one that is full loses lines: neither may keep the one thread that we have. */
function open(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o600);
}

function isOpenAt(path: string, fd: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  const open = fstatSync(fd);
  return there !== undefined && there.dev === open.dev && there.ino === open.ino;
}
