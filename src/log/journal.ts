import { createConnection } from "node:net";
import type { LogDestination } from "./log.js";
import { withSeverity } from "./severity.js";

const identifier = "nri-v01-bridge";
/** Lines kept while the socket is connecting. */
const backlogLimit = 1000;

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
