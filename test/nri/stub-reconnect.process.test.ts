import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { Deadline } from "../../src/deadline.js";
import {
  allEvents,
  connectPair,
  containerd20,
  containerd23,
  socketPath,
  soon,
  startRuntime,
  startStub,
} from "./support/nri-pair.js";
import { PuppetRuntime } from "./support/puppet-runtime.js";
import { ctr, pod } from "./support/subjects.js";

/** Waits that are counted instead of waited. */
function countedSleep() {
  const delays: number[] = [];
  const sleep = async (ms: number) => {
    delays.push(ms);
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  return { delays, options: { reconnect: true, sleep, backoff: { random: () => 0 } } };
}

describe("a stub connects again", () => {
  test("when the runtime was restarted: to a new socket at the same path", async () => {
    const path = socketPath();
    const { delays, options } = countedSleep();
    const first = await startRuntime(path, containerd20);
    const seen: string[] = [];
    const handlers = { ...allEvents, startContainer: async () => void seen.push("StartContainer") };
    const { stub } = startStub(path, { ...options, handlers });
    await first.accept(soon());
    await first.close();
    const second = await startRuntime(path, containerd23);
    const plugin = await second.accept(soon());
    await plugin.call("StartContainer", { pod: pod(), container: ctr() });
    expect(seen).toEqual(["StartContainer"]);
    expect(stub.runtime?.version).toBe("v2.3.4");
    expect(delays.slice(0, 1)).toEqual([2000]);
  });

  test("when there is no runtime yet, as often as at first: its pods want their plugins", async () => {
    const path = socketPath();
    const { delays, options } = countedSleep();
    startStub(path, options);
    while (delays.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const runtime = await startRuntime(path);
    await runtime.accept(soon());
    expect(delays.slice(0, 4)).toEqual([2000, 2000, 2000, 2000]);
  });

  test("when the runtime forgot it because Synchronize failed", async () => {
    const path = socketPath();
    const { options } = countedSleep();
    const runtime = await startRuntime(path, containerd20);
    let attempts = 0;
    const synchronize = async () => {
      attempts += 1;
      if (attempts === 1) throw new Error("not yet");
      return [];
    };
    startStub(path, { ...options, handlers: { ...allEvents, synchronize } });
    await expect(runtime.accept(soon())).rejects.toThrow("not yet");
    await runtime.accept(soon());
    expect(attempts).toBe(2);
  });

  test("with nothing of the old connection's unfinished Synchronize", async () => {
    const path = socketPath();
    const { options } = countedSleep();
    const puppet = await PuppetRuntime.listen(path);
    const counts: number[] = [];
    const synchronize = async (pods: readonly object[]) => {
      counts.push(pods.length);
      return [];
    };
    startStub(path, { ...options, handlers: { ...allEvents, synchronize } });
    const first = await puppet.next();
    first.respond((await first.receive()).streamId);
    await first.configure();
    await first.call("Synchronize", Buffer.from("0a040a0270311801", "hex"));
    first.socket.destroy();
    await (await puppet.next()).handshake();
    expect(counts).toEqual([0]);
  });
});

describe("a stub that is not to connect again", () => {
  test("says that there is no socket", async () => {
    const path = socketPath();
    const { end } = startStub(path);
    expect(await end).toMatchObject({ kind: "connect-failed", error: { code: "CONNECT_FAILED" } });
  });

  test("says that nobody listens", async () => {
    const path = socketPath();
    // A socket file whose listener is gone, as a killed runtime leaves it.
    const listenAndDie = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    expect(spawnSync(process.execPath, ["-e", listenAndDie]).signal).toBe("SIGKILL");
    const { end } = startStub(path);
    expect(await end).toMatchObject({
      kind: "connect-failed",
      error: { message: expect.stringContaining("ECONNREFUSED") },
    });
  });

  test("says that the connection was lost", async () => {
    const { runtime, end } = await connectPair({});
    await runtime.close();
    expect(await end).toEqual({ kind: "lost", phase: "ready" });
  });
});

describe("a stub ends when it is told to", () => {
  test("while it is ready, and the runtime sees the connection end", async () => {
    const { plugin, stub, end } = await connectPair({}, {}, { reconnect: true });
    stub.close();
    expect(await end).toEqual({ kind: "aborted" });
    await plugin.ended;
    expect(plugin.closed).toBe(true);
  });

  test("by its signal", async () => {
    const abort = new AbortController();
    const { end } = await connectPair({}, {}, { reconnect: true, signal: abort.signal });
    abort.abort();
    expect(await end).toEqual({ kind: "aborted" });
  });

  test("by a signal that was aborted before it began", async () => {
    const { end } = startStub(socketPath(), { reconnect: true, signal: AbortSignal.abort() });
    expect(await end).toEqual({ kind: "aborted" });
  });

  test("while it waits for the next attempt", async () => {
    const abort = new AbortController();
    const { end } = startStub(socketPath(), { reconnect: true, signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    expect(await end).toEqual({ kind: "aborted" });
  });

  test("while it registers", async () => {
    const path = socketPath();
    const puppet = await PuppetRuntime.listen(path);
    const { stub, end } = startStub(path, { reconnect: true });
    const connection = await puppet.next();
    await connection.receive();
    stub.close();
    expect(await end).toEqual({ kind: "aborted" });
    await connection.closed;
  });
});

describe("updates outside of any event", () => {
  const update = [{ containerId: "c1" }];

  test("are carried out by a runtime of NRI 0.12.1, and what failed comes back", async () => {
    const asked: unknown[] = [];
    const { stub } = await connectPair(
      {},
      {
        nriVersion: "0.12.1",
        updateContainers: (updates) => {
          asked.push(...updates);
          return updates;
        },
      },
    );
    expect(await stub.updateContainers(update, soon())).toMatchObject(update);
    expect(asked).toMatchObject(update);
  });

  test("are refused here for an older one, which can lock up for good", async () => {
    const { stub } = await connectPair({}, { nriVersion: "0.12.0" });
    await expect(stub.updateContainers(update, soon())).rejects.toMatchObject({ fields: { reason: "nri-version" } });
  });

  test("are refused here while a handler runs: the runtime waits for it", async () => {
    const outcomes: unknown[] = [];
    const { stub, plugin } = await connectPair(
      { startContainer: async () => void outcomes.push(await stub.updateContainers(update, soon()).catch((e) => e)) },
      { nriVersion: "0.12.1" },
    );
    await plugin.call("StartContainer", { pod: pod(), container: ctr() });
    expect(outcomes).toMatchObject([{ code: "INTERNAL", fields: { reason: "in-handler" } }]);
  });

  test("are refused here while a handler runs on after its call was answered for it", async () => {
    const { stub, plugin } = await connectPair(
      { startContainer: () => new Promise(() => {}) },
      { nriVersion: "0.12.1", requestTimeoutMs: 60 },
    );
    const { error } = await plugin.call("StartContainer", { pod: pod(), container: ctr() });
    expect(error?.code).toBe("DEADLINE_EXCEEDED");
    await expect(stub.updateContainers(update, soon())).rejects.toMatchObject({ fields: { reason: "in-handler" } });
  });

  test("are refused here when there is no runtime", async () => {
    const { stub } = startStub(socketPath(), { reconnect: true });
    await expect(stub.updateContainers(update, Deadline.after(10))).rejects.toMatchObject({
      code: "CONNECTION_CLOSED",
    });
  });
});
