import { closeSync } from "node:fs";

import type { PosixSpawn } from "../ffi/posix-spawn.js";
import { retryWhileBusy } from "./busy-file.js";
import { FfiProcess } from "./ffi-process.js";
import { errorCode } from "./go-errors.js";
import { openPolledPipes, type PolledPipes } from "./polled-ends.js";
import type { PolledParts } from "./polled-output.js";
import type { SpawnCommand } from "./spawner.js";
import type { ProcessStarter, Start, StartDeadlines } from "./started-process.js";

/** Starts processes by posix_spawn(3), each on new pipes. */
export class FfiStarter implements ProcessStarter {
  readonly name = "ffi";

  constructor(
    private readonly posix: PosixSpawn,
    private readonly parts: PolledParts,
  ) {}

  async start(command: SpawnCommand, request: Uint8Array | null, deadlines: StartDeadlines): Promise<Start> {
    let pipes: PolledPipes;
    try {
      pipes = openPolledPipes(this.parts, request);
    } catch (thrown) {
      const code = errorCode(thrown);
      return { started: false, error: { code, detail: `no pipes for its stdio: ${code}` } };
    }
    const { ends, pluginEnds } = pipes;
    const spawned = await retryWhileBusy(() => this.posix.spawn(command, pluginEnds), deadlines.terminateAt);
    // While we hold them, nobody sees the end of the data.
    for (const descriptor of pluginEnds) closeSync(descriptor);
    if (spawned.pid !== undefined) return { started: true, process: new FfiProcess(spawned.pid, ends, this.parts) };
    ends.close();
    return { started: false, error: { code: spawned.code } };
  }

  close(): void {
    this.parts.events.close();
  }
}
