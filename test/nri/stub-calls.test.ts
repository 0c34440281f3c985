import { describe, expect, test } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { silentLog } from "../../src/base/logger.js";
import { encodeEvent } from "../../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../../src/nri/handlers.js";
import { Code } from "../../src/nri/ttrpc/status.js";
import { concat, hex } from "../support/bytes.js";
import { allEvents, type Listener, on } from "./support/nri-pair.js";
import { puppetStub, type Received } from "./support/puppet-runtime.js";
import { ctr, pod } from "./support/subjects.js";

const subject = { pod: pod(), container: ctr() };
const startContainer = encodeEvent("StartContainer", subject, "own").payload;
const never = () => new Promise<never>(() => {});

/** A stub that is ready, at the other end of a runtime that sends what the test says. */
async function ready(handlers: Partial<PluginHandlers> = {}, version?: string) {
  const lines: object[] = [];
  const log = { ...silentLog, error: (fields: object) => void lines.push(fields) };
  const { connection, ...started } = await puppetStub({ handlers: { ...allEvents, ...handlers }, log });
  await connection.handshake(version);
  connection.bytes.splice(0);
  return { ...started, connection, lines };
}

const statusOf = ({ response }: Received) => response?.status?.code ?? Code.OK;

describe("a call is answered", () => {
  const cpu = { shares: 1024n, quota: -1n, period: 100000n, cpus: "", mems: "" };
  const update = [{ containerId: "c2", linux: { resources: { cpu } }, ignoreFailure: true }];
  const handles = (handle: PluginHandlers["handle"] & object) => ({ handle });
  const boomText = "6e 72 69 20 76 30 2e 31 3a 20 70 6c 75 67 69 6e 3a 20 6b 6f 6e 66 69 6e 65 3a 20 62 6f 6f 6d";
  test.each<[string, Partial<PluginHandlers>, string, string]>([
    ["no bytes when there is nothing to say", {}, "StartContainer", "0000000a 00000000 00000007 0200"],
    [
      "Unknown and the text when the handler fails",
      handles(() => Promise.reject(new Error("nri v0.1: plugin: konfine: boom"))),
      "StartContainer",
      `0000002f 00000025 00000007 0200 0a 23 08 02 12 1f ${boomText}`,
    ],
    [
      "the updates that the handler asks for",
      handles(async () => ({ update })),
      "StopContainer",
      `00000032 00000028 00000007 0200 12 26 0a 24 0a 02 63 32 12 1c 0a 1a 12 18 0a 03 08 80 08
       12 0b 08 ff ff ff ff ff ff ff ff ff 01 1a 04 08 a0 8d 06 18 01`,
    ],
  ])("with %s, byte for byte", async (_, handlers, method, bytes) => {
    const { connection } = await ready(handlers);
    connection.request(method, startContainer, { streamId: 7 });
    await connection.receive();
    expect(concat(connection.bytes)).toEqual(hex(`00000001 ${bytes}`));
  });

  test.each(["StartContainer", "StateChange", "Configure", "Synchronize"])(
    "with InvalidArgument when %s's request cannot be decoded",
    async (method) => {
      const { connection } = await ready();
      expect(statusOf(await connection.call(method, hex("0a 05 61")))).toBe(Code.InvalidArgument);
    },
  );

  test("with FailedPrecondition when the runtime has not configured us", async () => {
    const { connection } = await puppetStub();
    await connection.receive();
    expect(statusOf(await connection.call("StartContainer", startContainer))).toBe(Code.FailedPrecondition);
  });

  test("with success for a StateChange that has no handler, or no event that we know", async () => {
    const { connection } = await ready();
    const unhandled = encodeEvent("PostStartContainer", subject, "StateChange").payload;
    for (const payload of [unhandled, hex("08 0e"), hex("08 63"), hex("")]) {
      expect(statusOf(await connection.call("StateChange", payload))).toBe(Code.OK);
    }
  });

  test("with success for Shutdown; the end that follows is one", async () => {
    const { connection, end } = await ready();
    expect(statusOf(await connection.call("Shutdown"))).toBe(Code.OK);
    connection.socket.end();
    expect(await end).toEqual({ kind: "shutdown" });
  });
});

const boom = () => Promise.reject(new BridgeError("PLUGIN_FAILED", "nri invoke: plugin: konfine: boom"));
const bug = () => Promise.reject(new TypeError("a fault of our own"));
const sandbox = encodeEvent("RunPodSandbox", subject, "StateChange").payload;
const unreadable = hex("08 01 12 05 61");

