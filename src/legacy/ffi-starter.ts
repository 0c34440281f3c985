import { closeSync } from "node:fs";

import { errorText } from "../errors.js";
import type { PosixSpawn, PosixSpawned } from "../ffi/posix-spawn.js";
import { FfiProcess } from "./ffi-process.js";
import { errorCode } from "./go-errors.js";
import { closePolledPipes, openPolledPipes, type PolledPipes } from "./polled-ends.js";
import type { PolledParts } from "./polled-output.js";
import type { SpawnCommand } from "./spawner.js";
import type { ProcessStarter, Start } from "./started-process.js";

/** Starts processes by posix_spawn(3), each on new pipes. */
export class FfiStarter implements ProcessStarter {
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
