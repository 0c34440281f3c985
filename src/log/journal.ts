import { createConnection } from "node:net";
import type { LogDestination } from "./log.js";
import { withSeverity } from "./severity.js";

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
