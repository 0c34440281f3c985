import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { decodeEvent } from "../../src/nri/event-request.js";
import type { ContainerEvent } from "../../src/nri/types.js";

/**
 * Containers as a runtime has them: recorded events with an id of its own for each, a living process, and a bundle where
 * the bridge looks for it, below the working directory of the process's parent.
 */
export class Containers {
  private count = 0;

  private constructor(
    private readonly recorded: ContainerEvent,
    private readonly bundles: string,
    private readonly shim: ChildProcess,
    private readonly pid: number,
  ) {}

  /** @param fixture the folder of a recorded case */
  static async open(fixture: string, directory: string): Promise<Containers> {
    const bundles = join(directory, "bundles");
    for (const [name, id] of [
      ["pod", "pod"],
      ["ctr", "shared"],
    ] as const) {
      mkdirSync(join(bundles, id), { recursive: true });
      cpSync(join(fixture, "bundles", `${name}.json`), join(bundles, id, "config.json"));
    }
    const shim = spawn("/bin/sh", ["-c", "sleep 100000 & echo $!; wait"], {
      cwd: join(bundles, "pod"),
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    const [line] = await once(shim.stdout, "data");
    return new Containers(recordedStart(fixture), bundles, shim, Number(String(line)));
  }

  /** The next container, before it is started. */
  next(): ContainerEvent {
    this.count += 1;
    const id = this.count.toString(16).padStart(64, "0");
    symlinkSync("shared", join(this.bundles, id));
    const { pod, container } = this.recorded;
    return { pod: { ...pod, pid: this.pid }, container: { ...container, id, pid: this.pid } };
  }

  gone({ container }: ContainerEvent): void {
    rmSync(join(this.bundles, container.id));
  }

  close(): void {
    if (this.shim.pid !== undefined) process.kill(-this.shim.pid);
  }
}

function recordedStart(fixture: string): ContainerEvent {
  for (const line of readFileSync(join(fixture, "events.jsonl"), "utf8").trim().split("\n")) {
    const { method, payloadBase64 }: { method: string; payloadBase64: string } = JSON.parse(line);
    const event = decodeEvent(method, Buffer.from(payloadBase64, "base64"));
    if (event?.name === "StartContainer") return event;
  }
  throw new Error(`${fixture} holds no StartContainer`);
}
