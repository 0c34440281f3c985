import { describe, expect, test } from "vitest";
import { synchronizeRequest } from "../../src/nri/codec.js";
import type { PluginHandlers } from "../../src/nri/handlers.js";
import { Code } from "../../src/ttrpc/status.js";
import { hex } from "../support/bytes.js";
import { allEvents, connectPair, containerd17, containerd20, socketPath, startStub } from "./support/nri-pair.js";
import { PuppetRuntime } from "./support/puppet-runtime.js";
import { ctr, pod } from "./support/subjects.js";

/** A stub that is configured by a runtime of some version, and waits for Synchronize. */
async function configured(handlers: Partial<PluginHandlers>, version = "v2.0.5") {
  const path = socketPath();
  const puppet = await PuppetRuntime.listen(path);
  const started = startStub(path, { handlers: { ...allEvents, ...handlers } });
  const connection = await puppet.next();
  connection.respond((await connection.receive()).streamId);
  await connection.configure(version);
  return { ...started, connection };
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

  test("by the runtime of this house, which splits what is longer than 4 MiB", async () => {
    const seen: string[][] = [];
    const pods = Array.from({ length: 24 }, (_, at) => pod({ id: `p${at}`, uid: "x".repeat(400_000) }));
    const containers = Array.from({ length: 9 }, (_, at) => ctr({ id: `c${at}` }));
    const { plugin } = await connectPair(
      {
        synchronize: async (...all) => {
          seen.push(ids(all[0]), ids(all[1]));
          return [{ containerId: "c3" }];
        },
      },
      { ...containerd20, snapshot: () => ({ pods, containers }) },
    );
    expect(seen).toEqual([ids(pods), ids(containers)]);
    expect(plugin.synchronizeUpdates).toMatchObject([{ containerId: "c3" }]);
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

  test("when the handler takes too long: the error is still in time", async () => {
    const { connection, end } = await configured({ synchronize: () => new Promise<never>(() => {}) });
    const answer = await connection.call("Synchronize", chunk([], [], false), { timeoutNano: 300_000_000n });
    expect(answer.response?.status?.code).toBe(Code.DeadlineExceeded);
    expect(await end).toMatchObject({ kind: "lost", phase: "synchronizing", error: { code: Code.DeadlineExceeded } });
  });

  test("when the handler failed", async () => {
    const { connection, end } = await configured({ synchronize: () => Promise.reject(new Error("no journal")) });
    const answer = await connection.call("Synchronize", chunk([], [], false));
    expect(answer.response?.status).toEqual({ code: Code.Unknown, message: "no journal" });
    expect(await end).toMatchObject({ kind: "lost", phase: "synchronizing", error: { message: "no journal" } });
  });
});
