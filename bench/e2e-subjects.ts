import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Daemon } from "../test/e2e/testbed/daemon.js";
import { adapterConfFile, startGoAdapter } from "../test/e2e/testbed/go-adapter.js";
import type { RuntimeName, Testbed } from "../test/e2e/testbed/packages.js";
import { PodLife } from "../test/e2e/testbed/pod-life.js";
import { confOf } from "../test/e2e/testbed/scenario.js";
import { bridgeConfFile, startTarget } from "../test/e2e/testbed/target.js";
import { installTiny } from "./floor.js";
import type { Candidate } from "./measure.js";

/** Who runs the plugins: the runtime itself, the bridge, the Go adapter; or nobody, since there are none. */
export type Runner = "nobody" | "the runtime" | "the bridge" | "the Go adapter";

/** One daemon to measure. */
export interface Subject {
  readonly runtime: RuntimeName;
  readonly runner: Runner;
}

const confFiles = {
  nobody: undefined,
  "the runtime": "/etc/nri/conf.json",
  "the bridge": bridgeConfFile,
  "the Go adapter": adapterConfFile,
} as const satisfies Record<Runner, string | undefined>;

/**
 * A daemon as a candidate: each sample is the start of a new container in one pod, from the CRI call to its answer. The
 * container before is stopped and removed, and the next one created, off the clock.
 */
export class ContainerStarts implements Candidate {
  private next = "";
  private count = 0;

  private constructor(
    readonly name: string,
    readonly subject: Subject,
    readonly daemon: Daemon,
    private readonly life: PodLife,
    private readonly pod: string,
  ) {}

  /** @param adapter the Go adapter's executable, where it is the one to run plugins */
  static async open(testbed: Testbed, subject: Subject, plugins: number, adapter = ""): Promise<ContainerStarts> {
    const { runtime, runner } = subject;
    const confFile = confFiles[runner];
    const daemon = await startDaemon(testbed, subject);
    try {
      await copyFile(installTiny(daemon.directory), daemon.path("/opt/nri/bin/tiny"));
      const life = new PodLife(daemon, confFile ?? "", "");
      if (confFile !== undefined) {
        await mkdir(dirname(daemon.path(confFile)), { recursive: true });
        await life.writeConf(confOf(...new Array<string>(plugins).fill("tiny")));
      }
      if (runner === "the Go adapter") await startGoAdapter(daemon, adapter);
      const who = runner === "nobody" ? "no plugin" : `plugins run by ${runner}`;
      const name = `containerd ${testbed.runtimes[runtime].version}, ${who}`;
      const starts = new ContainerStarts(name, subject, daemon, life, await life.runPod({ number: 1 }));
      await starts.create();
      if (confFile !== undefined) await starts.mustRunPlugins();
      return starts;
    } catch (thrown) {
      await daemon.stop();
      throw thrown;
    }
  }

  async run(): Promise<number> {
    const began = performance.now();
    await this.life.start(this.next);
    return (performance.now() - began) * 1000;
  }

  async settle(): Promise<void> {
    await this.life.stop(this.next);
    await this.life.remove(this.next);
    await this.create();
    const [failed] = this.life.failedCalls;
    if (failed !== undefined) throw new Error(`${this.name}: ${failed.method}: ${failed.details}`);
  }

  /** A plugin that is nowhere fails a start: where it does not, no plugin runs, and there is nothing to measure. */
  private async mustRunPlugins(): Promise<void> {
    const conf = await readFile(this.daemon.path(this.life.confFile), "utf8");
    await this.life.writeConf(confOf("nowhere"));
    await this.life.start(this.next);
    if (this.life.failedCalls.splice(0).length === 0) throw new Error(`${this.name}: no plugin is run`);
    await this.life.writeConf(conf);
    await this.settle();
  }

  private async create(): Promise<void> {
    this.count++;
    this.next = await this.life.create(this.pod, { attempt: this.count });
  }
}

async function startDaemon(testbed: Testbed, { runtime, runner }: Subject): Promise<Daemon> {
  if (runner !== "the bridge") return await Daemon.start(testbed, runtime);
  if (runtime === "native") throw new Error("containerd 1.6 has no NRI v2, which the bridge needs");
  // As users run it: the end-to-end tests look at its debug log.
  const target = { runtime, mode: "external" } as const;
  return (await startTarget(testbed, target, { bridge: { config: "" } })).daemon;
}
