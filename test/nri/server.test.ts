import { describe, expect, it, vi } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { encodeRequest, type TtrpcRequest } from "../../src/nri/ttrpc/envelope.js";
import { type Call, TtrpcServer } from "../../src/nri/ttrpc/server.js";
import { Code, StatusError } from "../../src/nri/ttrpc/status.js";
import { concat, cut, hex, utf8 } from "../support/bytes.js";
import { MemoryChannel, message, settled } from "./support/memory.js";

const none = new Uint8Array(0);

function request(method: string, more: Partial<TtrpcRequest> = {}): Uint8Array {
  return encodeRequest({ service: "svc", method, payload: none, timeoutNano: 0n, metadata: [], ...more });
}

const echo = (streamId: number) => message(streamId, 1, request("echo"));

/** A server with a few methods; waiting calls are answered by the test. */
function serve() {
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
  const onInternalError = vi.fn();
  const onRefused = vi.fn();
  new TtrpcServer(channel, services, { onInternalError, onRefused });
  return { channel, calls, waiting, onInternalError, onRefused };
}

async function answers(...messages: Uint8Array[]) {
  const { channel } = serve();
  channel.receive(...messages);
  await settled();
  return channel.responses();
}

describe("the ttRPC server", () => {
  it("answers with a body of no bytes, and takes a request of none", async () => {
    const { channel } = serve();
    channel.receive(echo(1));
    await settled();
    expect(channel.sent).toEqual([hex("00 00 00 00 00 00 00 01 02 00")]);
    expect(await answers(message(1, 1, none))).toMatchObject([{ streamId: 1, status: { code: 12 } }]);
  });

  it("answers each request on its stream, however they are cut, up to the highest stream id", async () => {
    const ids = [1, 3, 0x7fffffff, 0xffffffff];
    const bytes = concat(ids.map((id) => message(id, 1, request("echo", { payload: utf8(`call ${id}`) }))));
    const expected = ids.map((streamId) => ({ streamId, payload: utf8(`call ${streamId}`) }));
    for (const length of [1, 2, 9, 10, 11, bytes.length]) {
      expect(await answers(...cut(bytes, length))).toEqual(expected);
    }
  });

  it.each([
    ["an unknown service", "other", "echo", 12, "service other"],
    ["a service named as an object's own", "__proto__", "echo", 12, "service __proto__"],
    ["an unknown method", "svc", "Nothing", 12, "method Nothing"],
    ["a handler's StatusError", "svc", "refuse", 5, "no such pod"],
    ["a handler's error", "svc", "fail", 2, "nri v0.1: plugin: konfine: boom"],
    ["a handler's fault", "svc", "crash", 2, "a fault"],
    ["an answer of more than 4 MiB", "svc", "long", 8, "message length 4194309 exceeds the maximum of 4194304"],
  ])("answers %s with its code and stays up", async (_, service, method, code, text) => {
    const found = await answers(message(1, 1, request(method, { service })), echo(3));
    expect(found).toContainEqual({ streamId: 1, status: { code, message: text }, payload: none });
    expect(found).toContainEqual({ streamId: 3, payload: none });
  });

  it.each<[string, Uint8Array[], number, string]>([
    ["an even stream id", [echo(2)], 2, "stream id 2 is even; a client's are odd"],
    ["stream id 0", [echo(0)], 0, "stream id 0 is even; a client's are odd"],
    ["a stream id used before", [echo(5), echo(5)], 5, "stream id 5 cannot be re-used, ids must increase"],
    ["a stream id below the last", [echo(5), echo(3)], 3, "stream id 3 cannot be re-used, ids must increase"],
    ["streamed data", [message(3, 3, utf8("x"))], 3, "stream 3 is not active: no call streams here"],
    [
      "what cannot be decoded",
      [message(3, 1, hex("0a 05 61"))],
      3,
      "cannot decode the message: index out of range: 2 + 5 > 3",
    ],
  ])("answers %s with InvalidArgument, and stays up", async (_, messages, streamId, text) => {
    const found = await answers(...messages, echo(7));
    expect(found).toContainEqual({ streamId, status: { code: 3, message: text }, payload: none });
    expect(found).toContainEqual({ streamId: 7, payload: none });
  });

  it("counts a stream id as used though its request cannot be decoded", async () => {
    const found = await answers(message(1, 1, hex("0a 05 61")), echo(1));
    expect(found).toMatchObject([{ status: { code: 3 } }, { status: { code: 3 } }]);
  });

  it("ignores message types that it does not know, a response among them", async () => {
    expect(await answers(message(1, 2, none), message(3, 9, utf8("?")), echo(1))).toEqual([
      { streamId: 1, payload: none },
    ]);
  });

  it("takes a request of 16 MiB, more than anyone may send; a longer one is ResourceExhausted, and it stays up", async () => {
    const { channel, calls } = serve();
    const body = request("wait", { payload: new Uint8Array(16 * 1024 * 1024 - 20) });
    channel.receive(...cut(message(1, 1, body), 65_536));
    expect(calls[0]?.payload.length).toBe(16 * 1024 * 1024 - 20);

    const bytes = concat([message(3, 1, new Uint8Array(16 * 1024 * 1024 + 1)), echo(5)]);
    channel.receive(...cut(bytes, 65_536));
    await settled();
    const text = "message length 16777217 exceeds the maximum of 16777216";
    expect(channel.responses()).toEqual([
      { streamId: 3, status: { code: 8, message: text }, payload: none },
      { streamId: 5, payload: none },
    ]);
  });

  it("handles calls at the same time and answers as they end; more than 1024 at a time are refused", async () => {
    const { channel, waiting } = serve();
    for (let at = 0; at <= 1024; at++) channel.receive(message(2 * at + 1, 1, request("wait")));
    expect(channel.responses()).toMatchObject([{ streamId: 2049, status: { code: 8 } }]);
    for (const at of [1, 0]) {
      waiting[at]?.(none);
      await settled();
    }
    channel.receive(echo(2051));
    await settled();
    expect(channel.responses().map(({ streamId }) => streamId)).toEqual([2049, 3, 1, 2051]);
  });
});

