import { describe, expect, test } from "vitest";
import { synchronizeRequest } from "../../src/nri/codec.js";
import type { PluginHandlers } from "../../src/nri/handlers.js";
import type { StubOptions } from "../../src/nri/stub.js";
import { Code } from "../../src/nri/ttrpc/status.js";
import { hex } from "../support/bytes.js";
import { collectLog } from "../support/collect-log.js";
import { allEvents, connectPair, containerd17 } from "./support/nri-pair.js";
import { message, puppetStub, requestBytes } from "./support/puppet-runtime.js";
import { ctr, pod } from "./support/subjects.js";

/** A stub that is configured by a runtime of some version, and waits for Synchronize. */
async function configured(handlers: Partial<PluginHandlers>, version = "v2.0.5", options: Partial<StubOptions> = {}) {
  const log = collectLog();
  const { connection, ...started } = await puppetStub({ handlers: { ...allEvents, ...handlers }, log, ...options });
  connection.respond((await connection.receive()).streamId);
  await connection.configure(version);
  return { ...started, connection, log };
}

const ids = (things: readonly { id: string }[]) => things.map(({ id }) => id);
const chunk = (pods: string[], containers: string[], more: boolean) =>
  synchronizeRequest.encode({
    pods: pods.map((id) => pod({ id })),
    containers: containers.map((id) => ctr({ id })),
    more,
  });

describe("Synchronize", () => {
  test.each<[string, Uint8Array[], string[][]]>([
    ["one message", [chunk(["p1", "p2"], ["c1"], false)], [["p1", "p2"], ["c1"]]],
    // A container may come before its pod.
    [
      "several: each but the last is answered with more alone",
      [chunk([], ["c1"], true), chunk(["p1"], ["c2"], true), chunk(["p2"], [], false)],
      [
        ["p1", "p2"],
        ["c1", "c2"],
      ],
    ],
  ])("in %s: the handler gets all at once, and its updates are the answer", async (_, messages, expected) => {
    const seen: string[][] = [];
    const { connection, stub } = await configured({
      synchronize: async (pods, containers) => {
        seen.push(ids(pods), ids(containers));
        return [{ containerId: "c9" }];
      },
    });
    for (const [at, bytes] of messages.entries()) {
      expect([seen, stub.ready]).toEqual([[], false]);
      const { response } = await connection.call("Synchronize", bytes);
      expect(response?.payload).toEqual(hex(at === messages.length - 1 ? "0a040a026339" : "1001"));
    }
    expect([seen, stub.ready]).toEqual([expected, true]);
  });

  test("is followed by word that events come; a handler that fails on that harms nothing", async () => {
    const order: string[] = [];
    const handlers: Partial<PluginHandlers> = {
      synchronize: async (_pods, _containers, { event }) => {
        order.push(event);
        return [];
      },
      synchronized: ({ name }) => {
        order.push(`events come from ${name}`);
        throw new Error("boom");
      },
    };
    const { plugin } = await connectPair(handlers, containerd17);
    await expect.poll(() => order).toEqual(["Synchronize", "events come from containerd"]);
    expect(await plugin.call("StartContainer", { pod: pod(), container: ctr() })).toMatchObject({ dropped: false });
  });
});

describe("a runtime that will not send events is left: before NRI 0.12 it would never say so", () => {
  test("when our answer came too late", async () => {
    const { connection, end } = await configured({
      synchronize: async () => {
        // Busy, so that not even the error can be sent in time.
        for (const until = performance.now() + 80; performance.now() < until; );
        return [];
      },
    });
    connection.request("Synchronize", chunk([], [], false), { timeoutNano: 40_000_000n });
    expect(await end).toMatchObject({ kind: "lost", phase: "synchronizing" });
    await connection.closed;
  });

  const all = requestBytes(3, "Synchronize", chunk([], [], false), { timeoutNano: 300_000_000n });
  const never = { synchronize: () => new Promise<never>(() => {}) };
  const failing = { synchronize: () => Promise.reject(new Error("no journal")) };
  test.each<[string, Partial<PluginHandlers>, Uint8Array, number]>([
    ["the handler takes too long: the error is still in time", never, all, Code.DeadlineExceeded],
    ["the handler fails", failing, all, Code.Unknown],
    ["it cannot be read", {}, requestBytes(3, "Synchronize", hex("0a 7f")), Code.InvalidArgument],
    ["its message is none", {}, message(1, 3, 1, hex("0a 7f")), Code.InvalidArgument],
  ])("when %s", async (_, handlers, bytes, code) => {
    const { connection, end } = await configured(handlers);
    connection.send(bytes);
    const { response } = await connection.receive();
    expect(response?.status?.code).toBe(code);
    expect(await end).toMatchObject({ kind: "lost", phase: "synchronizing" });
    if (handlers === failing) expect(await end).toMatchObject({ error: { message: "no journal" } });
  });

  test("when it is longer than what we take: the runtime would keep us, and never try again", async () => {
    const { connection, end, log } = await configured({});
    // As a runtime before NRI 0.7 does it: the start of the message, and the rest fails with EMSGSIZE.
    const length = 17 * 1024 * 1024;
    const start = new Uint8Array(4096);
    new DataView(start.buffer).setUint32(0, length);
    start.set([0, 0, 0, 3, 1, 0], 4);
    connection.send(hex("00000001 00001000"), start);
    expect((await connection.receive()).response?.status?.code).toBe(Code.ResourceExhausted);
    const text = `message length ${length} exceeds the maximum of ${16 * 1024 * 1024}`;
    expect(await end).toMatchObject({ kind: "lost", phase: "synchronizing", error: { message: text } });
    expect(log.lines.at(-1)).toMatchObject({ level: "warn", fields: { error: text } });
    await connection.closed;
  });

  test("but not for a call that we do not serve", async () => {
    const { connection, stub } = await configured({});
    const answer = await connection.call("ValidateContainerAdjustment");
    expect(answer.response?.status?.code).toBe(Code.Unimplemented);
    await connection.call("Synchronize", chunk([], [], false));
    expect(stub.ready).toBe(true);
  });
});

describe("a runtime that configured us and does not synchronize", () => {
  const warnings = ({ lines }: { readonly lines: readonly { level: string; sentence: string }[] }) =>
    lines.filter(
      ({ level, sentence }) =>
        level === "warn" && sentence.startsWith("the runtime did not synchronize the bridge for"),
    );

  test("is told of once, and the stub says so until it does; not when it does in time, or is gone", async () => {
    const late = await configured({}, "v2.0.5", { synchronizeWithinMs: 30 });
    const inTime = await configured({}, "v2.0.5", { synchronizeWithinMs: 300 });
    await inTime.connection.call("Synchronize", chunk([], [], false));
    const gone = await configured({}, "v2.0.5", { synchronizeWithinMs: 300 });
    gone.connection.socket.destroy();
    const told = () => [late, inTime, gone].map(({ stub, log }) => [stub.unsynchronized, warnings(log).length]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(told()).toEqual([
      [true, 1],
      [false, 0],
      [false, 0],
    ]);
    await late.connection.call("Synchronize", chunk([], [], false));
    expect(told()[0]).toEqual([false, 1]);
  });
});
