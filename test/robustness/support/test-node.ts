import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, onTestFinished } from "vitest";
import { Deadline } from "../../../src/base/deadline.js";
import { createRuntime, type Runtime, type RuntimeOptions } from "../../../src/tools/runtime/runtime.js";
import type { RuntimePlugin } from "../../../src/tools/runtime/runtime-plugin.js";
import { launch } from "../../nri/support/launch.js";
import { endProcess } from "../../plugin/processes.js";
import { Gate } from "../../support/gate.js";
import { program, type RunningProgram, startProgram } from "../../support/program.js";
import { markedProcesses, markName } from "./processes.js";

const noop = resolve(import.meta.dirname, "../../../legacy-plugins/noop");

/** A plugin in conf.json. */
export interface ConfEntry {
  readonly type: string;
  readonly conf?: unknown;
}

export interface TestNodeOptions {
  /** The bridge's configuration file, but for paths and for `environment`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Variables that plugins get. */
  readonly environment?: { readonly set: Readonly<Record<string, string>> };
  /** Variables that the bridge itself gets. */
  readonly own?: Readonly<Record<string, string>>;
  readonly runtime?: Partial<RuntimeOptions>;
  /** The program is killed when it lives longer, in milliseconds; 60 s when not given. */
  readonly limitMs?: number;
}

/**
 * A node of its own: the embedded runtime on a real socket, a directory of plugins that nobody else can write, conf.json,
 * and the built program, which looks at permissions and keeps its journal. It goes with the test, and so do all processes
 * of plugins, wherever they fled.
 */
export class TestNode {
  readonly folder = mkdtempSync(join(realpathSync(tmpdir()), "nri-node-"));
  readonly bin = this.makeFolder("bin");
  /** Where the bridge and its plugins put temporary files. */
  readonly temporary = this.makeFolder("tmp");
  readonly confFile = join(this.folder, "conf.json");
  readonly configFile = join(this.folder, "bridge.yaml");
  readonly socketPath = join(this.folder, "nri.sock");
  /** In the environment of every plugin, and so in that of what it leaves behind. */
  readonly mark = this.folder;
  private readonly programs: RunningProgram[] = [];
  private readonly runtimes: Runtime[] = [];
  private readonly gates: Gate[] = [];

  /** @param atEnd registers what is to be done at the node's end */
  constructor(
    private readonly options: TestNodeOptions = {},
    atEnd: (clear: () => Promise<void>) => void = onTestFinished,
  ) {
    copyFileSync(noop, join(this.bin, "noop"));
    this.writeConfig(options.config ?? {});
    atEnd(() => this.clear());
  }

  /** The programmable plugin under a name, with what it is to do; see legacy-plugins/noop. */
  install(name: string, ...plan: readonly string[]): string {
    const path = join(this.bin, name);
    rmSync(path, { force: true });
    symlinkSync("noop", path);
    writeFileSync(`${path}.plan`, `${plan.join("\n")}\n`);
    return path;
  }

  /** A program of its own. */
  installScript(name: string, text: string): string {
    const path = join(this.bin, name);
    // It may be a link to the programmable plugin.
    rmSync(path, { force: true });
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }

  /** Something for this node's plugins to wait at. */
  makeGate(name = `gate-${this.gates.length}`): Gate {
    const gate = new Gate(this.folder, name);
    this.gates.push(gate);
    return gate;
  }

  /** conf.json as an installer writes it: a new file takes the name of the old one. */
  writeConf(...plugins: readonly (string | ConfEntry)[]): void {
    this.writeConfText(confText(plugins));
  }

  writeConfText(text: string | Uint8Array): void {
    writeFileSync(`${this.confFile}.new`, text, { mode: 0o644 });
    renameSync(`${this.confFile}.new`, this.confFile);
  }

