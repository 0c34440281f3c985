import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { digestOf, readStatus, type Status } from "../../src/observe/status.js";
import { readCase } from "../../src/tools/replay/case.js";
import { createRuntime, type Runtime } from "../../src/tools/runtime/runtime.js";
import { RuntimeLink, type RuntimePlugin } from "../../src/tools/runtime/runtime-plugin.js";
import { launch } from "../nri/support/launch.js";
import { makeFolder } from "../support/places.js";
import { program, startProgram } from "../support/program.js";

const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const basic = readCase(resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet"));

let folder: string;
let socketPath: string;
let confFile: string;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  folder = makeFolder();
  socketPath = join(folder, "nri.sock");
  confFile = join(folder, "conf.json");
  writeFileSync(confFile, '{"version":"0.1","plugins":[{"type":"labels"}]}');
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listen(): Promise<Runtime> {
  const runtime = await createRuntime({ socketPath, name: "containerd", version: "v1.7.24" });
  closing.push(() => runtime.close());
  return runtime;
}

const node = () => [
  ...["--socket", socketPath, "--conf", confFile, "--bin-dir", plugins, "--permissions", "trust"],
  ...["--state-directory", join(folder, "state")],
];

function start(...args: string[]) {
  const running = startProgram(["run", ...node(), ...args]);
  closing.push(() => running.child.kill("SIGKILL"));
  return running;
}

/** The first event: a pod sandbox starts. */
function runPod(plugin: RuntimePlugin, options: Parameters<RuntimePlugin["raw"]>[2] = {}) {
  const [first] = basic.events;
  if (first === undefined) throw new Error("the case holds no events");
  return plugin.raw(first.method, first.payload, options);
}

describe("run, connected to a runtime's socket", () => {
  it("registers, serves a pod's life, and ends with 0 on SIGTERM", async () => {
    const runtime = await listen();
    const running = start();
    const plugin = await runtime.accept(Deadline.after(10_000));
    expect(plugin.identity).toEqual({ name: "v01-bridge", index: "10" });
    // The events of a v0.1 plugin and no others: no pod pays for more.
    expect(plugin.mask).toBe(0x627);
    for (const { method, payload, timeoutNano } of basic.events) {
      const outcome = await plugin.raw(method, payload, { timeoutNano });
      expect(outcome).toMatchObject({ dropped: false });
      expect(outcome.error).toBeUndefined();
    }
    running.child.kill("SIGTERM");
    const { code, stderr } = await running.ended;
    expect(code).toBe(0);
    const runs = stderr.split("\n").filter((line) => line.includes('"plugin ran"'));
    expect(runs.map((line) => JSON.parse(line).state)).toEqual(["create", "create", "delete", "delete"]);
  });

  it("waits for a runtime that is not there yet", async () => {
    const patient = start();
    await patient.stderrMatches(/the bridge tries again/);
    patient.child.kill("SIGTERM");
    expect((await patient.ended).code).toBe(0);
  });
});

describe("run's status.json", () => {
  const path = () => join(folder, "state/status.json");
  const read = (): Status | undefined => readStatus(path());

  it("says where the bridge is from its start to its end, for the owner alone, and not each event", async () => {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "timeoutMs: 500 # a comment\n");
    const running = start("--config", config);
    await expect.poll(read, { timeout: 10_000 }).toMatchObject({
      ...{ pid: running.child.pid, mode: "external", plugin: "10-v01-bridge", socket: socketPath },
      ...{ runtime: null, registered: null, lastEvent: null, end: null },
      configuration: { file: config, digest: digestOf({ timeoutMs: 500 }) },
      lastFailure: {
        text: expect.stringMatching(/^not connected to the runtime: the bridge tries again: .*ENOENT/),
      },
    });
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const plugin = await (await listen()).accept(Deadline.after(10_000));
    const registered = { runtime: { name: "containerd", version: "v1.7.24" }, registered: expect.stringMatching(/Z$/) };
    await expect.poll(read, { timeout: 5_000 }).toMatchObject({ ...registered, lastEvent: null });
    await runPod(plugin);
    await expect.poll(() => read()?.lastEvent, { timeout: 5_000 }).toMatch(/Z$/);
    writeFileSync(config, "timeoutMs: 600\n");
    running.child.kill("SIGHUP");
    const reloaded = { configuration: { file: config, digest: digestOf({ timeoutMs: 600 }) } };
    await expect.poll(read, { timeout: 5_000 }).toMatchObject({ ...registered, ...reloaded });
    running.child.kill("SIGTERM");
    await running.ended;
    expect(read()).toMatchObject({ end: { text: "told to end: SIGTERM" }, starts: [expect.any(String)] });
  });

  it("counts the starts that follow a failure, and costs nothing where it cannot be written", async () => {
    mkdirSync(join(folder, "state"), { mode: 0o700 });
    mkdirSync(`${path()}.new`);
    const runtime = await listen();
    const killed = start();
    await runtime.accept(Deadline.after(10_000));
    await killed.stderrMatches(/cannot write the bridge's status file/);
    killed.child.kill("SIGKILL");
    await killed.ended;
    rmdirSync(`${path()}.new`);
    for (const starts of [1, 2]) {
      const running = start("--once");
      await runtime.accept(Deadline.after(10_000));
      await expect.poll(() => read()?.starts.length, { timeout: 5_000 }).toBe(starts);
      running.child.kill("SIGKILL");
      await running.ended;
    }
  });
});

describe("run, on signals", () => {
  async function withConfig(text: string) {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, text);
    const runtime = await listen();
    const running = start("--config", config);
    const plugin = await runtime.accept(Deadline.after(10_000));
    return { config, running, plugin };
  }

  it("keeps the connection on SIGHUP when the events stay the same", async () => {
    const { config, running, plugin } = await withConfig("");
    writeFileSync(config, "timeoutMs: 500\n");
    running.child.kill("SIGHUP");
    await running.stderrMatches(/reloaded its configuration/);
    expect(plugin.closed).toBe(false);
  });

  it("keeps the last good configuration on SIGHUP when the file is wrong, and says why", async () => {
    const { config, running, plugin } = await withConfig("onFailure: {create: ignore}\n");
    writeFileSync(config, "onFailure: {create: sometimes}\n");
    running.child.kill("SIGHUP");
    await running.stderrMatches(
      /"onFailure.create\\" is \\"sometimes\\", expected fail or ignore or continue.*the bridge keeps the last good one/,
    );
    writeFileSync(confFile, '{"version":"0.1","plugins":[{"type":"missing"}]}');
    expect((await runPod(plugin)).error).toBeUndefined();
  });
});

