import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { TtrpcClient } from "../../src/nri/ttrpc/client.js";
import { decodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { concat, cut, hex, pattern, utf8 } from "../support/bytes.js";
import { MemoryChannel, message } from "./support/memory.js";

const none = new Uint8Array(0);
const never = Deadline.after(Number.POSITIVE_INFINITY);

function connect() {
  const channel = new MemoryChannel();
  const client = new TtrpcClient(channel);
  const call = (deadline = never, payload = none) => client.call("svc", "m", payload, { deadline });
  return { channel, client, call };
}

const response = (streamId: number, payload: Uint8Array) => message(streamId, 2, encodeResponse({ payload }));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  // A spy on a timer that is still there would be taken for the machine's own, and stay for the files that follow.
  vi.restoreAllMocks();
  vi.useRealTimers();
});

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

it("counts its stream ids 1, 3, 5, and takes answers in any order, however they are cut; what nobody waits for is dropped", async () => {
  const answers = [response(99, utf8("x")), response(5, utf8("c")), response(1, utf8("a")), response(1, utf8("again"))];
  const bytes = concat([...answers, response(3, pattern(5000))]);
  for (const length of [1, 9, 10, 11, 4096, bytes.length]) {
    const { channel, call } = connect();
    const results = Promise.all([call(), call(), call()]);
    expect(channel.sent.map((sent) => sent[7])).toEqual([1, 3, 5]);
    channel.receive(...cut(bytes, length));
    expect(await results).toEqual([utf8("a"), pattern(5000), utf8("c")]);
  }
});

it.each([
  { title: "no deadline", ms: Number.POSITIVE_INFINITY, nano: 0n },
  { title: "2 s", ms: 2000, nano: 2_000_000_000n },
  { title: "less than a nanosecond", ms: 1e-9, nano: 1n },
])("sends the time that remains: $title", ({ ms, nano }) => {
  const { channel, call } = connect();
  void call(Deadline.after(ms, () => 0));
  expect(channel.sent.map((bytes) => decodeRequest(bytes.subarray(10)).timeoutNano)).toEqual([nano]);
});

it.each([
  ["an error status", 2, hex("0a 05 08 0c 12 01 6d"), { name: "StatusError", code: 12, message: "m" }],
  ["a status that nobody defined", 2, hex("0a 02 08 63"), { name: "StatusError", code: 99, message: "" }],
  ["a body that is no response", 2, hex("0a 05"), { code: "PROTOCOL" }],
  ["a message that is no response", 3, none, { code: "PROTOCOL" }],
  ["an answer beyond 16 MiB", 2, new Uint8Array(16 * 1024 * 1024 + 1), { name: "StatusError", code: 8 }],
])("rejects for %s, and stays up", async (_, type, body, error) => {
  const { channel, call } = connect();
  const results = [call(), call()];
  // A status of OK is success.
  const ok = message(3, 2, hex("0a 00 12 01 41"));
  channel.receive(...cut(message(1, type, body), 1024 * 1024), ok);
  await expect(results[0]).rejects.toMatchObject(error);
  expect(await results[1]).toEqual(utf8("A"));
});

it("refuses a request beyond 4 MiB, and one whose time is over, and sends nothing", async () => {
  const { channel, call } = connect();
  const long = new Uint8Array(4 * 1024 * 1024);
  await expect(call(never, long)).rejects.toMatchObject({ name: "StatusError", code: 8 });
  await expect(call(Deadline.after(0))).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
  expect(channel.sent).toEqual([]);
  void call();
  expect(channel.sent[0]?.[7]).toBe(1);
});

it("gives a call past its deadline up; its late answer is dropped and the connection stays", async () => {
  const { channel, call } = connect();
  const late = { code: "CALL_TIMEOUT", message: "svc/m was not answered in time" };
  const rejected = expect(call(Deadline.after(2000))).rejects.toMatchObject(late);
  await vi.advanceTimersByTimeAsync(2000);
  await rejected;
  const next = call(Deadline.after(2000));
  channel.receive(response(1, utf8("late")), response(3, utf8("in time")));
  expect(await next).toEqual(utf8("in time"));
  expect(vi.getTimerCount()).toBe(0);
});

it("does not give up a call before a deadline that lies beyond the longest timer", async () => {
  const { channel, call } = connect();
  const setTimer = vi.spyOn(globalThis, "setTimeout");
  const result = call(Deadline.after(2 ** 31 + 5000));
  expect(setTimer.mock.calls.map(([, delay]) => delay)).toEqual([2 ** 31 - 1]);
  await vi.advanceTimersByTimeAsync(2 ** 31);
  channel.receive(response(1, utf8("in time")));
  expect(await result).toEqual(utf8("in time"));
});

it("rejects every call that waits when the connection ends, and those that follow", async () => {
  const { channel, call } = connect();
  const gone = { code: "CONNECTION_CLOSED", message: "gone" };
  const rejected = [call(Deadline.after(2000)), call()].map((result) => expect(result).rejects.toMatchObject(gone));
  await channel.end(new Error("gone"));
  await Promise.all(rejected);
  await expect(call()).rejects.toMatchObject(gone);
  expect(channel.sent).toHaveLength(2);
  expect(vi.getTimerCount()).toBe(0);
});
