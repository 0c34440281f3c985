import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { TtrpcClient } from "../../src/nri/ttrpc/client.js";
import { decodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { concat, cut, hex, pattern, utf8 } from "../support/bytes.js";

import { MemoryChannel, message } from "./memory-channel.js";

const none = new Uint8Array(0);
const never = Deadline.after(Number.POSITIVE_INFINITY);

function connect() {
  const channel = new MemoryChannel();
  return { channel, client: new TtrpcClient(channel) };
}

function call(client: TtrpcClient, deadline = never, payload = none): Promise<Uint8Array> {
  return client.call("svc", "m", payload, { deadline });
}

function response(streamId: number, payload: Uint8Array): Uint8Array {
  return message(streamId, 2, encodeResponse({ payload }));
}

/** The timeout_nano of each request sent. */
function sentTimeouts(channel: MemoryChannel): bigint[] {
  return channel.sent.map((bytes) => decodeRequest(bytes.subarray(10)).timeoutNano);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  // A spy on a timer that is still there would be taken for the machine's own, and stay for the files that follow.
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the ttRPC client", () => {
  // Computed by hand: the frame, then service, method, payload, timeout_nano and metadata.
  it("sends a request byte for byte, and takes an answer of no bytes", async () => {
    const { channel, client } = connect();
    const options = { deadline: Deadline.after(5000, () => 0), metadata: [["k", "v"]] } as const;
    const result = client.call("svc", "m", utf8("hi"), options);
    const body = "0a 03 73 76 63 12 01 6d 1a 02 68 69 20 80 e4 97 d0 12 2a 06 0a 01 6b 12 01 76";
    expect(channel.sent).toEqual([hex(`00 00 00 1a 00 00 00 01 01 00 ${body}`)]);
    channel.receive(hex("00 00 00 00 00 00 00 01 02 00"));
    expect(await result).toEqual(none);
  });

  it("counts its stream ids 1, 3, 5, and takes answers in any order", async () => {
    const { channel, client } = connect();
    const results = Promise.all([call(client), call(client), call(client)]);
    expect(channel.sent.map((bytes) => bytes[7])).toEqual([1, 3, 5]);
    channel.receive(response(5, utf8("c")), response(1, utf8("a")), response(3, utf8("b")));
    expect(await results).toEqual([utf8("a"), utf8("b"), utf8("c")]);
  });

  it("takes an answer however it is cut", async () => {
    const bytes = concat([response(1, utf8("first")), response(3, pattern(5000))]);
    for (const length of [1, 9, 10, 11, 4096, bytes.length]) {
      const { channel, client } = connect();
      const results = Promise.all([call(client), call(client)]);
      channel.receive(...cut(bytes, length));
      expect(await results).toEqual([utf8("first"), pattern(5000)]);
    }
  });

  const timeouts = [
    { title: "no deadline", ms: Number.POSITIVE_INFINITY, nano: 0n },
    { title: "2 s", ms: 2000, nano: 2_000_000_000n },
    { title: "less than a nanosecond", ms: 1e-9, nano: 1n },
    { title: "longer than an int64", ms: 1e300, nano: 2n ** 63n - 1n },
  ];
  it.each(timeouts)("sends the time that remains: $title", ({ ms, nano }) => {
    const { channel, client } = connect();
    void call(
      client,
      Deadline.after(ms, () => 0),
    );
    expect(sentTimeouts(channel)).toEqual([nano]);
  });

  const tooLong = new Uint8Array(16 * 1024 * 1024 + 1);
  it.each([
    [
      "an error status",
      2,
      hex("0a 0a 08 0c 12 06 6d 65 74 68 6f 64"),
      { name: "StatusError", code: 12, message: "method" },
    ],
    ["a status that nobody defined", 2, hex("0a 02 08 63"), { name: "StatusError", code: 2, message: "" }],
    ["a body that is no response", 2, hex("0a 05"), { code: "PROTOCOL" }],
    ["a message that is no response", 3, none, { code: "PROTOCOL" }],
    ["an answer beyond 16 MiB", 2, tooLong, { name: "StatusError", code: 8 }],
  ])("rejects for %s, and stays up", async (_, type, body, error) => {
    const { channel, client } = connect();
    const results = [call(client), call(client)];
    channel.receive(...cut(message(1, type, body), 1024 * 1024), response(3, none));
    await expect(results[0]).rejects.toMatchObject(error);
    expect(await results[1]).toEqual(none);
  });

  it("takes a status of OK for success", async () => {
    const { channel, client } = connect();
    const result = call(client);
    channel.receive(message(1, 2, hex("0a 00 12 01 41")));
    expect(await result).toEqual(utf8("A"));
  });

  it("refuses a request beyond 4 MiB and sends nothing", async () => {
    const { channel, client } = connect();
    await expect(call(client, never, new Uint8Array(4 * 1024 * 1024))).rejects.toMatchObject({
      name: "StatusError",
      code: 8,
    });
    expect(channel.sent).toEqual([]);
    void call(client);
    expect(channel.sent[0]?.[7]).toBe(1);
  });

  it("ignores answers that nobody waits for", async () => {
    const { channel, client } = connect();
    const result = call(client);
    channel.receive(
      response(99, utf8("x")),
      response(2, utf8("y")),
      response(1, utf8("z")),
      response(1, utf8("again")),
    );
    expect(await result).toEqual(utf8("z"));
  });
});

describe("a call past its deadline", () => {
  it("is CALL_TIMEOUT; its late answer is dropped and the connection stays", async () => {
    const { channel, client } = connect();
    const late = call(client, Deadline.after(2000));
    const rejected = expect(late).rejects.toMatchObject({
      code: "CALL_TIMEOUT",
      message: "svc/m was not answered in time",
    });
    await vi.advanceTimersByTimeAsync(2000);
    await rejected;
    const next = call(client, Deadline.after(2000));
    channel.receive(response(1, utf8("late")), response(3, utf8("in time")));
    expect(await next).toEqual(utf8("in time"));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not sent when the deadline has passed before", async () => {
    const { channel, client } = connect();
    await expect(call(client, Deadline.after(0))).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
    expect(channel.sent).toEqual([]);
  });

  it("lies beyond the longest timer, and does not ring before", async () => {
    const { channel, client } = connect();
    const setTimer = vi.spyOn(globalThis, "setTimeout");
    const result = call(client, Deadline.after(2 ** 31 + 5000));
    expect(setTimer.mock.calls.map(([, delay]) => delay)).toEqual([2 ** 31 - 1]);
    await vi.advanceTimersByTimeAsync(2 ** 31);
    channel.receive(response(1, utf8("in time")));
    expect(await result).toEqual(utf8("in time"));
  });
});

describe("the end of the connection", () => {
  it("rejects every call that waits, and those that follow", async () => {
    const { channel, client } = connect();
    const waiting = [call(client, Deadline.after(2000)), call(client)];
    const rejected = Promise.all(
      waiting.map((result) => expect(result).rejects.toMatchObject({ code: "CONNECTION_CLOSED", message: "gone" })),
    );
    channel.close(new Error("gone"));
    await rejected;
    await expect(call(client)).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(channel.sent).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("comes with close too", async () => {
    const { channel, client } = connect();
    const waiting = call(client);
    client.close();
    await expect(waiting).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(channel.closedWith).toBe("orderly");
  });
});
