import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { acceptPlugin, type RuntimeEnd } from "./accept.js";
import type { Place } from "./place.js";

export interface BridgeSettings {
  readonly name: string;
  /** Plugin types of conf.json. */
  readonly plugins: readonly string[];
  /** Settings of the bridge beside those of its place. */
  readonly config?: object;
  /** Flags of Node, such as those of its profiler. */
  readonly nodeFlags?: readonly string[];
  /** Measures it from inside; with so much memory, and with the delays of its event loop. */
  readonly probe?: { readonly ballastMb?: number; readonly loop?: boolean };
}

/** What probe.mjs tells. */
export interface Probed {
  readonly activeMs: number;
  readonly loopBlockedMs: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** The files of a bridge, and how it is started: as its own process, journal on, log to a file. */
export class BridgeProcess {
  readonly socketPath: string;
  private readonly home: string;

  constructor(
    private readonly place: Place,
    private readonly settings: BridgeSettings,
  ) {
    this.home = join(place.directory, settings.name);
    this.socketPath = join(this.home, "nri.sock");
    mkdirSync(this.home, { recursive: true });
    const conf = { version: "0.1", plugins: settings.plugins.map((type) => ({ type, conf: { level: "info" } })) };
    writeFileSync(join(this.home, "conf.json"), JSON.stringify(conf));
    const config = {
      confFile: join(this.home, "conf.json"),
      pluginDirs: [place.binDir],
      socketPath: this.socketPath,
      state: { directory: join(this.home, "state") },
      ...settings.config,
    };
    // JSON is YAML.
    writeFileSync(join(this.home, "bridge.yaml"), JSON.stringify(config));
  }

  start(): ChildProcess {
    const { probe, nodeFlags = [] } = this.settings;
    const log = openSync(join(this.home, "log"), "a");
    const preload = [...nodeFlags, ...(probe === undefined ? [] : ["--import", this.place.probe])];
    return spawn(
      process.execPath,
      [...preload, this.place.program, "run", "--config", join(this.home, "bridge.yaml")],
      {
        stdio: ["ignore", "ignore", log],
        env: {
          PATH: "/usr/bin:/bin",
          ...(probe === undefined ? {} : { BENCH_PROBE: this.probeFile }),
          ...(probe?.ballastMb === undefined ? {} : { BENCH_BALLAST_MB: String(probe.ballastMb) }),
          ...(probe?.loop ? { BENCH_LOOP: "1" } : {}),
        },
      },
    );
  }

  get probeFile(): string {
    return join(this.home, "probe.json");
  }

  log(): string {
    return readFileSync(join(this.home, "log"), "utf8");
  }
}

/** A bridge that is registered with the runtime that we are. */
export class BuiltBridge {
  private constructor(
    readonly end: RuntimeEnd,
    private readonly files: BridgeProcess,
    private readonly child: ChildProcess,
  ) {}

  static async start(place: Place, settings: BridgeSettings): Promise<BuiltBridge> {
    const files = new BridgeProcess(place, settings);
    let child: ChildProcess | undefined;
    try {
      const accepted = await acceptPlugin(files.socketPath, place.driver, () => {
        child = files.start();
        return child;
      });
      return new BuiltBridge(accepted.end, files, accepted.child);
    } catch (error) {
      child?.kill("SIGKILL");
      throw new Error(`${settings.name}: ${error}\n${files.log()}`);
    }
  }

  /** Resident memory in bytes, as the kernel counts it. */
  rss(): number {
    return residentBytes(this.child);
  }

  /** What it says of itself; needs a probe. */
  probe(): Promise<Probed> {
    return readProbe(this.files, this.child);
  }

  log(): string {
    return this.files.log();
  }

  async close(): Promise<void> {
    await endProgram(this.child);
    await this.end.close();
  }
}

export function residentBytes({ pid }: ChildProcess): number {
  const [, kilobytes = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

export async function readProbe({ probeFile }: BridgeProcess, child: ChildProcess): Promise<Probed> {
  rmSync(probeFile, { force: true });
  child.kill("SIGUSR2");
  while (!existsSync(probeFile)) await sleep(5);
  return JSON.parse(readFileSync(probeFile, "utf8"));
}

export async function endProgram(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
