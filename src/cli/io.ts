import type { Log } from "../base/logger.js";
import type { StubEnd } from "../nri/stub.js";
import type { CallWatcher } from "../nri/watch-calls.js";
import type { Launched } from "./launched.js";

/** What a verb may use of the process; a test gives its own. */
export interface CliIo {
  /** What follows the program's name. */
  readonly args: readonly string[];
  /** The name of our own file: `NN-name` where a runtime launched it. */
  readonly fileName: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Sets V8 up for a process that is a bridge and nothing else; absent where it is not ours alone. */
  tuneEngine?(): CallWatcher;
  /** Aborted when the reader of stdout has gone, as after `| head`. */
  readonly readerGone?: AbortSignal;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Our registration, where the runtime launched us. */
  readonly launched?: Launched | undefined;
}

/** The exit codes of all verbs. */
export const exitCodes = {
  done: 0,
  /** The thing looked at has faults. */
  faults: 1,
  usage: 2,
  cannotConnect: 3,
  refused: 4,
  /** In launched mode, or with --once. */
  connectionLost: 5,
  /** A fault of our own. */
  internal: 70,
  /** As a shell has it for a process that SIGHUP, SIGINT or SIGTERM ended. */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const satisfies Record<string, number>;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export function exitCodeOf(end: StubEnd): ExitCode {
  const codes = {
    aborted: exitCodes.done,
    shutdown: exitCodes.done,
    "connect-failed": exitCodes.cannotConnect,
    refused: exitCodes.refused,
    misconfigured: exitCodes.usage,
    lost: exitCodes.connectionLost,
  } as const satisfies Record<StubEnd["kind"], ExitCode>;
  return codes[end.kind];
}

export function logEnd(log: Log, end: StubEnd): void {
  const fields = { end: end.kind, ...("error" in end ? { error: end.error?.message } : {}) };
  if (end.kind === "aborted" || end.kind === "shutdown") log.info(fields, "stopped");
  else log.error(fields, "stopped");
}

/** Calls these on their signals. @returns what ends that */
export function onSignals(listeners: Readonly<Record<string, () => void>>): () => void {
  const pairs = Object.entries(listeners);
  for (const [signal, listener] of pairs) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of pairs) process.off(signal, listener);
  };
}
