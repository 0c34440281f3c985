import { describe, expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { TtrpcClient } from "../../src/nri/ttrpc/client.js";
import { type MethodHandler, TtrpcServer } from "../../src/nri/ttrpc/server.js";
import { Mux } from "../../src/nri/wire/mux.js";
import { ConnId } from "../../src/nri/wire/mux-frame.js";
import { connectTrunk } from "../../src/nri/wire/socket.js";
import type { Channel, Trunk } from "../../src/nri/wire/trunk.js";
import { listenTrunks } from "../../src/tools/runtime/listen.js";
import { pattern, utf8 } from "../support/bytes.js";
import { socketPath } from "./socket-directory.js";

const MiB = 1024 * 1024;

interface Side {
  readonly mux: Mux;
  readonly client: TtrpcClient;
}

/** Serves one of the NRI connections and calls on the other, as the plugin and the runtime do. */
function side(trunk: Trunk, serves: number, calls: number, methods: Record<string, MethodHandler>): Side {
  const mux = new Mux(trunk);
  const [served, called]: [Channel, Channel] = [mux.open(serves), mux.open(calls)];
  new TtrpcServer(served, { svc: methods });
  return { mux, client: new TtrpcClient(called) };
}

async function session(plugin: Record<string, MethodHandler>, runtime: Record<string, MethodHandler> = {}) {
  const path = await socketPath();
  let accept: (trunk: Trunk) => void = () => {};
  const accepted = new Promise<Trunk>((resolve) => {
    accept = resolve;
  });
  const listener = await listenTrunks(path, accept);
  const near = side(await connectTrunk(path, 1000), ConnId.plugin, ConnId.runtime, plugin);
  const far = side(await accepted, ConnId.runtime, ConnId.plugin, runtime);
  onTestFinished(async () => {
    near.mux.close();
    far.mux.close();
    await listener.close();
  });
  return { plugin: near, runtime: far };
}

function call({ client }: Side, method: string, payload: Uint8Array, ms = 10_000): Promise<Uint8Array> {
  return client.call("svc", method, payload, { deadline: Deadline.after(ms) });
}

describe("a session over a unix socket", () => {
  it("calls in both directions at the same time", async () => {
    const { plugin, runtime } = await session(
      { configure: ({ payload }) => payload },
      { register: async () => await call(runtime, "configure", utf8("first the question")) },
    );
    expect(await call(plugin, "register", utf8("me"))).toEqual(utf8("first the question"));
  });

  it.each([0, 1, 4085, 4086, 4087, 5000, 65_536, MiB, 4 * MiB - 100])(
    "carries %i bytes there and back",
    async (length) => {
      const { runtime } = await session({ echo: ({ payload }) => payload });
      const sent = pattern(length);
      expect(Buffer.compare(await call(runtime, "echo", sent), sent)).toBe(0);
    },
  );

  it("carries many calls at a time", async () => {
    const { runtime } = await session({ echo: ({ payload }) => payload });
    const sent = Array.from({ length: 300 }, (_, at) => pattern(at * 50));
    const answers = await Promise.all(sent.map((payload) => call(runtime, "echo", payload)));
    // Not toEqual on their bytes: it looks at each of two million for itself.
    expect(answers.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
    expect(Buffer.concat(answers).equals(Buffer.concat(sent))).toBe(true);
  });

  it("outlives a call that nobody answered in time", async () => {
    let answerLate: (payload: Uint8Array) => void = () => {};
    const { runtime } = await session({
      wait: () =>
        new Promise((resolve) => {
          answerLate = resolve;
        }),
      echo: ({ payload }) => payload,
    });
    await expect(call(runtime, "wait", utf8("x"), 50)).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    answerLate(utf8("late"));
    expect(await call(runtime, "echo", utf8("y"))).toEqual(utf8("y"));
  });

  it("tells the handler how long the caller waits", async () => {
    const remaining: number[] = [];
    const { runtime } = await session({
      echo: ({ deadline, payload }) => {
        remaining.push(deadline.remainingMs());
        return payload;
      },
    });
    await call(runtime, "echo", utf8("x"), 2000);
    expect(remaining[0]).toBeGreaterThan(1000);
    expect(remaining[0]).toBeLessThanOrEqual(2000);
  });

  it("ends for both sides at once: calls that wait are rejected, calls being answered aborted", async () => {
    let begun: () => void = () => {};
    const inHandler = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let aborted: (reason: unknown) => void = () => {};
    const abort = new Promise((resolve) => {
      aborted = resolve;
    });
    const { plugin, runtime } = await session({
      wait: ({ cancellation }) => {
        cancellation.listen(() => aborted(cancellation.reason));
        begun();
        return new Promise(() => {});
      },
    });
    const waiting = expect(call(runtime, "wait", utf8("x"))).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    await inHandler;
    runtime.mux.close();
    await waiting;
    expect(await abort).toMatchObject({ code: "CONNECTION_CLOSED" });
    await expect(call(plugin, "register", utf8("x"))).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
  });
});
