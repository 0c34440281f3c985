import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { attempt } from "../base/errors.js";
import { fileIdentity, isNullDevice, makeDirectory } from "../base/files.js";
import type { LogDestination } from "./log.js";

const journalSocket = "/run/systemd/journal/stdout";
const usualFile = "/var/lib/nri-v01-bridge/bridge.log";

/**
 * `auto` is standard error; where that is /dev/null, as in launched mode, the journal, else a file of limited size.
 * @throws the system's error for a path that cannot be written to
 */
export function openLogDestination(output: string): LogDestination {
  if (output.startsWith("/")) return openPath(output);
  // Or it is not open at all.
  const isUnread = attempt(() => isNullDevice(fstatSync(2))) ?? true;
  if (output === "stderr" || !isUnread) return stderrDestination;
  // A read-only or full disk: standard error is all that is left, even if no process reads it.
  const openFile = () => attempt(() => openPath(usualFile)) ?? stderrDestination;
  const hasJournal = attempt(() => statSync(journalSocket).isSocket()) ?? false;
  return hasJournal ? openJournal(journalSocket, openFile) : openFile();
}

/** Written at once, so that the last line before an exit is not lost. */
const stderrDestination: LogDestination = {
  // A log reader that is gone, or a full pipe, must not stop the bridge.
  write: (line) => void attempt(() => writeSync(2, line)),
};

function openPath(path: string): LogDestination {
  makeDirectory(dirname(path), 0o700);
  return openLogFile(path);
}

/** A log of limited size: at 5 MiB the file becomes `<path>.1`, over the one before it. */
export function openLogFile(path: string, limitBytes = 5 * 1024 * 1024): LogDestination {
  let fd = open(path);
  const opened = fstatSync(fd);
  let { size } = opened;
  // A device or a pipe has no size to keep, and is not ours to rename.
  const rotateAt = opened.isFile() ? limitBytes : Infinity;

  /** The old file stays open until there is a new one: what cannot be rotated is written on. */
  const rotate = () => {
    // Another program (logrotate) may have moved ours away, and made another in its place.
    if (fileIdentity(path) === fileIdentity(`/proc/self/fd/${fd}`)) renameSync(path, `${path}.1`);
    const old = fd;
    fd = open(path);
    size = fstatSync(fd).size;
    closeSync(old);
  };

  return {
    write(line) {
      // No descriptor, no room, or a read-only file system: the file grows until it goes.
      if (size + Buffer.byteLength(line) > rotateAt && size > 0) attempt(rotate);
      // A full disk costs log lines, never an event.
      size += attempt(() => writeSync(fd, line)) ?? 0;
    },
    close: () => closeSync(fd),
  };
}

/** A FIFO without a reader is an error, and one that is full loses lines: neither may keep the one thread that we have. */
function open(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o600);
}

const identifier = "nri-v01-bridge";
/** Lines kept while the journal has not taken them; more are lost. */
const mostWaiting = 1000;

/**
 * The journal by its stream socket, which takes lines after a header of seven (systemd's stdout protocol: identifier, unit, priority,
 * level prefix, forward to syslog, kmsg, console). With level prefix on, `<n>` before a line is its severity.
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
const severities = new Map(Object.entries({ fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }));

/**
 * As the journal reads a line, and syslog's `logger --prio-prefix`: behind `<n>`, its severity; info's for one without a level.
 * @param line of JSON or of text @param shown what is written of it
 */
export function withSeverity(line: string, shown = line): string {
  const [, json, text] = /"level":"([a-z]+)"|^\S* ([A-Z]+) /.exec(line) ?? [];
  return `<${severities.get(json ?? text?.toLowerCase() ?? "info") ?? 6}>${shown}`;
}

/** Whether the journal reads standard error: systemd sets JOURNAL_STREAM to the device and inode of the stream it made. */
export function isJournalOnStderr(stream: string | undefined): boolean {
  const stats = attempt(() => fstatSync(2));
  return stats !== undefined && stream === `${stats.dev}:${stats.ino}`;
}
