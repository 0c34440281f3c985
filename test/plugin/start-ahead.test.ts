import { appendFileSync, chmodSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Log } from "../../src/base/logger.js";
import { findExecutableFault } from "../../src/plugin/permissions.js";
import { type RunResult, type StartCommand, startAndGive, type WaitingProcess } from "../../src/plugin/start.js";
import { StartAhead } from "../../src/plugin/start-ahead.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { type RunChanges, toCommand, toInput } from "./spawners.js";

// No process is started here, so time may be the test's: what processes do is start-ahead.process.test.ts.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A process that is only told of. */
class ToldProcess implements Omit<WaitingProcess, "process"> {
  isWaiting = false;
  private settle: (fault: string | null) => void = () => {};

  constructor(readonly pid: number) {}

  /** It waits no more. */
  leave(fault: string | null): void {
    this.isWaiting = false;
    this.settle(fault);
  }

  watch(): Promise<string | null> {
    this.isWaiting = true;
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  offer(): Promise<RunResult> | null {
    return this.isWaiting ? this.give() : null;
  }

  async give(): Promise<RunResult> {
    this.leave(null);
    return {
      ...{ pid: this.pid, started: true, exitCode: 0, signal: null, stdout: new Uint8Array(), leftGroup: null },
      ...{ timedOut: false, killed: false, outputTooLarge: false },
    };
  }

  async abandon(): Promise<void> {
    this.leave(null);
  }
}

const proofMs = 2_000;

function setUp() {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info: write, warn: write, error: write, conceal() {} };
  const started: ToldProcess[] = [];
  const refusalOf = ({ guarded, env }: StartCommand) =>
    guarded === null ? null : findExecutableFault(guarded, env.PATH ?? "");
  const held = { until: Promise.resolve() };
  const start = async (command: StartCommand) => {
    await held.until;
    const refusal = refusalOf(command);
    if (refusal !== null) return { code: "EPERM", refusal };
    const process = new ToldProcess(100 + started.length);
    started.push(process);
    return process;
  };
  const spawner = new StartAhead({ refusalOf, start, close: async () => {} }, log, proofMs);
  const path = installFile(createDirectory(), "plugin", "#!/bin/sh\n");
  const waiting = () => started.filter(({ isWaiting }) => isWaiting);
  return {
    ...{ lines, path, spawner, started, waiting, held },
    /** The pid of the process that serves a run; 0 when there is none. */
    async invoke(changes: Partial<RunChanges> = {}): Promise<number> {
      const input = toInput({ path, guarded: path, argv0: "plugin", startAhead: 1, ...changes });
      return (await startAndGive(spawner, toCommand(input), input.stdin, input)).pid;
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
  it("are not replaced before the chain's owner says so, serve one run each, and the oldest first", async () => {
    const { invoke, rearm } = setUp();
    await invoke({ startAhead: 2 });
    const pids = await rearm();
    expect(pids).toHaveLength(2);
    expect([await invoke({ startAhead: 2 }), await invoke({ startAhead: 2 })]).toEqual(pids);
    expect(pids).not.toContain(await invoke({ startAhead: 2 }));
  });

  it("are ended by a run that wants none any more, and left alone by one besides", async () => {
    const { invoke, rearm, waiting } = setUp();
    await invoke();
    const [pid] = await rearm();
    expect(await invoke({ startAhead: undefined, env: { A: "1" } })).not.toBe(pid);
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

  const another = () => installFile(createDirectory(), "plugin", "#!/bin/sh\n");
  it.each<[string, (path: string) => Partial<RunChanges> | undefined]>([
    ["its conf is another one", () => ({ conf: '{"a":2}' })],
    ["its environment is another one", () => ({ env: { PATH: "/bin", NEW: "1" } })],
    ["it is trusted", () => ({ guarded: null })],
    ["it is found elsewhere", () => ({ path: another() })],
    ["its binary was edited in place", (path) => void appendFileSync(path, "echo new\n")],
    ["its binary was replaced", (path) => void renameSync(another(), path)],
  ])("are not used, but replaced, when %s", async (_, change) => {
    const { invoke, rearm, path } = setUp();
    await invoke();
    const [pid] = await rearm();
    const changed = change(path) ?? {};
    expect(await invoke(changed)).not.toBe(pid);
    const pids = await rearm();
    expect(pids).toHaveLength(1);
    expect(pids).not.toContain(pid);
    expect(await invoke(changed)).toBe(pids[0]);
  });

  it("a plugin that does anything else than wait is not started ahead any more, until there is another binary", async () => {
    const { invoke, rearm, lines, path, waiting } = setUp();
    await invoke({ startAhead: 2 });
    await rearm(10);
    waiting()[0]?.leave("it printed something");
    await vi.advanceTimersByTimeAsync(proofMs);
    // The other is ended.
    expect(waiting()).toEqual([]);
    for (let n = 0; n < 2; n++) {
      await invoke({ startAhead: 2 });
      expect(await rearm()).toEqual([]);
    }
    expect(lines).toEqual([
      expect.stringMatching(/^the bridge no longer starts this plugin ahead \(startAhead\) .*it printed something/),
    ]);
    installFile(dirname(path), "plugin", "#!/bin/sh\n# newer\n");
    await invoke({ startAhead: 2 });
    expect(await rearm()).toHaveLength(2);
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

  // Whoever can write a plugin's directory can have anything started as root.
  it("are ended when others can write the plugin, by a run or without any, and start again when that is mended", async () => {
    const { invoke, rearm, path, waiting, started } = setUp();
    for (const byRun of [true, false]) {
      await invoke();
      expect(await rearm()).toHaveLength(1);
      const before = started.length;
      chmodSync(dirname(path), 0o777);
      if (byRun) expect([await invoke(), await invoke()]).toEqual([0, 0]);
      else await vi.advanceTimersByTimeAsync(30_000);
      expect(waiting()).toEqual([]);
      expect(await rearm(90_000)).toEqual([]);
      expect(started).toHaveLength(before);
      chmodSync(dirname(path), 0o755);
    }
    await invoke();
    const [next] = await rearm();
    expect(await invoke()).toBe(next);
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

  it("are ended as soon as they are there when conf.json has lost their plugin meanwhile", async () => {
    const { invoke, rearm, started, held } = setUp();
    await invoke();
    let go = () => {};
    held.until = new Promise((resolve) => {
      go = resolve;
    });
    await rearm(10);
    await rearm(10, ["another"]);
    go();
    expect(await rearm()).toEqual([]);
    expect(started).toHaveLength(2);
  });
});
