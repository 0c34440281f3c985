import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { encodeRequest, type TtrpcRequest } from "../../src/nri/ttrpc/envelope.js";
import { type Call, TtrpcServer, type TtrpcServerOptions } from "../../src/nri/ttrpc/server.js";
import { Code, StatusError } from "../../src/nri/ttrpc/status.js";
import { concat, cut, hex, utf8 } from "../support/bytes.js";
import { MemoryChannel, message, settled } from "./memory-channel.js";

const none = new Uint8Array(0);

function request(method: string, more: Partial<TtrpcRequest> = {}): Uint8Array {
  return encodeRequest({ service: "svc", method, payload: none, timeoutNano: 0n, metadata: [], ...more });
}

/** A server with a few methods; waiting calls are answered by the test. */
function serve(options: TtrpcServerOptions = {}) {
  const channel = new MemoryChannel();
  const calls: Call[] = [];
  const waiting: ((payload: Uint8Array) => void)[] = [];
  const services = {
    svc: {
      echo: (call: Call) => {
        calls.push(call);
        return call.payload;
      },
      wait: (call: Call) => {
        calls.push(call);
        return new Promise<Uint8Array>((resolve) => waiting.push(resolve));
      },
      refuse: () => {
        throw new StatusError(Code.NotFound, "no such pod");
      },
      fail: async () => {
        throw new BridgeError("PLUGIN_FAILED", "nri v0.1: plugin: konfine: boom");
      },
      crash: () => {
        throw new TypeError("a fault");
      },
      long: () => new Uint8Array(4 * 1024 * 1024),
    },
  };
  new TtrpcServer(channel, services, options);
  return { channel, calls, waiting };
}

async function answers(...messages: Uint8Array[]) {
  const { channel } = serve();
  channel.receive(...messages);
  await settled();
  return channel.responses().map(({ streamId, status, payload }) => ({ streamId, status, payload }));
}

describe("the ttRPC server", () => {
  it("answers a request on its stream", async () => {
    expect(await answers(message(1, 1, request("echo", { payload: utf8("hi") })))).toEqual([
      { streamId: 1, payload: utf8("hi") },
    ]);
  });

  it("answers with a body of no bytes, and takes a request of none", async () => {
    const { channel } = serve();
    channel.receive(message(1, 1, request("echo")));
    await settled();
    expect(channel.sent).toEqual([hex("00 00 00 00 00 00 00 01 02 00")]);
    expect(await answers(message(1, 1, none))).toEqual([
      { streamId: 1, status: { code: 12, message: "service " }, payload: none },
    ]);
  });

  it("answers the same however the requests are cut", async () => {
    const bytes = concat([1, 3, 5].map((id) => message(id, 1, request("echo", { payload: utf8(`call ${id}`) }))));
    const expected = [1, 3, 5].map((streamId) => ({ streamId, payload: utf8(`call ${streamId}`) }));
    for (const length of [1, 2, 9, 10, 11, bytes.length])
      expect(await answers(...cut(bytes, length))).toEqual(expected);
    for (let at = 0; at <= bytes.length; at++) {
      expect(await answers(bytes.slice(0, at), bytes.slice(at)), `cut at ${at}`).toEqual(expected);
    }
  });

  it.each([
    ["an unknown service", "other", "echo", 12, "service other"],
    ["a service named as an object's own", "__proto__", "echo", 12, "service __proto__"],
    ["a service named constructor", "constructor", "echo", 12, "service constructor"],
    ["an unknown method", "svc", "Nothing", 12, "method Nothing"],
    ["a method named as an object's own", "svc", "__proto__", 12, "method __proto__"],
    ["a method named toString", "svc", "toString", 12, "method toString"],
    ["a handler's StatusError", "svc", "refuse", 5, "no such pod"],
    ["a handler's error", "svc", "fail", 2, "nri v0.1: plugin: konfine: boom"],
    ["a handler's fault", "svc", "crash", 2, "a fault"],
    ["an answer of more than 4 MiB", "svc", "long", 8, "message length 4194309 exceeds the maximum of 4194304"],
  ])("answers %s with its code and stays up", async (_, service, method, code, text) => {
    expect(await answers(message(1, 1, request(method, { service })), message(3, 1, request("echo")))).toEqual(
      expect.arrayContaining([
        { streamId: 1, status: { code, message: text }, payload: none },
        { streamId: 3, payload: none },
      ]),
    );
  });

  const echo = (streamId: number) => message(streamId, 1, request("echo"));
  it.each<[string, Uint8Array[], number, string]>([
    ["an even stream id", [echo(2)], 2, "stream id 2 is even; a client's are odd"],
    ["stream id 0", [echo(0)], 0, "stream id 0 is even; a client's are odd"],
    ["a stream id used before", [echo(5), echo(5)], 5, "stream id 5 cannot be re-used, ids must increase"],
    ["a stream id below the last", [echo(5), echo(3)], 3, "stream id 3 cannot be re-used, ids must increase"],
    ["streamed data", [message(3, 3, utf8("x"))], 3, "stream 3 is not active; there are no streaming calls here"],
  ])("answers %s with InvalidArgument and stays up", async (_, messages, streamId, text) => {
    const found = await answers(...messages, echo(7));
    expect(found).toContainEqual({ streamId, status: { code: 3, message: text }, payload: none });
    expect(found).toContainEqual({ streamId: 7, payload: none });
  });

  it("answers a request that cannot be decoded with InvalidArgument, and its stream id is used", async () => {
    const found = await answers(message(1, 1, hex("0a 05 61")), message(1, 1, request("echo")));
    expect(found.map(({ streamId, status }) => [streamId, status?.code])).toEqual([
      [1, 3],
      [1, 3],
    ]);
    expect(found[0]?.status?.message).toContain("the request cannot be decoded");
  });

  it("takes requests with the highest stream ids", async () => {
    const ids = [0x7fffffff, 0x80000001, 0xffffffff];
    const found = await answers(...ids.map((id) => message(id, 1, request("echo"))));
    expect(found.map(({ streamId }) => streamId)).toEqual(ids);
  });

  it("ignores message types that it does not know, a response among them", async () => {
    expect(await answers(message(1, 2, none), message(3, 9, utf8("?")), message(1, 1, request("echo")))).toEqual([
      { streamId: 1, payload: none },
    ]);
  });

  it("takes a request of 16 MiB, more than anyone may send", async () => {
    const { channel, calls } = serve();
    const body = request("wait", { payload: new Uint8Array(16 * 1024 * 1024 - 20) });
    channel.receive(...cut(message(1, 1, body), 65_536));
    expect(calls[0]?.payload.length).toBe(16 * 1024 * 1024 - 20);
  });

  it("answers a request beyond 16 MiB with ResourceExhausted and stays up", async () => {
    const length = 16 * 1024 * 1024 + 1;
    const bytes = concat([message(1, 1, new Uint8Array(length)), message(3, 1, request("echo"))]);
    const text = "message length 16777217 exceeds the maximum of 16777216";
    expect(await answers(...cut(bytes, 65_536))).toEqual([
      { streamId: 1, status: { code: 8, message: text }, payload: none },
      { streamId: 3, payload: none },
    ]);
  });

  it("handles calls at the same time and answers as they end", async () => {
    const { channel, waiting } = serve();
    channel.receive(message(1, 1, request("wait")), message(3, 1, request("wait")));
    waiting[1]?.(utf8("second"));
    await settled();
    waiting[0]?.(utf8("first"));
    await settled();
    expect(channel.responses().map(({ streamId }) => streamId)).toEqual([3, 1]);
  });

  it("refuses more calls at a time than it was told to take", async () => {
    const { channel, waiting } = serve({ maxInFlight: 2 });
    channel.receive(...[1, 3, 5].map((id) => message(id, 1, request("wait"))));
    expect(channel.responses()).toMatchObject([{ streamId: 5, status: { code: 8 } }]);
    for (const answer of waiting) answer(none);
    await settled();
    channel.receive(message(7, 1, request("echo")));
    await settled();
    expect(channel.responses().at(-1)).toMatchObject({ streamId: 7, payload: none });
  });

  it("never does anything but answer on garbage", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (chunks) => {
        const onInternalError = vi.fn();
        const { channel } = serve({ onInternalError });
        channel.receive(...chunks);
        expect(channel.closedWith).toBeUndefined();
        expect(onInternalError).not.toHaveBeenCalled();
      }),
    );
  });
});

