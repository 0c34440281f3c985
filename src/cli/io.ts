import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BridgeError } from "../base/errors.js";
import { type Log, silentLog } from "../base/logger.js";
import type { StubEnd } from "../nri/stub.js";
import type { CallWatcher } from "../nri/watch-calls.js";
import { createStarter, type Starter } from "../plugin/start.js";
import type { Launched } from "./launched.js";

/** The parts of the process that a verb may use; a test passes its own. */
export interface CliIo {
  readonly args: readonly string[];
  /** The name of the bridge's own file: `NN-name` where a runtime launched it. */
  readonly fileName: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Sets V8's flags for a process that only runs the bridge; absent in a process that is also used for something else. */
  tuneEngine?(): CallWatcher;
  /** Aborted when the reader of stdout has closed the pipe, as `| head` does. */
  readonly readerGone?: AbortSignal;
  stdout(text: string): void;
  stderr(text: string): void;
  /** The bridge's registration, where the runtime launched it. */
  readonly launched?: Launched | undefined;
}

export const exitCodes = {
  done: 0,
  faults: 1,
  usage: 2,
  cannotConnect: 3,
  refused: 4,
  /** The connection to the runtime was lost in launched mode or with --once; otherwise the bridge connects again. */
  connectionLost: 5,
  /** An error of the bridge itself. */
  internal: 70,
  /** As a shell reports a process that SIGHUP, SIGINT or SIGTERM ended: 128 + the signal's number. */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const satisfies Record<string, number>;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const endCodes = {
  aborted: exitCodes.done,
  shutdown: exitCodes.done,
  "connect-failed": exitCodes.cannotConnect,
  refused: exitCodes.refused,
  misconfigured: exitCodes.usage,
  lost: exitCodes.connectionLost,
} as const satisfies Record<StubEnd["kind"], ExitCode>;

/** Logs why the connection to the runtime ended, and gives the exit code. */
export function logEnd(log: Log, end: StubEnd): ExitCode {
  const fields = { end: end.kind, ...("error" in end ? { error: end.error?.message } : {}) };
  const code = endCodes[end.kind];
  if (code === exitCodes.done) log.info(fields, "nri-v01-bridge stopped");
  else log.error(fields, "nri-v01-bridge stopped");
  return code;
}

/** Calls each listener on the signal that is its key. @returns a function that removes the listeners */
export function onSignals(listeners: Readonly<Record<string, () => void>>): () => void {
  const pairs = Object.entries(listeners);
  for (const [signal, listener] of pairs) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of pairs) process.off(signal, listener);
  };
}

/** The signals that interrupt a verb, and the verb's exit code for each. */
const signalCodes = {
  SIGHUP: exitCodes.hungUp,
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
} as const satisfies Record<string, ExitCode>;

/** The exit code for an INTERRUPTED error; `done` where stdout's reader closed the pipe, since it has what it wanted. */
export function interruptedCode({ message }: BridgeError): ExitCode {
  return Object.entries(signalCodes).find(([signal]) => signal === message)?.[1] ?? exitCodes.done;
}

export interface Workplace {
  /** Starts plugins as the bridge on a node does; an interruption ends the plugins that run. */
  readonly spawner: Starter;
  /** Aborted by an interruption; the verb cleans up, then throws the signal's reason. */
  readonly interrupted: AbortSignal;
  /** A temporary folder; `withPlugins` removes it afterwards. */
  readonly scratch: string;
}

/**
 * Runs work that needs plugins and temporary files, and leaves neither behind, even when interrupted. A second signal ends the
 * process at once, as by default.
 */
export async function withPlugins<Value>(io: CliIo, work: (workplace: Workplace) => Promise<Value>): Promise<Value> {
  const controller = new AbortController();
  const { signal: interrupted } = controller;
  const interrupt = (by: string) => {
    stopListening();
    controller.abort(new BridgeError("INTERRUPTED", by));
  };
  const signals = Object.keys(signalCodes).map((name) => [name, () => interrupt(name)] as const);
  const stopListening = onSignals(Object.fromEntries(signals));
  io.readerGone?.addEventListener("abort", () => interrupt("EPIPE"), { signal: interrupted });
  const scratch = mkdtempSync(join(tmpdir(), "nri-v01-bridge-"));
  const spawner = createStarter(silentLog, { signal: interrupted });
  try {
    return await work({ spawner, interrupted, scratch });
  } finally {
    stopListening();
    await spawner.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}
