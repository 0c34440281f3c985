import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BridgeError } from "../base/errors.js";
import { type Log, silentLog } from "../base/logger.js";
import type { StubEnd } from "../nri/stub.js";
import type { CallWatcher } from "../nri/watch-calls.js";
import { createStarter, type Starter } from "../plugin/start.js";
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

const endCodes = {
  aborted: exitCodes.done,
  shutdown: exitCodes.done,
  "connect-failed": exitCodes.cannotConnect,
  refused: exitCodes.refused,
  misconfigured: exitCodes.usage,
  lost: exitCodes.connectionLost,
} as const satisfies Record<StubEnd["kind"], ExitCode>;

/** Logs how a registration ended, and gives the exit code. */
export function logEnd(log: Log, end: StubEnd): ExitCode {
  const fields = { end: end.kind, ...("error" in end ? { error: end.error?.message } : {}) };
  const code = endCodes[end.kind];
  if (code === exitCodes.done) log.info(fields, "stopped");
  else log.error(fields, "stopped");
  return code;
}

/** Calls these on their signals. @returns what ends that */
export function onSignals(listeners: Readonly<Record<string, () => void>>): () => void {
  const pairs = Object.entries(listeners);
  for (const [signal, listener] of pairs) process.on(signal, listener);
  return () => {
    for (const [signal, listener] of pairs) process.off(signal, listener);
  };
}

/** What can end a verb before its time, and the exit code then: a shell's for a signal. A reader that is gone has what it wanted. */
const interruptions = {
  SIGHUP: exitCodes.hungUp,
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  EPIPE: exitCodes.done,
} as const satisfies Record<string, ExitCode>;

type Interruption = keyof typeof interruptions;

const signals = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * Does the work of a verb that makes temporary files and starts plugins: what interrupts it aborts the signal, whose reason
 * the work is to throw when it has cleaned up. A second signal ends the process as ever.
 */
export async function untilInterrupted<Value>(
  io: CliIo,
  work: (interrupted: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const controller = new AbortController();
  const interrupt = (by: Interruption) => controller.abort(new BridgeError("INTERRUPTED", by));
  const onGone = () => interrupt("EPIPE");
  for (const signal of signals) process.once(signal, interrupt);
  io.readerGone?.addEventListener("abort", onGone);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
    io.readerGone?.removeEventListener("abort", onGone);
  }
}

/** What a verb has that runs plugins. */
export interface Workplace {
  /** Starts plugins as the bridge on a node does; an interruption ends those that run. */
  readonly spawner: Starter;
  readonly interrupted: AbortSignal;
  /** A folder that is removed afterwards. */
  readonly scratch: string;
}

/** The same for the work of a verb that runs plugins: none of them and no file is left. */
export function withPlugins<Value>(io: CliIo, work: (workplace: Workplace) => Promise<Value>): Promise<Value> {
  return untilInterrupted(io, async (interrupted) => {
    const scratch = mkdtempSync(join(tmpdir(), "nri-v01-bridge-"));
    const spawner = createStarter(silentLog, { signal: interrupted });
    try {
      return await work({ spawner, interrupted, scratch });
    } finally {
      await spawner.close();
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

/** The exit code of an interruption that was thrown. */
export function interruptedCode({ message }: BridgeError): ExitCode {
  return Object.entries(interruptions).find(([by]) => by === message)?.[1] ?? exitCodes.interrupted;
}
