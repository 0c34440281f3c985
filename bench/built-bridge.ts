import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RegisteredPlugin } from "./accept.js";
import type { Artefact, Place } from "./place.js";

export interface BridgeSettings {
  readonly name: string;
  /** Plugin types of conf.json. */
  readonly plugins: readonly string[];
  /** Settings of the bridge beside those of its place. */
  readonly config?: object;
  /** What is started; the bundle on this Node when not given. */
  readonly artefact?: Artefact;
  /** Flags of Node, such as those of its profiler. */
  readonly nodeFlags?: readonly string[];
  /** Measures it from inside; with so much memory, and with the delays of its event loop. */
  readonly probe?: { readonly ballastMb?: number; readonly loop?: boolean };
}

/** What probe.mjs tells. */
export interface Probed {
  readonly activeMs: number;
  readonly loopBlockedMs: number;
  readonly heapUsed: number;
}

/** conf.json as all are measured with. */
export function formatConf(plugins: readonly string[]): string {
  return JSON.stringify({ version: "0.1", plugins: plugins.map((type) => ({ type, conf: { level: "info" } })) });
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
    this.socketPath = this.path("nri.sock");
    mkdirSync(this.home, { recursive: true });
    writeFileSync(this.path("conf.json"), formatConf(settings.plugins));
    const config = {
      confFile: this.path("conf.json"),
      pluginDirs: [place.binDir],
      socketPath: this.socketPath,
      state: { directory: this.path("state") },
      ...settings.config,
    };
    // JSON is YAML.
    writeFileSync(this.path("bridge.yaml"), JSON.stringify(config));
  }

  start(): ChildProcess {
    const { probe, nodeFlags = [] } = this.settings;
    const preload = probe === undefined ? [] : ["--import", this.place.probe];
    const { artefact = this.place.artefacts[0] } = this.settings;
    const program = artefact?.program === undefined ? [] : [artefact.program];
    const args = [...nodeFlags, ...preload, ...program, "run", "--config", this.path("bridge.yaml")];
    return spawn(artefact?.node ?? process.execPath, args, {
      stdio: ["ignore", "ignore", openSync(this.path("log"), "a")],
      env: {
        PATH: "/usr/bin:/bin",
        ...(probe && { BENCH_PROBE: this.path("probe.json"), BENCH_BALLAST_MB: String(probe.ballastMb ?? 0) }),
        ...(probe?.loop && { BENCH_LOOP: "1" }),
      },
    });
  }

  /** Starts it, and registers it with the runtime that we are. */
  accept(): Promise<RegisteredPlugin> {
    return RegisteredPlugin.accept(this.socketPath, this.place.driver, this.path("log"), () => this.start());
  }

  /** What it says of itself; needs a probe. */
  async probe(child: ChildProcess): Promise<Probed> {
    const file = this.path("probe.json");
    rmSync(file, { force: true });
    child.kill("SIGUSR2");
    while (!existsSync(file)) await sleep(5);
    return JSON.parse(readFileSync(file, "utf8"));
  }

  private path(name: string): string {
    return join(this.home, name);
  }
}

export function startBridge(place: Place, settings: BridgeSettings): Promise<RegisteredPlugin> {
  return new BridgeProcess(place, settings).accept();
}
