import pino from "pino";
import { fileFault } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { isJournalOnStderr, openLogDestination, withSeverity } from "./log-destination.js";
import { formatTextLine } from "./log-text.js";
import { LogFunnel } from "./secrets.js";

export interface LogDestination {
  write(line: string): void;
  /** Releases the file or socket; the caller writes nothing afterwards. */
  close?(): void;
}

/** Log fields that pino redacts, since they may hold a plugin's secrets. The bridge never logs a request's text. */
const secretPaths = ["conf", "env", "environment", "*.conf", "*.env", "*.environment", "plugins[*].conf"];

/**
 * A logger of JSON lines.
 * @param level the lowest level that is written
 * @param funnel masks secrets in each line's fields
 */
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
  return Object.assign(logger, { conceal: funnel.conceal.bind(funnel) });
}

/**
 * Delays lines to the end of the event loop's turn, so that no answer to the runtime waits for the log. An exit writes the lines
 * that still wait; SIGKILL may lose them.
 */
export function afterTurn(to: LogDestination): LogDestination {
  const lines: string[] = [];
  const writeAll = () => {
    for (const line of lines.splice(0)) to.write(line);
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

interface LogSettings {
  readonly level: string;
  readonly format: "json" | "text";
  readonly output: string;
}

/** The log of a bridge. Its settings may become known, and may change, while the bridge runs. */
export interface NodeLog extends Log {
  /** Applies level, format and output to all further lines. Lines logged before the first call wait for it. */
  use(settings: LogSettings): void;
  /** Whether `use` has been called. */
  readonly inUse: boolean;
  /** The latest error, or warning with an `error` field, at any `log.level`; null before the first. `at` is in ISO 8601. */
  readonly lastFailure: { readonly at: string; readonly text: string } | null;
  /** A text for another place than the log, with its secrets masked as in a line of the log. */
  masked(text: string): string;
}

type Level = "debug" | "info" | "warn" | "error";
type Environment = Readonly<Record<string, string | undefined>>;

/** @param open opens the destination that `log.output` names */
export function createNodeLog(environment: Environment, open = openLogDestination): NodeLog {
  const early: [Level, object, string][] = [];
  const wait = (level: Level) => (fields: object, sentence: string) => void early.push([level, fields, sentence]);
  const funnel = new LogFunnel();
  let current: Omit<Log, "conceal"> = {
    ...{ debug: wait("debug"), info: wait("info"), warn: wait("warn"), error: wait("error") },
  };
  let close = () => {};
  let used = "";
  let failure: { readonly at: number; readonly fields: object; readonly sentence: string } | undefined;
  return {
    debug: (fields, sentence) => current.debug(fields, sentence),
    info: (fields, sentence) => current.info(fields, sentence),
    warn(fields, sentence) {
      if ("error" in fields && fields.error !== undefined) failure = { at: Date.now(), fields, sentence };
      current.warn(fields, sentence);
    },
    error(fields, sentence) {
      failure = { at: Date.now(), fields, sentence };
      current.error(fields, sentence);
    },
    conceal: (confs) => funnel.conceal(confs),
    get lastFailure() {
      if (failure === undefined) return null;
      const { error } = { error: "", ...funnel.mask(failure.fields) };
      return { at: new Date(failure.at).toISOString(), text: [failure.sentence, error || []].flat().join(": ") };
    },
    masked: (text) => String(funnel.mask({ error: text }).error),
    get inUse() {
      return used !== "";
    },
    use(settings) {
      const asked = JSON.stringify(settings);
      if (asked === used) return;
      if (used !== "") current.info({ output: settings.output }, "the log continues with new settings");
      used = asked;
      const closeOld = close;
      const opened = openDestination(settings, environment, open);
      const { destination, fault } = opened;
      current = createLog(settings.level, destination, funnel);
      close = () => destination.close?.();
      closeOld();
      for (const [level, fields, sentence] of early.splice(0)) current[level](fields, sentence);
      if (fault !== undefined)
        current.error({ output: settings.output, error: fault }, "the bridge cannot log to this output, and uses auto");
    },
  };
}

/** Opens a log with settings that are already known. */
export function openLog(settings: LogSettings, environment: Environment): Log {
  const log = createNodeLog(environment);
  log.use(settings);
  return log;
}

/** Opens `settings.output`. When that fails, opens `auto` instead, and gives the reason as `fault`. */
function openDestination(settings: LogSettings, environment: Environment, open: (output: string) => LogDestination) {
  const { format } = settings;
  let { output } = settings;
  let fault: string | undefined;
  let opened: LogDestination;
  try {
    opened = open(output);
  } catch (error) {
    fault = fileFault(error);
    output = "auto";
    opened = open(output);
  }
  // Lines in a file keep their time and level: the journal does not read them.
  const forJournal = !output.startsWith("/") && isJournalOnStderr(environment.JOURNAL_STREAM);
  const looks = (line: string) => (format === "json" ? line : `${formatTextLine(line.trimEnd(), forJournal)}\n`);
  const write = (line: string) => opened.write(forJournal ? withSeverity(line, looks(line)) : looks(line));
  return { destination: afterTurn({ write, close: () => opened.close?.() }), fault };
}
