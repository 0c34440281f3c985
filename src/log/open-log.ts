import type { Log } from "../logger.js";
import { afterTurn } from "./after-turn.js";
import { openLogDestination } from "./destination.js";
import { createLog } from "./log.js";
import { createTextDestination, textOptionsFor } from "./text.js";

/** The settings under `log`. */
export interface LogSettings {
  readonly level: string;
  readonly format: "json" | "text";
  readonly output: string;
}

/** Opens the log as it is configured: where it goes, and how its lines look there. */
export function openLog(
  { level, format, output }: LogSettings,
  environment: Readonly<Record<string, string | undefined>>,
): Log {
  const destination = openLogDestination(output);
  if (format === "json") return createLog(level, afterTurn(destination));
  const isTerminal = !output.startsWith("/") && process.stderr.isTTY === true;
  const onStderr = textOptionsFor(environment, isTerminal);
  // A file has no journal that would add the time.
  const options = output.startsWith("/") ? { ...onStderr, forJournal: false } : onStderr;
  return createLog(level, afterTurn(createTextDestination(destination, options)));
}