describe("a call", () => {
  const metadata = [["traceparent", "00-1-2-01"]] as const;
  it.each([
    ["2 s", 2_000_000_000n, 2000],
    ["none", 0n, Number.POSITIVE_INFINITY],
    ["one that passed before it came", -5n, 0],
  ])("carries the request, its metadata, and how long the caller waits: %s", (_, timeoutNano, remainingMs) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const { channel, calls } = serve();
    channel.receive(message(1, 1, request("echo", { timeoutNano, metadata })));
    expect(calls[0]).toMatchObject({ service: "svc", method: "echo", timeoutNano, metadata });
    expect(calls[0]?.deadline.remainingMs()).toBe(remainingMs);
    vi.useRealTimers();
  });

  it("is cancelled when the connection closes, and its answer dropped", async () => {
    const { channel, calls, waiting, onInternalError } = serve();
    channel.receive(message(1, 1, request("wait")), echo(3));
    await settled();
    await channel.end();
    expect(calls[0]?.cancellation.reason).toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(calls[1]?.cancellation.cancelled).toBe(false);
    waiting[0]?.(utf8("late"));
    await settled();
    expect(channel.sent).toHaveLength(1);
    expect(onInternalError).not.toHaveBeenCalled();
  });

  it("that ends in a fault is told of beside the answer, one that reached no handler as refused; a plugin's failure is neither", async () => {
    const { channel, onInternalError, onRefused } = serve();
    const methods = ["crash", "fail", "refuse", "long", "nothing"];
    channel.receive(...methods.map((method, at) => message(2 * at + 1, 1, request(method))));
    await settled();
    expect(channel.sent).toHaveLength(5);
    expect(onInternalError.mock.calls).toEqual([
      [expect.objectContaining({ method: "crash" }), new TypeError("a fault")],
    ]);
    expect(onRefused.mock.calls).toEqual([[new StatusError(Code.Unimplemented, "method nothing")]]);
  });
});
