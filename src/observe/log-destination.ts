import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { attempt } from "../base/errors.js";
import { isNullDevice, makeDirectory } from "../base/files.js";
import type { LogDestination } from "./log.js";

/** Where the machine's log sockets are; a test puts its own there. */
interface LogPlaces {
  readonly journalSocket: string;
  readonly file: string;
}

const defaultLogPlaces: LogPlaces = {
  journalSocket: "/run/systemd/journal/stdout",
  file: "/var/lib/nri-v01-bridge/bridge.log",
};

/**
 * Chooses where the log goes. `auto` is standard error, unless that is /dev/null, as it is for a plugin that the runtime
 * launched: then the journal, else a file of limited size, so that a node never runs the bridge blind.
 * @throws the system's error for a path that cannot be written to
 */
export function openLogDestination(output: string, places: LogPlaces = defaultLogPlaces): LogDestination {
  if (output.startsWith("/")) return openPath(output);
  if (output === "stderr" || !isUnread(2)) return stderrDestination;
  if (isSocket(places.journalSocket)) return openJournal(places.journalSocket, () => openFile(places.file));
  return openFile(places.file);
}

/** PIPE_BUF: a pipe takes so much whole or not at all. */
const atomicBytes = 4096;

/** Written at once, so that the last line before an exit is not lost. */
const stderrDestination: LogDestination = {
  write(line) {
    try {
      writeSync(2, line);
    } catch {
      // A log reader that is gone, or a full pipe, must not stop the bridge.
    }
  },
  writeAll(lines) {
    const text = lines.join("");
    if (Buffer.byteLength(text) <= atomicBytes) stderrDestination.write(text);
    else for (const line of lines) stderrDestination.write(line);
  },
};

function openPath(path: string): LogDestination {
  makeDirectory(dirname(path), 0o700);
  return openLogFile(path);
}

function openFile(path: string): LogDestination {
  try {
    return openPath(path);
  } catch {
    // A read-only or full disk: standard error is all that is left, even if nobody reads it.
    return stderrDestination;
  }
}

/** Whether a descriptor is /dev/null, or not open at all. */
function isUnread(fd: number): boolean {
  return attempt(() => isNullDevice(fstatSync(fd))) ?? true;
}

function isSocket(path: string): boolean {
  return attempt(() => statSync(path).isSocket()) ?? false;
}

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

const identifier = "nri-v01-bridge";
/** Lines kept while the journal has not taken them; more are lost. */
const mostWaiting = 1000;

/**
 * The journal, by its stream socket, which takes plain lines after a header of seven (systemd's stdout protocol:
 * identifier, unit, priority, level prefix, forward to syslog, kmsg, console). With level prefix on, `<n>` before a line
 * is its severity.
 *
 * @param fallback opened when the journal cannot be reached, or goes away; it gets the lines that the journal did not
 */
export function openJournal(socketPath: string, fallback: () => LogDestination): LogDestination {
  const waiting: string[] = [];
  let instead: LogDestination | undefined;
  // compat: journald ends its side of each stream at once (journald-stream.c, stdout_stream_install), and reads on.
  const socket = createConnection({ path: socketPath, allowHalfOpen: true });
  socket.unref();
  socket.on("error", () => {});
  socket.on("close", () => {
    instead = fallback();
    for (const line of waiting.splice(0)) instead.write(line);
  });
  const taken = (error?: Error | null) => {
    if (!error) waiting.shift();
  };
  socket.write(`${identifier}\n\n6\n1\n0\n0\n0\n`);
  return {
    write(line) {
      if (instead !== undefined) instead.write(line);
      else if (waiting.push(line) <= mostWaiting) socket.write(withSeverity(line), taken);
      else waiting.pop();
    },
    close() {
      socket.end();
      instead?.close?.();
    },
  };
}

/** syslog's severities for pino's level labels (RFC 5424, 6.2.1). */
const severities: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };

/** The severity of a level; info's for one that is not known. */
export function severityOf(level: string): number {
  return (Object.hasOwn(severities, level) ? severities[level] : undefined) ?? 6;
}

/** A line as the journal and syslog's `logger --prio-prefix` read it, from a line of JSON or of text. */
export function withSeverity(line: string): string {
  const [, json, text] = /"level":"([a-z]+)"|^\S* ([A-Z]+) /.exec(line) ?? [];
  return `<${severityOf(json ?? text?.toLowerCase() ?? "info")}>${line}`;
}
