import { describe, expect, it } from "vitest";
import { Cancellation } from "../src/base/cancellation.js";
import { Deadline } from "../src/base/deadline.js";
import { type Log, silentLog } from "../src/base/logger.js";
import { type EventResponse, noRequest } from "../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../src/nri/handlers.js";
import { Code, StatusError } from "../src/nri/ttrpc/status.js";
import { type CallWatcher, watchHandlers } from "../src/nri/watch-calls.js";
import { recordedEvents } from "./support/recorded-events.js";

const event = recordedEvents("basic-hostnet", "StartContainer");

function callOf(cancellation = new Cancellation()): CallContext {
  const nri = { major: 0, minor: 6, patch: 1, preRelease: false, source: "inferred" } as const;
  const runtime = { name: "containerd", version: "v1.7.24", nri, requestTimeoutMs: 2000 };
  const call = { method: "StateChange", payload: new Uint8Array(), timeoutNano: 0n, metadata: [] };
  return { ...call, event: "StartContainer", deadline: Deadline.after(2000), cancellation, runtime };
}

function createWatcher() {
  const told: unknown[] = [];
  const watcher: CallWatcher = {
    began: ({ name }) => told.push(name),
    ended: ({ name }, _call, { response, error }) => told.push([name, response, error]),
  };
  return { told, watcher };
}

const inner = (over: Partial<PluginHandlers>): PluginHandlers => ({ configure: () => [], ...over });

describe("handlers that are watched", () => {
  it("answer as they do, and the watcher is told of the beginning and the answer", async () => {
    const { told, watcher } = createWatcher();
    const adjust = { annotations: { a: "b" } };
    const handlers = watchHandlers(inner({ handle: async () => ({ adjust, update: [] }) }), [watcher], silentLog);
    expect(await handlers.handle?.({ ...event, name: "CreateContainer" }, callOf())).toEqual({ adjust, update: [] });
    expect(told).toEqual(["CreateContainer", ["CreateContainer", { adjust, update: [] }, undefined]]);
  });

  it("read events sparingly where they do, and nobody who watches reads all of them", () => {
    const sparing = inner({ sparing: () => true });
    expect(watchHandlers(sparing, [{}], silentLog).sparing?.()).toBe(true);
    expect(watchHandlers(sparing, [{}, { readsAll: true }], silentLog).sparing?.()).toBe(false);
    expect(watchHandlers(inner({}), [{}], silentLog).sparing?.()).toBe(false);
  });

  it.each([
    ["a pod sandbox fails", () => Promise.reject(new Error("no"))],
    ["its time runs out", () => new Promise<never>(() => {})],
  ])("tell of no error that this runtime is not told: %s on containerd 2.1.9", async (_, handle) => {
    const { told, watcher } = createWatcher();
    const cancellation = new Cancellation();
    const call = callOf(cancellation);
    const runtime = { ...call.runtime, version: "v2.1.9" };
    const running = watchHandlers(inner({ handle }), [watcher], silentLog).handle?.(
      { name: "RunPodSandbox", pod: event.pod },
      { ...call, event: "RunPodSandbox", runtime },
    );
    running?.catch(() => {});
    await new Promise(setImmediate);
    cancellation.cancel(new StatusError(Code.DeadlineExceeded, "not done in time"));
    expect(told).toEqual(["RunPodSandbox", ["RunPodSandbox", { update: [] }, undefined]]);
  });

  it("tell once, when the answer went out without them because time ran out", async () => {
    const { told, watcher } = createWatcher();
    let finish = () => {};
    const slow = () => new Promise<EventResponse>((resolve) => (finish = () => resolve(noRequest)));
    const handlers = watchHandlers(inner({ handle: slow }), [watcher], silentLog);
    const cancellation = new Cancellation();
    const running = handlers.handle?.(event, callOf(cancellation));
    cancellation.cancel(new StatusError(Code.DeadlineExceeded, "not done in time"));
    finish();
    await running;
    const error = { code: "DEADLINE_EXCEEDED", message: "not done in time" };
    expect(told).toEqual(["StartContainer", ["StartContainer", { update: [] }, error]]);
  });

  it("tell how long the answer took of an event that was answered before it was handled", async () => {
    const took: number[] = [];
    const watcher: CallWatcher = { ended: (_event, _call, { durationMs }) => took.push(durationMs) };
    const handlers = watchHandlers(inner({}), [watcher], silentLog);
    await handlers.handle?.(event, { ...callOf(), answeredInMs: -1 });
    expect(took).toEqual([-1]);
  });

  it("tell no error of such an event: the runtime saw none", async () => {
    const { told, watcher } = createWatcher();
    const handlers = watchHandlers(inner({ handle: () => Promise.reject(new Error("a fault")) }), [watcher], silentLog);
    await expect(handlers.handle?.(event, { ...callOf(), answeredInMs: 1 })).rejects.toThrow("a fault");
    expect(told).toEqual(["StartContainer", ["StartContainer", { update: [] }, undefined]]);
  });

  it("do not mind a watcher that throws", async () => {
    const lines: object[] = [];
    const log: Log = { ...silentLog, error: (fields) => void lines.push(fields) };
    const fail = () => {
      throw new Error("the watcher's own fault");
    };
    const watcher: CallWatcher = { configured: fail, synchronizing: fail, began: fail, ended: fail };
    const { told, watcher: other } = createWatcher();
    const handlers = watchHandlers(inner({}), [watcher, other], log);
    await handlers.handle?.(event, callOf());
    expect(await handlers.synchronize?.([], [], callOf())).toEqual([]);
    expect(told).toHaveLength(2);
    expect(lines).toHaveLength(3);
  });
});
