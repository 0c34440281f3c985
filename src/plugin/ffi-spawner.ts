import { closeSync } from "node:fs";

import { errorText } from "../base/errors.js";
import { EventPoll } from "../host/event-poll.js";
import type { Native } from "../host/native.js";
import { FfiProcess } from "./ffi-process.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors, startingOpenFilesLimit } from "./inherited.js";
import { closePolledPipes, openPolledPipes, type PolledPipes } from "./polled-ends.js";
import type { PolledParts } from "./polled-output.js";
import { type OpenFilesLimit, PosixSpawn, type PosixSpawned } from "./posix-spawn.js";
import { ProcessSpawner } from "./process-spawner.js";
import type { SpawnCommand, Spawner } from "./spawner.js";
import type { ProcessStarter, Start } from "./started-process.js";
import type { RunningProcess } from "./supervise.js";

/** As much as a pipe holds. */
const scratchBytes = 1 << 16;

/**
 * The fast spawner: posix_spawn(3) through an FFI library. Nothing of it grows with our memory, and nothing of it waits:
 * the ends of processes and their output come to the event loop by descriptors.
 *
 * Processes lead a group of their own, as those of the portable spawner do: a terminal's signals are for us, and we end the
 * group.
 *
 * @param openFiles what plugins get; undefined for what we have ourselves
 * @param onStart told of each process as soon as it is there
 * @param onCrowded told of each whose background children are not read from any more, so that few descriptors are held
 * @throws Error when the system gives no epoll descriptor
 */
export function createFfiSpawner(
  { koffi, libc }: Native,
  openFiles: OpenFilesLimit | undefined = startingOpenFilesLimit(),
  onStart?: (process: RunningProcess) => void,
  onCrowded?: (pid: number, most: number) => void,
): Spawner {
  // Where the C library can, each child closes what it is not to have.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  const parts = {
    libc,
    events: new EventPoll(koffi, libc),
    scratch: Buffer.alloc(scratchBytes),
    status: new Int32Array(1),
  };
  return new ProcessSpawner(new FfiStarter(new PosixSpawn(libc, openFiles), parts), onStart, onCrowded);
}

/** Starts processes by posix_spawn(3), each on new pipes. */
class FfiStarter implements ProcessStarter {
  readonly name = "ffi";
  /** The pipes of the next process, made while the one before it runs: that time is nobody's. */
  private spare: PolledPipes | undefined;
  private refill: NodeJS.Immediate | undefined;

  constructor(
    private readonly posix: PosixSpawn,
    private readonly parts: PolledParts,
  ) {}

  start(command: SpawnCommand, request: Uint8Array | null): Start {
    let pipes: PolledPipes | undefined;
    try {
      pipes = this.takePipes();
      // A request that is known lies in its pipe before there is a process.
      if (request !== null) pipes.ends.send(request);
    } catch (thrown) {
      if (pipes !== undefined) closePolledPipes(pipes);
      const code = errorCode(thrown);
      return { started: false, error: { code, detail: `no pipes for its stdio: ${code}` } };
    }
    const { ends, pluginEnds } = pipes;
    let spawned: PosixSpawned;
    try {
      spawned = this.posix.spawn(command, pluginEnds);
    } catch (thrown) {
      closePolledPipes(pipes);
      return { started: false, error: { code: errorCode(thrown), detail: `posix_spawn: ${errorText(thrown)}` } };
    }
    if (spawned.pid === undefined) {
      closePolledPipes(pipes);
      return { started: false, error: { code: spawned.code } };
    }
    // While we hold them, nobody sees the end of the data.
    for (const descriptor of pluginEnds) closeSync(descriptor);
    this.refill ??= setImmediate(() => this.makeSpare());
    return { started: true, process: new FfiProcess(spawned.pid, ends, this.parts) };
  }

  close(): void {
    clearImmediate(this.refill);
    if (this.spare !== undefined) closePolledPipes(this.spare);
    this.spare = undefined;
    this.parts.events.close();
  }

  private takePipes(): PolledPipes {
    const { spare } = this;
    this.spare = undefined;
    return spare ?? openPolledPipes(this.parts);
  }

  private makeSpare(): void {
    this.refill = undefined;
    try {
      this.spare ??= openPolledPipes(this.parts);
    } catch {
      // The next process that needs them says what is wrong.
    }
  }
}
