import { createConnection } from "node:net";
import type { LogDestination } from "./log.js";

const identifier = "nri-v01-bridge";
/** Lines kept while the socket is connecting. */
const backlogLimit = 1000;

/** syslog's severities for pino's level labels (RFC 5424, 6.2.1). */
const severities = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 } as const satisfies Record<
  string,
  number
>;

/**
 * The journal, by its stream socket, which takes plain lines after a header of seven (systemd's stdout protocol:
 * identifier, unit, priority, level prefix, forward to syslog, kmsg, console). With level prefix on, `<n>` before a line
 * is its severity.
 *
 * @param fallback opened when the journal cannot be reached, or goes away
 */
export function openJournal(socketPath: string, fallback: () => LogDestination): LogDestination {
  const backlog: string[] = [];
  let connected = false;
  let instead: LogDestination | undefined;
  const socket = createConnection(socketPath);
  socket.unref();
  socket.on("connect", () => {
    connected = true;
    socket.write(`${identifier}\n\n6\n1\n0\n0\n0\n${backlog.splice(0).join("")}`);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    connected = false;
    instead = fallback();
    for (const line of backlog.splice(0)) instead.write(line);
  });
  return {
    write(line) {
      if (instead !== undefined) instead.write(line);
      else if (connected) socket.write(withSeverity(line));
      else if (backlog.length < backlogLimit) backlog.push(withSeverity(line));
    },
  };
}

/** A line as the journal and syslog's `logger --prio-prefix` read it. */
export function withSeverity(line: string): string {
  const label = /"level":"([a-z]+)"/.exec(line)?.[1] ?? "info";
  const severity = Object.entries(severities).find(([name]) => name === label)?.[1] ?? severities.info;
  return `<${severity}>${line}`;
}
