import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ContainerEvent } from "../src/nri/events.js";
import { recordedEvents } from "../test/support/recorded-events.js";

/** The recorded case whose events are played. */
const fixture = resolve("fixtures/cases/basic-podnet");

/** Starts and ends processes as a shim does, one line for each on its stdin. */
const shimScript = `
while read -r what pid; do
  if [ "$what" = start ]; then sleep 100000 & echo $!; else kill "$pid"; wait "$pid" 2>/dev/null; echo "$pid"; fi
done`;

/**
 * Containers as a runtime has them: recorded events with an id of its own for each, a process of its own that lives until
 * the container is stopped, in the cgroup that the event names, where this machine has us in one, and a bundle where the
 * bridge looks for it, below the working directory of the process's parent.
 */
export class Containers {
  private count = 0;
  private readonly answers: AsyncIterator<string>;

  private constructor(
    private readonly event: ContainerEvent,
    private readonly bundles: string,
    private readonly shim: ChildProcessByStdio<Writable, Readable, null>,
  ) {
    this.answers = createInterface(shim.stdout)[Symbol.asyncIterator]();
  }

  static async open(directory: string): Promise<Containers> {
    const bundles = join(directory, "bundles");
    const { pod, container } = recordedEvents("basic-podnet", "StartContainer");
    for (const id of [pod.id, "shared"]) mkdirSync(join(bundles, id), { recursive: true });
    const recordedPath = container.linux?.cgroupsPath ?? "";
    const cgroupsPath = ownCgroup() ?? recordedPath;
    for (const [name, id] of Object.entries({ pod: pod.id, ctr: "shared" })) {
      const config = readFileSync(join(fixture, "bundles", `${name}.json`), "utf8");
      writeFileSync(join(bundles, id, "config.json"), config.replace(recordedPath, cgroupsPath));
    }
    if (container.linux !== undefined) container.linux.cgroupsPath = cgroupsPath;
    const shim = spawn("/bin/sh", ["-c", shimScript], {
      cwd: join(bundles, pod.id),
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    const containers = new Containers({ name: "StartContainer", pod, container }, bundles, shim);
    pod.pid = await containers.ask("start");
    return containers;
  }

  /** The next container, before it is started. */
  async next(): Promise<ContainerEvent> {
    this.count += 1;
    const id = this.count.toString(16).padStart(64, "0");
    symlinkSync("shared", join(this.bundles, id));
    const { container } = this.event;
    return { ...this.event, container: { ...container, id, pid: await this.ask("start") } };
  }

  /** Its process ends: what a runtime sees to before it says that a container is stopped. */
  async stop({ container }: ContainerEvent): Promise<void> {
    await this.ask(`stop ${container.pid}`);
  }

  gone({ container }: ContainerEvent): void {
    rmSync(join(this.bundles, container.id));
  }

  close(): void {
    if (this.shim.pid !== undefined) process.kill(-this.shim.pid);
  }

  /** Gives a pid. Questions of several are answered in their order. */
  private async ask(question: string): Promise<number> {
    this.shim.stdin.write(`${question}\n`);
    const { value } = await this.answers.next();
    return Number(value);
  }
}

/** A cgroup that we are in and that is not the root; undefined where there is none. */
function ownCgroup(): string | undefined {
  const lines = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  return lines.map((line) => line.split(":").slice(2).join(":")).find((path) => path !== "/" && path !== "");
}
