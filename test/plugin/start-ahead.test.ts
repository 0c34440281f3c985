import { appendFileSync, chmodSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Log } from "../../src/base/logger.js";
import type { StartFault } from "../../src/plugin/spawner.js";
import {
  type RunResult,
  refusalOf,
  type StartCommand,
  type Starter,
  startAndGive,
  type WaitEnd,
  type WaitingProcess,
} from "../../src/plugin/start.js";
import { StartAhead } from "../../src/plugin/start-ahead.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { type RunChanges, toInput } from "./spawners.js";

// No process is started here, so time may be the test's: what processes do is start-ahead.process.test.ts.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A starter whose processes are only told of. */
class ToldStarter implements Starter<WaitingProcess> {
  /** In order. */
  readonly started: ToldProcess[] = [];

  async start(command: StartCommand): Promise<ToldProcess | StartFault> {
    const refusal = refusalOf(command);
    if (refusal !== null) return { code: "EPERM", refusal };
    const process = new ToldProcess(100 + this.started.length);
    this.started.push(process);
    return process;
  }

  async close(): Promise<void> {}
}

class ToldProcess implements WaitingProcess {
  state: WaitEnd | "new" | "waiting" = "new";
  private settle: (end: WaitEnd) => void = () => {};

  constructor(readonly pid: number) {}

  leave(end: WaitEnd): void {
    this.state = end;
    this.settle(end);
  }

  watch(): Promise<WaitEnd> {
    this.state = "waiting";
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  hand(): Promise<RunResult> | null {
    return this.listens() ? this.give() : null;
  }

  async give(): Promise<RunResult> {
    this.leave("used");
    return {
      ...{ pid: this.pid, started: true, exitCode: 0, signal: null, stdout: new Uint8Array(), survivors: [] },
      ...{ timedOut: false, killed: false, outputTooLarge: false },
    };
  }

  listens(): boolean {
    return this.state === "waiting";
  }

  async abandon(): Promise<void> {
    if (this.state === "waiting" || this.state === "new") this.leave("killed");
  }
}

const proofMs = 2_000;

function setUp() {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info: write, warn: write, error: write, conceal() {} };
  const told = new ToldStarter();
  const spawner = new StartAhead(told, log, { proofMs, maxAgeMs: 300_000, renewEveryMs: 30_000 });
  const path = installFile(createDirectory(), "plugin", "#!/bin/sh\n");
  const command = toInput({ path, guarded: path, argv0: "plugin" });
  const waiting = () => told.started.filter(({ state }) => state === "waiting");
  return {
    lines,
    path,
    spawner,
    command,
    started: told.started,
    waiting,
    /** The pid of the process that serves a run; 0 when there is none. */
    async invoke(changes: Partial<RunChanges> = {}): Promise<number> {
      const input = toInput({ path, guarded: path, argv0: "plugin", startAhead: 1, ...changes });
      return (await startAndGive(spawner, input, input.stdin, input)).pid;
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

  it.each<[string, () => Partial<RunChanges>]>([
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

  it.each<[string, WaitEnd, string]>([
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

    it.each<[string, Partial<RunChanges>]>([
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
      const { invoke, rearm, path, lines, waiting, started } = setUp();
      await invoke({ startAhead: 2 });
      expect(await rearm()).toHaveLength(2);
      chmodSync(dirname(path), 0o777);
      await vi.advanceTimersByTimeAsync(30_000);
      expect(waiting()).toEqual([]);
      renameSync(installFile(createDirectory(), "next", "#!/bin/sh\n"), path);
      await vi.advanceTimersByTimeAsync(90_000);
      expect(started).toHaveLength(3);
      expect(lines).toEqual([expect.stringContaining(fault(path))]);
    });

    it("are not there when the file was put there before the first look", async () => {
      const { invoke, rearm, path, waiting, started } = setUp();
      await invoke();
      await rearm();
      chmodSync(dirname(path), 0o777);
      renameSync(installFile(createDirectory(), "next", "#!/bin/sh\n"), path);
      await vi.advanceTimersByTimeAsync(90_000);
      expect(waiting()).toEqual([]);
      expect(started).toHaveLength(2);
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
