import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BridgeError } from "../base/errors.js";
import { silentLog } from "../base/logger.js";
import { createStarter, type Starter } from "../plugin/start.js";
import { type CliIo, type ExitCode, exitCodes } from "./io.js";

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
