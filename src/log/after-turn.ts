import type { LogDestination } from "./log.js";

/**
 * Lines are formatted and written when what is at hand is done: no answer to the runtime waits for its log. They go out
 * before the event loop turns to what comes next, and at an exit; only a kill -9 in the midst of an event costs its lines.
 */
export function afterTurn(to: LogDestination): LogDestination {
  const lines: string[] = [];
  const writeAll = () => {
    const all = lines.splice(0);
    if (to.writeAll !== undefined) to.writeAll(all);
    else for (const line of all) to.write(line);
  };
  process.on("exit", writeAll);
  return {
    write(line) {
      if (lines.push(line) === 1) setImmediate(writeAll);
    },
    close() {
      writeAll();
      process.off("exit", writeAll);
      to.close?.();
    },
  };
}