describe("run, where a directory of its own cannot be made", () => {
  it.each([
    ["state", "", ["--state-directory", "/proc/nope"], /cannot make the state directory \/proc\/nope:/],
    ["log", "log: {output: /proc/nope/log}\n", [], /"starting"/],
    ["metrics", 'metrics: {listen: "unix:/proc/nope/metrics.sock"}\n', [], /ENOENT/],
  ])("%s: says so and serves", async (_, text, flags, says) => {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, text);
    const runtime = await listen();
    const running = start("--config", config, ...flags);
    const plugin = await runtime.accept(Deadline.after(10_000));
    expect((await runPod(plugin)).error).toBeUndefined();
    await running.stderrMatches(says);
  });
});

describe("run, launched by the runtime", () => {
  const identity = { name: "v01-bridge", index: "10" };
  const config = () =>
    `confFile: ${confFile}\npluginDirs: [${plugins}]\npermissions: trust\nstate: {directory: ${folder}/state}\n`;

  async function start(args: string, named = identity) {
    const path = join(folder, "10-v01-bridge");
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${program}' ${args} 2>'${folder}/log'\n`);
    chmodSync(path, 0o755);
    const { child, trunk } = await launch(path, named);
    closing.push(() => child.kill("SIGKILL"));
    return { child, trunk };
  }

  async function launched(config: string, args = "", named = identity) {
    const runtime = await listen();
    const { child, trunk } = await start(args, named);
    const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
    const plugin = await runtime.connect(trunk, { kind: "launched", identity, config });
    return { plugin, ended, log: () => readFileSync(`${folder}/log`, "utf8") };
  }

  it("takes its configuration from Configure, has a PATH for its plugins, and ends with 5 when the runtime does", async () => {
    const { plugin, ended, log } = await launched(config());
    expect((await runPod(plugin)).error).toBeUndefined();
    plugin.close();
    expect(await ended).toBe(5);
    expect(log()).toContain('"plugin ran"');
  });

  it("serves from memory where its state directory cannot be made: an exit would take containerd 1.7 with it", async () => {
    const places = "state: {directory: /proc/nope/state}\nmetrics: {listen: unix:/proc/nope/metrics.sock}\n";
    const { plugin, log } = await launched(
      `confFile: ${confFile}\npluginDirs: [${plugins}]\npermissions: trust\n${places}`,
    );
    expect((await runPod(plugin)).error).toBeUndefined();
    expect(log()).toContain("cannot make the state directory /proc/nope/state: no such file or folder (ENOENT)");
  });

  // An exit would take containerd 1.7 with it.
  it.each<[what: string, configure: string, args: string, says: string]>([
    ["Configure brings a wrong text", "confFle: /x\n", "", 'unknown key "confFle"; did you mean "confFile"?'],
    ["its own file is wrong", "", "run --config WRONG", 'unknown key "confFle"; did you mean "confFile"?'],
    ["its own file is not there", "", "run --config MISSING", "ENOENT"],
    ["others can write its own file", "", "run --config OPEN", "lets any user write it"],
    ["its launcher hands it an unknown option", "", "run --nonsense", "unknown option '--nonsense'"],
  ])("stays and fails creates when %s", async (_, configure, args, says) => {
    writeFileSync(join(folder, "WRONG"), "confFle: /x\n");
    writeFileSync(join(folder, "OPEN"), "");
    chmodSync(join(folder, "OPEN"), 0o666);
    const { plugin, log } = await launched(
      configure,
      args.replace(/[A-Z]+$/, (name) => join(folder, name)),
    );
    expect((await runPod(plugin)).error?.message).toContain(says);
    expect(plugin.closed).toBe(false);
    // The answer does not wait for the log.
    await expect.poll(log).toMatch(/the bridge's configuration is wrong|the bridge cannot start/);
  });

  it("registers whatever name its file gave it, which is the runtime's to judge", async () => {
    const { plugin } = await launched("", "", { name: "v01 bridge", index: "10" });
    expect(plugin.mask).toBe(0x627);
  });

  it("registers before it reads anything: its own file may hang", async () => {
    const pipe = join(folder, "own.yaml");
    execFileSync("mkfifo", [pipe]);
    const { trunk } = await start(`run --config '${pipe}'`);
    const link = new RuntimeLink(trunk, identity);
    expect((await link.registered(5_000)).identity).toEqual(identity);
    link.close();
  });

  it("logs where that configuration says, not only as its standard error would have it", async () => {
    const own = join(folder, "own.log");
    const { plugin, ended, log } = await launched(`${config()}log: {output: ${own}, format: text}\n`);
    await runPod(plugin);
    plugin.close();
    await ended;
    expect(log()).toContain(`"output":"${own}"`);
    expect(log()).not.toContain("the plugins of an event ran");
    expect(readFileSync(own, "utf8")).toMatch(/^\S+ INFO +the plugins of an event ran /m);
  });
});
