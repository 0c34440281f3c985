import { describe, expect, test, vi } from "vitest";
import { containerRequest } from "../../src/nri/codec.js";
import type { PluginHandlers } from "../../src/nri/handlers.js";
import { hex } from "../support/bytes.js";
import { collectLog } from "../support/collect-log.js";
import {
  allEvents,
  connectPair,
  containerd20,
  containerd23,
  on,
  socketPath,
  soon,
  startRuntime,
  startStub,
} from "./support/nri-pair.js";
import { listenPuppet, type PuppetConnection, puppetStub } from "./support/puppet-runtime.js";
import { ctr, pod } from "./support/subjects.js";

/** A clock that runs while somebody waits, a hundred times as fast, and the waits that the log tells of. */
function fakeWaits() {
  const time = { now: 0 };
  const log = collectLog();
  const sleep = async (ms: number) => {
    for (const until = time.now + ms; time.now < until; ) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      time.now = Math.min(time.now + 100, until);
    }
  };
  const delays = () => log.lines.flatMap(({ fields }) => ("delayMs" in fields ? [fields.delayMs] : []));
  return {
    time,
    delays,
    options: { reconnect: true, log, sleep, clock: () => time.now, random: () => 0 },
  };
}

describe("a stub connects again", () => {
  test("when the runtime was restarted: to a new socket at the same path", async () => {
    const path = socketPath();
    const { delays, options } = fakeWaits();
    const first = await startRuntime(path, containerd20);
    const { stub } = startStub(path, options);
    await first.accept(soon());
    await first.close();
    const second = await startRuntime(path, containerd23);
    const plugin = await second.accept(soon());
    expect(await plugin.call("StartContainer", { pod: pod(), container: ctr() })).toMatchObject({ dropped: false });
    expect(stub.runtime?.version).toBe("v2.3.4");
    expect(delays()[0]).toBe(2000);
  });

  test("when there is no runtime yet, as often as at first: its pods want their plugins", async () => {
    const path = socketPath();
    const { delays, options } = fakeWaits();
    startStub(path, options);
    await vi.waitUntil(() => delays().length >= 4);
    const runtime = await startRuntime(path);
    await runtime.accept(soon());
    expect(delays().slice(0, 4)).toEqual([2000, 2000, 2000, 2000]);
  });

  test("when its Synchronize failed or was cut off, with nothing of what had come of it", async () => {
    const path = socketPath();
    const puppet = await listenPuppet(path);
    const counts: number[] = [];
    const synchronize = async (pods: readonly object[]) => {
      counts.push(pods.length);
      if (counts.length === 1) throw new Error("not yet");
      return [];
    };
    startStub(path, { ...fakeWaits().options, handlers: { ...allEvents, synchronize } });
    const onePod = "0a040a027031";
    for (const part of [onePod, `${onePod}1801`]) {
      const connection = await puppet.next();
      connection.respond((await connection.receive()).streamId);
      await connection.configure();
      await connection.call("Synchronize", hex(part));
      connection.socket.destroy();
    }
    await (await puppet.next()).handshake();
    expect(counts).toEqual([1, 0]);
  });
});

describe("how soon a stub connects again", () => {
  type Play = (connection: PuppetConnection) => Promise<unknown>;
  const request = containerRequest.encode({ pod: pod(), container: ctr() });
  const answersOne: Play = async (connection) => {
    await connection.handshake();
    await connection.call("StartContainer", request);
  };
  const orderly: Play = async (connection) => {
    await connection.handshake();
    await connection.call("Shutdown");
  };
  const late: Play = async (connection) => {
    await answersOne(connection);
    await connection.call("StopContainer", request, { timeoutNano: 20_000_000n });
  };
  const StopContainer = async () => {
    for (const until = performance.now() + 30; performance.now() < until; );
    return undefined;
  };
  const fails = { handle: () => Promise.reject(new Error("no")) };
  const grows = [2000, 4000, 8000, 16_000];
  const stays = [2000, 2000, 2000, 2000];

  // Registering takes a lock of the whole node, and may hold up every pod of it (containerd issue 14083).
  test.each<[string, Play, Partial<PluginHandlers>, number[]]>([
    ["grows with a runtime that closes each connection", async ({ socket }) => socket.end(), {}, grows],
    ["grows with connections that answered nothing", (connection) => connection.handshake(), {}, grows],
    ["does not grow when each had answered an event", answersOne, {}, stays],
    ["does not grow when each had answered with an error", answersOne, fails, stays],
    ["does not grow when the runtime said that it stops", orderly, {}, stays],
    ["grows when it was dropped for being late, whatever it had answered before", late, on({ StopContainer }), grows],
  ])("%s", async (_, play, handlers, expected) => {
    const path = socketPath();
    const { delays, options } = fakeWaits();
    const puppet = await listenPuppet(path);
    startStub(path, { ...options, handlers: { ...allEvents, ...handlers } });
    for (const _delay of expected) {
      const connection = await puppet.next();
      await play(connection);
      connection.socket.destroy();
    }
    await puppet.next();
    expect(delays()).toEqual(expected);
  });

  test("is at once when the socket is a new runtime's, whatever the wait, and never within 2 s of the last registration", async () => {
    const path = socketPath();
    const { time, options } = fakeWaits();
    startStub(path, options);
    for (let round = 0; round < 5; round++) {
      const puppet = await listenPuppet(path);
      const boundAt = time.now;
      const connection = await puppet.next();
      // As often as it looks, and the 2 s.
      expect(time.now - boundAt).toBeLessThanOrEqual(2250);
      await connection.handshake();
      const lostAt = time.now;
      await puppet.close();
      // By now it waits for 2, 4, 8, 16 and 32 s.
      while (time.now - lostAt < 1000) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });

  test("is not within 2 s of the last registration when it is told to register anew", async () => {
    const path = socketPath();
    const { time, options } = fakeWaits();
    const runtime = await startRuntime(path);
    const { stub } = startStub(path, options);
    const cameAt: number[] = [];
    for (let round = 0; round < 3; round++) {
      const plugin = await runtime.accept(soon());
      cameAt.push(time.now);
      stub.reregister();
      stub.reregister();
      // Until it may go, it serves.
      expect(plugin.closed).toBe(false);
    }
    expect(cameAt).toEqual([0, 2000, 4000]);
  });
});

test("a stub that is not to connect again says that there is no socket, or that the connection was lost", async () => {
  const { end } = startStub(socketPath());
  expect(await end).toMatchObject({ kind: "connect-failed", error: { code: "CONNECT_FAILED" } });
  const pair = await connectPair({});
  await pair.runtime.close();
  expect(await pair.end).toEqual({ kind: "lost", phase: "ready" });
});

describe("a stub ends when it is told to", () => {
  test("while it is ready, and the runtime sees the connection end", async () => {
    const { plugin, stub, end } = await connectPair({}, {}, { reconnect: true });
    stub.close();
    expect(await end).toEqual({ kind: "aborted" });
    await plugin.ended;
    expect(plugin.closed).toBe(true);
  });

  test("while it waits for the next attempt", async () => {
    const { stub, end } = startStub(socketPath(), { reconnect: true });
    setTimeout(() => stub.close(), 50);
    expect(await end).toEqual({ kind: "aborted" });
  });

  test("while it registers", async () => {
    const { stub, connection, end } = await puppetStub({ reconnect: true });
    await connection.receive();
    stub.close();
    expect(await end).toEqual({ kind: "aborted" });
    await connection.closed;
  });
});
