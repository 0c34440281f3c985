import { closeSync, constants, fstatSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { attempt } from "../base/errors.js";
import { fileIdentity, isNullDevice, makeDirectory } from "../base/files.js";
import type { LogDestination } from "./log.js";

const journalSocket = "/run/systemd/journal/stdout";
const usualFile = "/var/lib/nri-v01-bridge/bridge.log";

/**
 * Opens what `log.output` names: a path, `stderr` or `auto`. `auto` is standard error. Where standard error is /dev/null, as in
 * launched mode, `auto` is the systemd journal, or without a journal a file of limited size.
 * @throws the system's error when `output` is a path that cannot be opened for writing
 */
export function openLogDestination(output: string): LogDestination {
  if (output.startsWith("/")) return openPath(output);
  // fstatSync throws when standard error is not open: no process reads it then either.
  const isUnread = attempt(() => isNullDevice(fstatSync(2))) ?? true;
  if (output === "stderr" || !isUnread) return stderrDestination;
  // On a read-only or full disk only standard error is left, even if no process reads it.
  const openFile = () => attempt(() => openPath(usualFile)) ?? stderrDestination;
  const hasJournal = attempt(() => statSync(journalSocket).isSocket()) ?? false;
  return hasJournal ? openJournal(journalSocket, openFile) : openFile();
}

/** Writes each line to standard error synchronously, so that the last line before an exit is not lost. */
const stderrDestination: LogDestination = {
  // A write fails when the reader has closed the pipe or the pipe is full: the bridge must go on without the line.
  write: (line) => void attempt(() => writeSync(2, line)),
};

function openPath(path: string): LogDestination {
  makeDirectory(dirname(path), 0o700);
  return openLogFile(path);
}

/** Opens a log of limited size: at `limitBytes` the file is renamed to `<path>.1`, which replaces an earlier `<path>.1`. */
export function openLogFile(path: string, limitBytes = 5 * 1024 * 1024): LogDestination {
  let fd = open(path);
  const opened = fstatSync(fd);
  let { size } = opened;
  // A device or a pipe has no size to limit, and the bridge must not rename it.
  const rotateAt = opened.isFile() ? limitBytes : Infinity;

  /** Rotates the log. The old file stays open until the new one is, so that after a fault the log goes on in it. */
  const rotate = () => {
    // Another program (logrotate) may have moved the bridge's file away, and made another in its place.
    if (fileIdentity(path) === fileIdentity(`/proc/self/fd/${fd}`)) renameSync(path, `${path}.1`);
    const old = fd;
    fd = open(path);
    size = fstatSync(fd).size;
    closeSync(old);
  };

  return {
    write(line) {
      // The rotation fails without a free descriptor, without room, or on a read-only file system. Then the file grows until a
      // later rotation succeeds.
      if (size + Buffer.byteLength(line) > rotateAt && size > 0) attempt(rotate);
      // On a full disk the write fails: the bridge loses log lines, never an event.
      size += attempt(() => writeSync(fd, line)) ?? 0;
    },
    close: () => closeSync(fd),
  };
}

/** Opens without blocking the bridge's one thread: a FIFO without a reader is an error, a full FIFO loses lines. */
function open(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o600);
}

const identifier = "nri-v01-bridge";
/** At most this many lines wait for the journal to take them; further lines are lost. */
const mostWaiting = 1000;

/**
 * Opens the systemd journal by its stream socket, which takes lines after a header of seven lines (systemd's stdout protocol:
 * identifier, unit, priority, level prefix, forward to syslog, kmsg, console). The header turns the level prefix on: `<n>` before a
 * line is its severity.
 * @param fallback opens the destination for when the journal cannot be reached or closes the connection; the lines that the journal
 * has not taken go there
 */
export function openJournal(socketPath: string, fallback: () => LogDestination): LogDestination {
  const waiting: string[] = [];
  let instead: LogDestination | undefined;
  // compat: journald shuts down its sending side of each stream at once (journald-stream.c, stdout_stream_install), and
  // continues to read.
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

/** The syslog severity of each of pino's level labels (RFC 5424, 6.2.1). */
const severities = new Map(Object.entries({ fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }));

/**
 * Puts `<n>`, the severity, before a line, as the journal and `logger --prio-prefix` read it. A line without a level counts as
 * info.
 * @param line the log line, in JSON or text, that names the level @param shown the text to write after `<n>`
 */
export function withSeverity(line: string, shown = line): string {
  const [, json, text] = /"level":"([a-z]+)"|^\S* ([A-Z]+) /.exec(line) ?? [];
  return `<${severities.get(json ?? text?.toLowerCase() ?? "info") ?? 6}>${shown}`;
}

/**
 * Whether the journal reads this process's standard error.
 * @param stream the value of JOURNAL_STREAM, where systemd puts the device and inode of the stream that it made
 */
export function isJournalOnStderr(stream: string | undefined): boolean {
  const stats = attempt(() => fstatSync(2));
  return stats !== undefined && stream === `${stats.dev}:${stats.ino}`;
}