describe("a call", () => {
  it("carries the request, its metadata, and how long the caller waits", async () => {
    let now = 1000;
    const { channel, calls } = serve({ clock: () => now });
    const metadata: [string, string][] = [["traceparent", "00-1-2-01"]];
    channel.receive(message(1, 1, request("echo", { timeoutNano: 2_000_000_000n, metadata })));
    const call = calls[0];
    expect(call).toMatchObject({ service: "svc", method: "echo", timeoutNano: 2_000_000_000n, metadata });
    expect(call?.deadline.remainingMs()).toBe(2000);
    now += 500;
    expect(call?.deadline.remainingMs()).toBe(1500);
  });

  const timeouts = [
    { title: "none", nano: 0n, remaining: Number.POSITIVE_INFINITY },
    { title: "one that passed before it came", nano: -5n, remaining: 0 },
    { title: "less than a millisecond", nano: 500_000n, remaining: 0.5 },
  ];
  it.each(timeouts)("has a deadline for a timeout of $title", ({ nano, remaining }) => {
    const { channel, calls } = serve({ clock: () => 0 });
    channel.receive(message(1, 1, request("echo", { timeoutNano: nano })));
    expect(calls[0]?.deadline.remainingMs()).toBe(remaining);
  });

  it("is aborted when the connection closes, and its answer dropped", async () => {
    const onInternalError = vi.fn();
    const { channel, calls, waiting } = serve({ onInternalError });
    channel.receive(message(1, 1, request("wait")), message(3, 1, request("echo")));
    await settled();
    expect(calls.map(({ cancellation }) => cancellation.cancelled)).toEqual([false, false]);
    channel.close();
    await settled();
    const [pending, answered] = calls;
    expect(pending?.cancellation.reason).toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(answered?.cancellation.cancelled).toBe(false);
    waiting[0]?.(utf8("late"));
    await settled();
    expect(channel.sent).toHaveLength(1);
    expect(onInternalError).not.toHaveBeenCalled();
  });
});

describe("a fault that nobody foresaw", () => {
  it("is told beside the answer; a plugin's failure is not one", async () => {
    const onInternalError = vi.fn();
    const { channel } = serve({ onInternalError });
    channel.receive(
      ...["crash", "fail", "refuse", "long"].map((method, at) => message(2 * at + 1, 1, request(method))),
    );
    await settled();
    expect(channel.sent).toHaveLength(4);
    expect(onInternalError).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ method: "crash" }),
      new TypeError("a fault"),
    );
  });
});
