import { createConnection } from "node:net";
import type { LogDestination } from "./log.js";

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