describe("a containerd that does not start again after it was refused one sandbox twice", () => {
  test.each<[string, Listener | undefined, Uint8Array, string]>([
    ["a plugin fails", boom, sandbox, "konfine: boom"],
    ["the bridge does", bug, sandbox, "a fault of our own"],
    ["time runs out", never, sandbox, "did not finish"],
    ["the event cannot be read", undefined, unreadable, "cannot decode the message"],
  ])("is answered without an error when %s, and the log says why", async (_, listener, payload, error) => {
    const { connection, lines } = await ready(listener && on({ RunPodSandbox: listener }), "2.1.9~ds1");
    const answer = await connection.call("StateChange", payload, { timeoutNano: 40_000_000n });
    expect(statusOf(answer)).toBe(Code.OK);
    const readable = payload === sandbox;
    expect(lines).toMatchObject([
      {
        ...(readable ? { pod: "default/web-0", id: subject.pod.id } : {}),
        error: expect.stringContaining(error),
        runtime: "containerd 2.1.9~ds1",
        fault: expect.stringContaining("containerd issue 13609"),
        remedy: expect.stringMatching(/2\.2\.6.*2\.3\.3/),
      },
    ]);
  });

  test("and so is the call of the event's own name; other events fail, and other runtimes are told", async () => {
    const { connection } = await ready({ handle: boom }, "v2.3.2");
    const payload = encodeEvent("RunPodSandbox", subject, "own").payload;
    expect(statusOf(await connection.call("RunPodSandbox", payload))).toBe(Code.OK);
    expect(statusOf(await connection.call("RunPodSandbox", hex("0a 05 61")))).toBe(Code.OK);
    expect(statusOf(await connection.call("StartContainer", startContainer))).toBe(Code.Unknown);
    const other = await ready({ handle: boom }, "2.3.3");
    expect(statusOf(await other.connection.call("StateChange", sandbox))).toBe(Code.Unknown);
  });
});

test("an answer is given before the runtime gives up, and the handler is told; what it says after that is dropped", async () => {
  let context: CallContext | undefined;
  let finish = () => {};
  const { connection } = await ready(
    on({
      StartContainer: (_event, given) => {
        context = given;
        return new Promise<undefined>((resolve) => (finish = () => resolve(undefined)));
      },
    }),
  );
  const sentAt = performance.now();
  const answered = await connection.call("StartContainer", startContainer, { timeoutNano: 400_000_000n });
  expect(performance.now() - sentAt).toBeLessThan(400);
  expect(answered.response?.status).toEqual({
    code: Code.DeadlineExceeded,
    message: "the bridge did not finish StartContainer in the time that the runtime gave",
  });
  expect(context?.cancellation.cancelled).toBe(true);
  finish();
  const next = await connection.call("PostStartContainer", startContainer);
  expect([answered.streamId, next.streamId]).toEqual([5, 7]);
});

describe("an event that asks for nothing", () => {
  const asksNothing = (event: string) => event !== "StopContainer";

  test("is answered before it is handled, and handled before an event that comes after it", async () => {
    const order: string[] = [];
    const { connection } = await ready({
      asksNothing: (event) => order.push(`asked ${event}`) > 0 && asksNothing(event),
      handle: async ({ name }, { answeredInMs }) => {
        order.push(`${name} ${answeredInMs === undefined ? "waits" : "is answered"}`);
        return answeredInMs === undefined ? { update: [] } : never();
      },
    });
    const stop = encodeEvent("StopContainer", subject, "own").payload;
    const sandboxCall = connection.call("StateChange", sandbox);
    const calls = [
      sandboxCall,
      connection.call("StartContainer", startContainer),
      connection.call("StopContainer", stop),
    ];
    for (const answer of await Promise.all(calls)) expect(statusOf(answer)).toBe(Code.OK);
    const handled = (event: string) => order.indexOf(`${event} is answered`);
    expect(handled("RunPodSandbox")).toBeGreaterThan(order.indexOf("asked RunPodSandbox"));
    expect(handled("StartContainer")).toBeGreaterThan(handled("RunPodSandbox"));
    expect(order.indexOf("StopContainer waits")).toBeGreaterThan(handled("StartContainer"));
  });

  test("is in the log when it cannot be read, or its handler fails", async () => {
    const { connection, lines } = await ready({ asksNothing, handle: bug });
    expect(statusOf(await connection.call("StateChange", unreadable))).toBe(Code.OK);
    expect(statusOf(await connection.call("StartContainer", startContainer))).toBe(Code.OK);
    const errors = ["cannot decode the message", "a fault of our own"].map((text) => expect.stringContaining(text));
    await expect.poll(() => lines).toMatchObject(errors.map((error) => ({ error })));
  });
});

test("a handler sees the call as it came: its time, its metadata, its bytes, its runtime", async () => {
  const contexts: CallContext[] = [];
  const { connection } = await ready(on({ StartContainer: async (_event, context) => void contexts.push(context) }));
  const metadata = [["traceparent", "00-1234"]] as const;
  const { method, payload } = encodeEvent("StartContainer", subject, "StateChange");
  const timeoutNano = 1_999_823_948n;
  await connection.call(method, payload, { timeoutNano, metadata });
  const runtime = { name: "containerd", version: "1.7.24" };
  expect(contexts).toMatchObject([{ event: "StartContainer", method, timeoutNano, metadata, runtime }]);
  expect(Buffer.compare(contexts[0]?.payload ?? hex(""), payload)).toBe(0);
  expect(contexts[0]?.deadline.remainingMs()).toBeGreaterThan(1000);
});
