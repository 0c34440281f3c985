import { appendFileSync, chmodSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import type { Log } from "../../src/base/logger.js";
import { findStartFault } from "../../src/plugin/permissions.js";
import type {
  Preparation,
  SpawnCommand,
  Spawner,
  SpawnOptions,
  SpawnResult,
  WaitingProcess,
} from "../../src/plugin/spawner.js";
import { StartAhead } from "../../src/plugin/start-ahead.js";
import { createDirectory, installFile } from "./plugin-directory.js";

// No process is started here, so time may be the test's: what processes do is start-ahead.process.test.ts.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type State = WaitingProcess["state"];

/** A spawner whose processes are only told of. */
class ToldSpawner implements Spawner {
  readonly name = "told";
  /** Those that were started ahead, in order. */
  readonly ahead: TheWaiting[] = [];
  private pids = 100;

  async run(options: SpawnOptions): Promise<SpawnResult> {
    const refusal = findStartFault(options, options.permissionFaultOf);
    if (refusal !== null) return { ...this.result(0), started: false, startError: { code: "EPERM", refusal } };
    return this.result(++this.pids);
  }

  async prepare(command: SpawnCommand): Promise<Preparation> {
    const refusal = findStartFault(command);
    if (refusal !== null) return { started: false, code: "EPERM", refusal };
    const process = new TheWaiting(++this.pids, (pid) => this.result(pid));
    this.ahead.push(process);
    return { started: true, process };
  }

  async close(): Promise<void> {}

  private result(pid: number): SpawnResult {
    return {
      ...{ pid, started: true, exitCode: 0, signal: null, stdout: new Uint8Array(), survivors: [], durationMs: 0 },
      ...{ timedOut: false, killed: false, outputTooLarge: false },
    };
  }
}

class TheWaiting implements WaitingProcess {
  state: State = "waiting";
  readonly startedAt = performance.now();
  readonly over: Promise<State>;
  private settle: (state: State) => void = () => {};

  constructor(
    readonly pid: number,
    private readonly result: (pid: number) => SpawnResult,
  ) {
    this.over = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  leave(state: State): void {
    this.state = state;
    this.settle(state);
  }

  hand(): Promise<SpawnResult> | null {
    if (this.state !== "waiting") return null;
    this.leave("used");
    return Promise.resolve(this.result(this.pid));
  }

  listens(): boolean {
    return this.state === "waiting";
  }

  async end(): Promise<void> {
    if (this.state === "waiting") this.leave("killed");
  }
}

const proofMs = 2_000;

function setUp() {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info: write, warn: write, error: write, conceal() {} };
  const told = new ToldSpawner();
  const spawner = new StartAhead(told, log, { proofMs, maxAgeMs: 300_000, renewEveryMs: 30_000 });
  const path = installFile(createDirectory(), "plugin", "#!/bin/sh\n");
  const command: SpawnCommand = {
    ...{ path, guarded: path, argv0: "plugin", args: ["invoke"], env: { PATH: "/bin" }, cwd: "/" },
  };
  const waiting = () => told.ahead.filter(({ state }) => state === "waiting");
  return {
    lines,
    path,
    spawner,
    command,
    ahead: told.ahead,
    waiting,
    /** The pid of the process that serves a run; 0 when there is none. */
    async invoke(changes: Partial<SpawnOptions> = {}): Promise<number> {
      const { pid } = await spawner.run({
        ...command,
        stdin: new Uint8Array(),
        terminateAt: Deadline.after(1_000),
        killAt: Deadline.after(1_000),
        limits: { stdoutBytes: 1, stderrLines: 1 },
        onStderrLine() {},
        killChildren: false,
        startAhead: 1,
        ...changes,
      });
      return pid;
    },
    /** Says that the chain has answered, waits so long, and gives the pids of those that wait. */
    async rearm(ms = proofMs, types?: readonly string[]): Promise<number[]> {
      spawner.rearm(types === undefined ? undefined : () => types);
      await vi.advanceTimersByTimeAsync(ms);
      return waiting().map(({ pid }) => pid);
    },
  };
}

describe("processes started ahead", () => {
  it("serve the runs after the first, each one", async () => {
    const { invoke, rearm, waiting } = setUp();
    await invoke();
    expect(waiting()).toEqual([]);
    for (let i = 0; i < 3; i++) {
      const [next] = await rearm();
      expect(await invoke()).toBe(next);
    }
  });

  it("are not replaced before the chain's owner says so, serve one run each, and the oldest first", async () => {
    const { invoke, rearm } = setUp();
    await invoke({ startAhead: 2 });
    const pids = await rearm();
    expect(pids).toHaveLength(2);
    expect([await invoke({ startAhead: 2 }), await invoke({ startAhead: 2 })]).toEqual(pids);
    expect(pids).not.toContain(await invoke({ startAhead: 2 }));
  });

  it("can be wanted before there was a run", async () => {
    const { spawner, command, invoke, rearm } = setUp();
    spawner.want(command, 1);
    const [pid] = await rearm();
    expect(await invoke()).toBe(pid);
  });

  it("are ended by a run that wants none any more, and left alone by one besides", async () => {
    const { invoke, rearm, waiting } = setUp();
    await invoke();
    const [pid] = await rearm();
    expect(await invoke({ startAhead: undefined, env: { TRACEPARENT: "00-1" } })).not.toBe(pid);
    expect(await rearm()).toEqual([pid]);
    expect(await invoke()).toBe(pid);
    const [next] = await rearm();
    expect(await invoke({ startAhead: 0 })).not.toBe(next);
    expect(waiting()).toEqual([]);
  });

  it("are one plugin's first entry's where conf.json has it twice", async () => {
    const { invoke, rearm } = setUp();
    await invoke({ conf: "1" });
    await invoke({ conf: "2" });
    for (let n = 0; n < 2; n++) {
      const [pid] = await rearm();
      expect(await invoke({ conf: "1" })).toBe(pid);
      expect(await invoke({ conf: "2" })).not.toBe(pid);
    }
  });

  it.each<[string, () => Partial<SpawnOptions>]>([
    ["its conf", () => ({ conf: '{"a":2}' })],
    ["the arguments", () => ({ args: ["invoke", "more"] })],
    ["the environment", () => ({ env: { PATH: "/bin", NEW: "1" } })],
    ["the working directory", () => ({ cwd: "/tmp" })],
    ["who is trusted", () => ({ guarded: null })],
    ["where it is found", () => ({ path: installFile(createDirectory(), "plugin", "#!/bin/sh\n") })],
  ])("are ended, not used, when %s changed", async (_, changes) => {
    const { invoke, rearm, waiting } = setUp();
    await invoke();
    const [pid] = await rearm();
    expect(await invoke(changes())).not.toBe(pid);
    expect(waiting()).toEqual([]);
  });

  it("are left alone by a plugin of another name", async () => {
    const { invoke, rearm } = setUp();
    await invoke();
    const [pid] = await rearm();
    expect(await invoke({ argv0: "other" })).not.toBe(pid);
    expect(await invoke()).toBe(pid);
  });

  it.each([
    ["edited in place", (path: string) => appendFileSync(path, "echo new\n")],
    ["replaced", (path: string) => renameSync(installFile(createDirectory(), "next", "#!/bin/sh\n"), path)],
  ])("are ended, not used, when the binary was %s", async (_, change) => {
    const { invoke, rearm, path, waiting } = setUp();
    await invoke();
    const [pid] = await rearm();
    change(path);
    expect(await invoke()).not.toBe(pid);
    expect(waiting()).toEqual([]);
    const [next] = await rearm();
    expect(await invoke()).toBe(next);
  });

  it.each<[string, State, string]>([
    ["ends", "ended", "it ended before it got a request"],
    ["prints", "spoke", "it printed something before it got a request"],
    ["closes its stdin", "deaf", "it does not read its stdin"],
  ])("a plugin that %s without its request is not started ahead any more", async (_, state, why) => {
    const { invoke, rearm, lines, path, waiting } = setUp();
    await invoke({ startAhead: 2 });
    await rearm(10);
    waiting()[0]?.leave(state);
    await vi.advanceTimersByTimeAsync(proofMs);
    // The other is ended.
    expect(waiting()).toEqual([]);
    expect(lines).toEqual([expect.stringMatching(/^a plugin cannot be started ahead/)]);
    expect(lines[0]).toContain(why);
    expect(await rearm()).toEqual([]);
    expect(lines).toHaveLength(1);
    installFile(join(path, ".."), "plugin", "#!/bin/sh\n# newer\n");
    expect(await rearm()).toHaveLength(2);
  });

  it("one that does not look at its stdin is never used, however soon the next request comes", async () => {
    const { invoke, rearm, lines, waiting } = setUp();
    for (let n = 0; n < 4; n++) {
      const pids = waiting().map(({ pid }) => pid);
      expect(pids).not.toContain(await invoke());
      await rearm(100);
    }
    // It works for 0.5 s, and ends.
    waiting()[0]?.leave("ended");
    await vi.advanceTimersByTimeAsync(1);
    expect(lines).toEqual([expect.stringContaining("before it got a request")]);
  });

  it("a binary that was seen to wait is trusted from then on, one put in its place is not", async () => {
    const { invoke, rearm, path } = setUp();
    await invoke();
    const [first] = await rearm(proofMs - 100);
    expect(await invoke()).not.toBe(first);
    await vi.advanceTimersByTimeAsync(200);
    expect(await invoke()).toBe(first);
    const [second] = await rearm(1);
    expect(await invoke()).toBe(second);
    appendFileSync(path, "# another\n");
    const [third] = await rearm(1);
    expect(await invoke()).not.toBe(third);
  });

  it("one that somebody killed is not used, and comes again", async () => {
    const { invoke, rearm, lines, waiting } = setUp();
    await invoke();
    const [pid] = await rearm();
    waiting()[0]?.leave("killed");
    expect(await invoke()).not.toBe(pid);
    expect(await rearm()).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  /** Who can write a plugin's directory can have anything started as root. */
  describe("of a plugin that others can write", () => {
    const fault = (path: string) => `${dirname(path)}: mode 0777 lets everybody write it`;

    it.each<[string, Partial<SpawnOptions>]>([
      ["a run is refused", {}],
      ["a run besides is refused", { startAhead: undefined, env: { TRACEPARENT: "00-1" } }],
    ])("are ended when %s, and started again when it is mended; said once", async (_, changes) => {
      const { invoke, rearm, path, lines, waiting } = setUp();
      await invoke();
      await rearm();
      chmodSync(dirname(path), 0o777);
      for (let n = 0; n < 2; n++) {
        expect(await invoke(changes)).toBe(0);
        expect(waiting()).toEqual([]);
        expect(await rearm()).toEqual([]);
      }
      expect(lines).toEqual([expect.stringMatching(/^a plugin cannot be started ahead/)]);
      expect(lines[0]).toContain(fault(path));
      chmodSync(dirname(path), 0o755);
      const [next] = await rearm();
      expect(await invoke()).toBe(next);
      chmodSync(dirname(path), 0o777);
      await invoke();
      expect(lines.length).toBe(2);
    });

    it("are ended without any event, and none is started of what was put there", async () => {
      const { invoke, rearm, path, lines, waiting, ahead } = setUp();
      await invoke({ startAhead: 2 });
      expect(await rearm()).toHaveLength(2);
      chmodSync(dirname(path), 0o777);
      await vi.advanceTimersByTimeAsync(30_000);
      expect(waiting()).toEqual([]);
      renameSync(installFile(createDirectory(), "next", "#!/bin/sh\n"), path);
      await vi.advanceTimersByTimeAsync(90_000);
      expect(ahead).toHaveLength(2);
      expect(lines).toEqual([expect.stringContaining(fault(path))]);
    });

    it("are not there when the file was put there before the first look", async () => {
      const { invoke, rearm, path, waiting, ahead } = setUp();
      await invoke();
      await rearm();
      chmodSync(dirname(path), 0o777);
      renameSync(installFile(createDirectory(), "next", "#!/bin/sh\n"), path);
      await vi.advanceTimersByTimeAsync(90_000);
      expect(waiting()).toEqual([]);
      expect(ahead).toHaveLength(1);
    });
  });

  it("are replaced when they have waited long, by others and not more", async () => {
    const { invoke, rearm, waiting } = setUp();
    await invoke({ startAhead: 2 });
    const first = await rearm();
    await vi.advanceTimersByTimeAsync(300_000 - proofMs);
    expect(waiting().map(({ pid }) => pid)).toEqual(first);
    await vi.advanceTimersByTimeAsync(30_001);
    expect(waiting()).toHaveLength(2);
    for (const { pid } of waiting()) expect(first).not.toContain(pid);
  });

  it("are ended when conf.json has their plugin no more, and with the spawner", async () => {
    const { invoke, rearm, spawner, waiting } = setUp();
    await invoke();
    const [pid] = await rearm(proofMs, ["plugin"]);
    expect(await rearm(proofMs, ["plugin"])).toEqual([pid]);
    expect(await rearm(proofMs, ["another"])).toEqual([]);
    await invoke();
    expect(await rearm()).toHaveLength(1);
    await spawner.close();
    expect(waiting()).toEqual([]);
  });
});
