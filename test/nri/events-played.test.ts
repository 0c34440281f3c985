import { describe, expect, test } from "vitest";
import {
  type EventName,
  type EventSubject,
  encodeEvent,
  eventNames,
  events,
  type NriEvent,
} from "../../src/nri/events.js";
import type { CallContext } from "../../src/nri/handlers.js";
import { connectPair, containerd17, containerd23, on, type Pair } from "./support/nri-pair.js";
import { ctr, pod } from "./support/subjects.js";

/** Handlers for every event, which note what they get. */
function noting() {
  const deliveries: { readonly event: NriEvent; readonly context: CallContext }[] = [];
  const handle = async (event: NriEvent, context: CallContext) => {
    deliveries.push({ event, context });
    // What an event's answer has no place for is left out.
    return { adjust: { annotations: { a: "b" } }, update: [{ containerId: "c2", ignoreFailure: true }] };
  };
  return { deliveries, handlers: { handle } };
}

const linuxResources = { memory: { limit: 9223372036854771712n }, hugepageLimits: [], unified: {}, devices: [] };
const subjects: Partial<Record<EventName, EventSubject>> = {
  UpdateContainer: { pod: pod(), container: ctr(), linuxResources },
  UpdatePodSandbox: { pod: pod(), linuxResources, overheadLinuxResources: linuxResources },
};
const subjectOf = (name: EventName): EventSubject => subjects[name] ?? { pod: pod(), container: ctr() };

const dialects = [
  { title: "containerd 1.7", runtime: containerd17, ownCalls: false, podUpdates: false },
  { title: "containerd 2.2", runtime: { name: "containerd", version: "v2.2.1" }, ownCalls: false, podUpdates: true },
  { title: "containerd 2.3", runtime: containerd23, ownCalls: true, podUpdates: true },
];

describe.each(dialects)("$title sends", ({ runtime, ownCalls, podUpdates }) => {
  test.each(eventNames)("%s in its dialect, and its own handler gets all of it", async (name) => {
    const { deliveries, handlers } = noting();
    const { plugin } = await connectPair(handlers, runtime);
    const outcome = await plugin.call(name, subjectOf(name));
    if (!podUpdates && events[name].since === "0.10.0") {
      expect([outcome, deliveries]).toEqual([{ dropped: false, durationMs: 0, response: { update: [] } }, []]);
      return;
    }
    const method = ownCalls || events[name].call === "own" ? name : "StateChange";
    expect(outcome).toMatchObject({ method, dropped: false });
    const { container, ...rest } = subjectOf(name);
    const about = events[name].subject === "pod" ? rest : { ...rest, container };
    expect(deliveries).toMatchObject([{ event: { name, ...about }, context: { event: name, method } }]);
    expect(outcome.response?.update.map(({ containerId }) => containerId)).toEqual(
      ["CreateContainer", "UpdateContainer", "StopContainer"].includes(name) ? ["c2"] : [],
    );
    expect({ ...outcome.response?.adjust?.annotations }).toEqual(name === "CreateContainer" ? { a: "b" } : {});
  });
});

test("an event that the plugin has not subscribed to is not sent", async () => {
  const { deliveries, handlers } = noting();
  const { plugin } = await connectPair({ ...handlers, configure: () => ["StartContainer"] });
  expect(plugin.events).toEqual(["StartContainer"]);
  await plugin.call("StopContainer", subjectOf("StopContainer"));
  expect(deliveries).toEqual([]);
});

describe("answers of any size come through: the runtime's reader wants a first frame of at most 4096 bytes", () => {
  const answering = (bytes: number): Promise<Pair> =>
    connectPair(on({ CreateContainer: async () => ({ adjust: { annotations: { a: "x".repeat(bytes) } } }) }));

  // 4068 bytes make a message of 4096, the most for one frame.
  test.each([1, 4067, 4068, 4069, 5000, 1 << 20, (4 << 20) - 100])("%i bytes", async (bytes) => {
    const { plugin } = await answering(bytes);
    const outcome = await plugin.call("CreateContainer", subjectOf("CreateContainer"));
    expect(outcome.response?.adjust?.annotations?.a?.length).toBe(bytes);
  });

  test("more than 4 MiB is an error, and the next call is answered", async () => {
    const { plugin } = await answering(4 << 20);
    const outcome = await plugin.call("CreateContainer", subjectOf("CreateContainer"));
    expect(outcome).toMatchObject({ dropped: false, error: { code: "RESOURCE_EXHAUSTED" } });
    expect(await plugin.call("StopContainer", subjectOf("StopContainer"))).toMatchObject({ response: { update: [] } });
  });
});

test("a pod event of StateChange says nothing of a container", () => {
  const bytes = encodeEvent("RunPodSandbox", { pod: pod(), container: ctr() }, "StateChange").payload;
  expect(Buffer.from(bytes).toString("hex")).toBe("08011217" + "0a02703112057765622d30220764656661756c74489221");
});
