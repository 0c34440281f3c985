import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { endProcess } from "../plugin/processes.js";

const recorded = resolve(import.meta.dirname, "../../fixtures/cases/basic-podnet/bundles");

/**
 * The processes of one pod, and the bundles beside them, as containerd has them: a shim that works in the pod's bundle is the
 * parent of the pause process and of the containers'.
 */
export class PodHost {
  private constructor(
    private readonly bundles: string,
    private readonly created: string[],
    private readonly shim: ChildProcess,
    private readonly lines: Interface,
    /** The pause process's. */
    readonly pid: number,
  ) {}

  /** @param bundles a directory for those of all pods */
  static async start(bundles: string, podId: string): Promise<PodHost> {
    const bundle = makeBundle(bundles, podId, "pod");
    // dash reaps what has ended when it reads the next line, as a shim does sooner or later.
    const shim = spawn("/bin/sh", ["-c", "while sleep 100000 & echo $!; read -r _; do :; done"], {
      cwd: bundle,
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    const lines = createInterface(shim.stdout);
    const [pid] = await once(lines, "line");
    return new PodHost(bundles, [bundle], shim, lines, Number(pid));
  }

  /** Starts the process of a container; gives its pid. */
  async startContainer(): Promise<number> {
    const line = once(this.lines, "line");
    this.shim.stdin?.write("\n");
    const [pid] = await line;
    return Number(pid);
  }

  addContainerBundle(id: string): void {
    this.created.push(makeBundle(this.bundles, id, "ctr"));
  }

  /** Ends all of it. */
  async close(): Promise<void> {
    const ended = once(this.shim, "exit");
    endProcess(-(this.shim.pid ?? 0));
    await ended;
    for (const bundle of this.created) rmSync(bundle, { recursive: true });
  }
}

function makeBundle(bundles: string, id: string, kind: "pod" | "ctr"): string {
  const directory = join(bundles, id);
  mkdirSync(directory, { recursive: true });
  symlinkSync(join(recorded, `${kind}.json`), join(directory, "config.json"));
  return directory;
}