  /** The bridge's own configuration; JSON is YAML. */
  writeConfig(config: Readonly<Record<string, unknown>>): void {
    const { set } = this.options.environment ?? {};
    const whole = {
      socketPath: this.socketPath,
      confFile: this.confFile,
      pluginDirs: [this.bin],
      state: { directory: join(this.folder, "state") },
      ...config,
      environment: { set: { ...set, [markName]: this.mark } },
    };
    // Whatever the umask: what others can write is refused.
    writeFileSync(this.configFile, JSON.stringify(whole), { mode: 0o644 });
  }

  async listen(): Promise<Runtime> {
    const { socketPath } = this;
    const runtime = await createRuntime({
      socketPath,
      name: "containerd",
      version: "v1.7.24",
      // Of a real one's two seconds a busy machine may need all.
      requestTimeoutMs: 10_000,
      ...this.options.runtime,
    });
    this.runtimes.push(runtime);
    return runtime;
  }

  /** Starts the built program, which tries to connect. */
  start(...args: readonly string[]): RunningProgram {
    const own = { PATH: process.env.PATH, TMPDIR: this.temporary, ...this.options.own };
    const running = startProgram(["run", "--config", this.configFile, ...args], own, this.options.limitMs ?? 60_000);
    this.programs.push(running);
    return running;
  }

  /** Starts the built program as a runtime does that finds it in its plugin directory. */
  async launch(runtime: Runtime, args: readonly string[] = ["run", "--config", this.configFile], config = "") {
    const path = join(this.folder, "10-v01-bridge");
    writeFileSync(path, `#!/bin/sh\nexec ${process.execPath} ${program} ${args.join(" ")}\n`);
    chmodSync(path, 0o755);
    const identity = { name: "v01-bridge", index: "10" };
    const { child, trunk } = await launch(path, identity, "ignore");
    onTestFinished(() => void child.kill("SIGKILL"));
    return { child, plugin: await runtime.connect(trunk, { kind: "launched", identity, config }) };
  }

  /** Starts runtime and program, and has them connected. */
  async connect(...args: readonly string[]): Promise<ConnectedNode> {
    const runtime = await this.listen();
    const program = this.start(...args);
    const plugin = await runtime.accept(Deadline.after(10_000));
    const { pid } = program.child;
    if (pid === undefined) throw new Error("the program was not started");
    return { runtime, program, plugin, pid };
  }

  /** Ends what plugins left behind. */
  endLeftovers(): void {
    for (const pid of markedProcesses(this.mark)) endProcess(pid);
  }

  private async clear(): Promise<void> {
    for (const runtime of this.runtimes) await runtime.close();
    for (const { child, ended } of this.programs) {
      child.kill("SIGKILL");
      await ended;
    }
    this.endLeftovers();
    for (const gate of this.gates) gate.open();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private makeFolder(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }
}

export interface ConnectedNode {
  readonly runtime: Runtime;
  readonly program: RunningProgram;
  readonly plugin: RuntimePlugin;
  /** The bridge's. */
  readonly pid: number;
}

export interface SharedNode extends ConnectedNode {
  readonly node: TestNode;
}

/**
 * A node for all tests of a file, or of the describe that asks for it: its program starts once, and each test has plugins, a
 * conf.json and pods of its own.
 */
export function shareNode(options: TestNodeOptions = {}): () => SharedNode {
  const node = new TestNode(options, afterAll);
  node.writeConf();
  let connected: ConnectedNode | undefined;
  beforeAll(async () => {
    connected = await node.connect();
  });
  beforeEach(async () => {
    // A test before, which failed, may have cost the connection.
    if (connected?.plugin.closed !== true) return;
    connected = { ...connected, plugin: await connected.runtime.accept(Deadline.after(10_000)) };
  });
  afterEach(() => node.endLeftovers());
  return () => {
    if (connected === undefined) throw new Error("the node is not connected yet");
    return { ...connected, node };
  };
}

export function confText(plugins: readonly (string | ConfEntry)[]): string {
  const entries = plugins.map((plugin) => (typeof plugin === "string" ? { type: plugin } : plugin));
  return JSON.stringify({ version: "0.1", plugins: entries });
}
