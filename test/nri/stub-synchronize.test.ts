import { describe, expect, test } from "vitest";
import { synchronizeRequest } from "../../src/nri/codec.js";
import type { PluginHandlers } from "../../src/nri/handlers.js";
import type { StubOptions } from "../../src/nri/stub.js";
import { Code } from "../../src/nri/ttrpc/status.js";
import { parseVersion, synchronizes } from "../../src/nri/versions.js";
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
const payload = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? hex("ff")).toString("hex");

describe("Synchronize", () => {
  test("in one message: the handler gets all, and its updates are the answer", async () => {
    const seen: string[][] = [];
    const { connection } = await configured({
      synchronize: async (pods, containers, context) => {
        seen.push(ids(pods), ids(containers), [context.event]);
        return [{ containerId: "c9" }];
      },
    });
    const answer = await connection.call("Synchronize", chunk(["p1", "p2"], ["c1"], false));
    expect(payload(answer.response?.payload)).toBe("0a040a026339");
    expect(seen).toEqual([["p1", "p2"], ["c1"], ["Synchronize"]]);
  });

  test("in several: each but the last is answered with more alone, and the handler gets all at once", async () => {
    const seen: string[][] = [];
    const { connection, stub } = await configured({
      synchronize: async (pods, containers) => {
        seen.push(ids(pods), ids(containers));
        return [{ containerId: "c9" }];
      },
    });
    // A container may come before its pod.
    for (const bytes of [chunk([], ["c1"], true), chunk(["p1"], ["c2"], true)]) {
      expect(payload((await connection.call("Synchronize", bytes)).response?.payload)).toBe("1001");
      expect([seen, stub.ready]).toEqual([[], false]);
    }
    const last = await connection.call("Synchronize", chunk(["p2"], [], false));
    expect(payload(last.response?.payload)).toBe("0a040a026339");
    expect([seen, stub.ready]).toEqual([
      [
        ["p1", "p2"],
        ["c1", "c2"],
      ],
      true,
    ]);
  });

  test("is followed by word that events come, once the answer is on its way", async () => {
    const order: string[] = [];
    let told = () => {};
    const synchronized = new Promise<void>((resolve) => {
      told = resolve;
    });
    await connectPair(
      {
        synchronize: async () => {
          order.push("asked");
          return [];
        },
        synchronized: ({ name }) => {
          order.push(`events come from ${name}`);
          told();
        },
      },
      containerd17,
    );
    await synchronized;
    expect(order).toEqual(["asked", "events come from containerd"]);
  });
});

test("a handler that fails on that word harms nothing", async () => {
  const { plugin } = await connectPair({
    synchronized: () => {
      throw new Error("boom");
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await plugin.call("StartContainer", { pod: pod(), container: ctr() })).toMatchObject({ dropped: false });
});

describe("a runtime that will not send events is left: before NRI 0.12 it would never say so", () => {
  test("when our answer came too late", async () => {
    // Busy, so that not even the error can be sent in time.
    const busy = (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; );
    };
    const { connection, end } = await configured({
      synchronize: async () => {
        busy(80);
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
    lines.filter(({ level, sentence }) => level === "warn" && sentence.startsWith("not synchronized for"));

  test("is told of once, and the stub says so until it does", async () => {
    const { connection, stub, log } = await configured({}, "v2.0.5", { synchronizeWithinMs: 30 });
    expect(stub.unsynchronized).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect([stub.unsynchronized, warnings(log).length]).toEqual([true, 1]);
    await connection.call("Synchronize", chunk([], [], false));
    expect([stub.unsynchronized, warnings(log).length]).toEqual([false, 1]);
  });

  test("is not told of when it does in time, or is gone", async () => {
    const options = { synchronizeWithinMs: 60 };
    const synchronized = await configured({}, "v2.0.5", options);
    await synchronized.connection.call("Synchronize", chunk([], [], false));
    const gone = await configured({}, "v2.0.5", options);
    gone.connection.socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect([synchronized, gone].map(({ stub, log }) => [stub.unsynchronized, warnings(log)])).toEqual([
      [false, []],
      [false, []],
    ]);
  });

  test.each<[string, string, string | undefined, boolean]>([
    ["1.7.24", "0.6.1", "/run/nri.sock", true],
    ["1.7.24", "0.6.1", undefined, false],
    ["1.7.27", "0.8.0", undefined, true],
  ])("containerd %s (NRI %s), from %s: synchronizes %s", (version, nri, path, expected) => {
    const parsed = parseVersion(nri);
    if (parsed === undefined) throw new Error("no version");
    const info = { name: "containerd", version, nri: { ...parsed, source: "stated" }, requestTimeoutMs: 2000 } as const;
    expect(synchronizes(path === undefined ? info : { ...info, socketPath: path })).toBe(expected);
  });
});
