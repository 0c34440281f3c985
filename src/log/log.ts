import pino from "pino";
import type { Log } from "../logger.js";

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

/** A logger of JSON lines. @param level the least level that is written */
export function createLog(level: string, destination: LogDestination): Log {
  return pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: "msg",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretPaths, censor: "[redacted]" },
    },
    destination,
  );
}
