import pino from "pino";
import type { Log } from "../base/logger.js";
import { LogFunnel } from "./secrets.js";

/** Where finished lines go. */
export interface LogDestination {
  write(line: string): void;
  /** Several at once, where that costs less than one by one. */
  writeAll?(lines: readonly string[]): void;
  /** Lets go of what it holds; nothing is written to it any more. */
  close?(): void;
}

/**
 * What never reaches a log: the conf of a plugin may hold secrets, and so may its environment. Request texts are not
 * logged at all.
 */
const secretPaths = ["conf", "env", "environment", "*.conf", "*.env", "*.environment", "plugins[*].conf"];

/** A logger of JSON lines. @param level the least level that is written @param funnel what each line goes through */
export function createLog(level: string, destination: LogDestination, funnel = new LogFunnel()): Log {
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: "msg",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => ({ ...funnel.mask(fields) }) },
      redact: { paths: secretPaths, censor: "[redacted]" },
    },
    destination,
  );
  return {
    debug: (fields, sentence) => logger.debug(fields, sentence),
    info: (fields, sentence) => logger.info(fields, sentence),
    warn: (fields, sentence) => logger.warn(fields, sentence),
    error: (fields, sentence) => logger.error(fields, sentence),
    conceal: (confs) => funnel.conceal(confs),
  };
}

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
