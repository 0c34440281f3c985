import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stateDirectory } from "./bridge-state.js";
import { waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";
import type { NamespaceProcess } from "./namespace.js";

/** The built program, which is what users run. */
export const bridgeFile = fileURLToPath(new URL("../../../dist/nri-v01-bridge.mjs", import.meta.url));

export function isBridgeBuilt(): boolean {
  return existsSync(bridgeFile);
}

export interface BridgeOptions {
  /** `external`: connects to the runtime's socket. `launched`: the runtime starts it from its plugin_path. */
  readonly mode: "external" | "launched";
  /** The v0.1 configuration, as the daemon sees it. */
  readonly confFile: string;
  /** The bridge's own configuration, YAML. */
  readonly config?: string;
  /** More flags, as they stand on the command line. */
  readonly flags?: readonly string[];
}

const [idx, name] = ["10", "v01-bridge"] as const;

/** A line of the bridge's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A bridge that runs beside a daemon, inside of its namespace. */
export class Bridge {
  #process: NamespaceProcess | undefined;

  constructor(
    private readonly daemon: Daemon,
    private readonly options: BridgeOptions,
  ) {}

  /** All that it logged so far. */
  log(): string {
    const file = logFile(this.daemon);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** What it logged, line by line; a line that was cut short by its end is left out. */
  logLines(): LogLine[] {
    return this.log()
      .split("\n")
      .flatMap((line) => {
        try {
          return [JSON.parse(line)];
        } catch {
          return [];
        }
      });
  }

  /** The lines that say one sentence. */
  linesThatSay(sentence: string): LogLine[] {
    return this.logLines().filter(({ msg }) => msg === sentence);
  }

  /** The process that was started here; undefined in launched mode. */
  get process(): NamespaceProcess | undefined {
    return this.#process;
  }

  /** Starts it, if that is ours to do, and waits until the runtime has it as a plugin. */
  async start(): Promise<void> {
    const since = this.options.mode === "external" ? this.daemon.log().length : 0;
    await this.launch();
    await this.waitUntilRegistered(since);
  }

  /** Starts it, if that is ours to do, and waits for nothing. */
  async launch(): Promise<void> {
    if (this.options.mode !== "external") return;
    const { PATH, HOME } = process.env;
    const args = [bridgeFile, ...runArguments(this.daemon, this.options)];
    const env = { PATH, HOME, TMPDIR: temporaryDirectory(this.daemon) };
    this.#process = await startLogged(this.daemon, logFile(this.daemon), process.execPath, args, env);
  }

  /** Waits until the runtime has it as a plugin, as its log says from a place in it on. */
  async waitUntilRegistered(since: number, timeoutMs = 15_000): Promise<void> {
    await waitFor(`the bridge as plugin of containerd ${this.daemon.runtime.version}`, timeoutMs, () => {
      const ended = this.#process !== undefined && !this.#process.running;
      if (ended) throw new Error(`the bridge has ended:\n${this.log().slice(-3000)}`);
      return isRegistered(this.daemon.log().slice(since), `${idx}-${name}`) ? true : undefined;
    }).catch((thrown: unknown) => {
      throw new Error(`${thrown}\nbridge:\n${this.log().slice(-3000)}\ncontainerd:\n${this.daemon.log().slice(-2000)}`);
    });
  }

  /** Ends it and waits for its end. In launched mode its end is the runtime's. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.#process?.running) return;
    await this.#process.kill(signal);
    await this.#process.exited;
  }
}

/** Writes what `start` needs. In launched mode this has to happen before the daemon starts. */
export async function installBridge(daemon: Daemon, options: BridgeOptions): Promise<Bridge> {
  // What the machine itself has there would show through.
  await rm(daemon.path(stateDirectory), { recursive: true, force: true });
  await mkdir(temporaryDirectory(daemon), { recursive: true });
  await writeFile(configFile(daemon), options.config ?? "log: {level: debug}\n");
  if (options.mode === "launched") {
    const launcher = daemon.path(`/opt/nri/plugins/${idx}-${name}`);
    // The runtime gives a plugin no PATH, and /dev/null as stderr.
    const command = [process.execPath, bridgeFile, ...runArguments(daemon, options)].map(quote).join(" ");
    await writeFile(launcher, `#!/bin/sh\nexec ${command} 2>>${quote(logFile(daemon))}\n`);
    await chmod(launcher, 0o755);
  }
  return new Bridge(daemon, options);
}

function runArguments(daemon: Daemon, options: BridgeOptions): string[] {
  const common = ["run", "--conf", options.confFile, "--bin-dir", "/opt/nri/bin"];
  // A launched plugin has its name, index and socket from the runtime.
  const external =
    options.mode === "external" ? ["--socket", "/var/run/nri/nri.sock", "--name", name, "--idx", idx] : [];
  return [...common, ...external, "--config", configFile(daemon), ...(options.flags ?? [])];
}

/** Starts a process beside a daemon that logs to a file. */
export async function startLogged(
  daemon: Daemon,
  log: string,
  command: string,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<NamespaceProcess> {
  const output = openSync(log, "a");
  const started = await daemon.namespace.start(command, args, output, env);
  closeSync(output);
  return started;
}

/** containerd lists its plugins in the log once each of them can get events. */
export function isRegistered(log: string, plugin: string): boolean {
  return log.split("\n").some((line) => /#\d+: /.test(line) && line.includes(plugin));
}

function configFile(daemon: Daemon): string {
  return join(daemon.directory, "bridge.yaml");
}

/** An external bridge's and its plugins' own: what is left there is theirs. */
export function temporaryDirectory(daemon: Daemon): string {
  return join(daemon.directory, "tmp");
}

function logFile(daemon: Daemon): string {
  return join(daemon.directory, "bridge.log");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
