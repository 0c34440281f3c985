import { describe, expect, test } from "vitest";
import { configureRequest, configureResponse, synchronizeRequest, synchronizeResponse } from "../../src/nri/codec.js";
import { Code, StatusError } from "../../src/nri/ttrpc/status.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import {
  connectPair,
  containerd17,
  containerd20,
  containerd23,
  socketPath,
  soon,
  startRuntime,
} from "./support/nri-pair.js";
import { obedient, PuppetPlugin } from "./support/puppet-plugin.js";
import { ctr, pod } from "./support/subjects.js";

const subject = { pod: pod(), container: ctr() };
const never = () => new Promise<never>(() => {});
const nothing = () => new Uint8Array(0);

/** A runtime, and a plugin that has registered with it. */
async function registered(
  options: Parameters<typeof startRuntime>[1],
  methods: Parameters<typeof PuppetPlugin.connect>[1] = {},
) {
  const path = socketPath();
  const runtime = await startRuntime(path, options);
  const accepting = runtime.accept(soon());
  // Told by the test that awaits it; until then it is not unhandled.
  accepting.catch(() => {});
  const puppet = await PuppetPlugin.connect(path, methods);
  await puppet.register();
  return { runtime, puppet, accepting };
}

describe("the runtime tells a plugin what its NRI version tells", () => {
  test.each([
    [containerd17, { registrationTimeout: 0n, requestTimeout: 0n, NRIVersion: "" }],
    [containerd20, { registrationTimeout: 5000n, requestTimeout: 2000n, NRIVersion: "" }],
    [containerd23, { registrationTimeout: 5000n, requestTimeout: 2000n, NRIVersion: "v0.12.0" }],
  ])("%j", async (options, expected) => {
    const requests: object[] = [];
    const Configure = ({ payload }: { payload: Uint8Array }) => {
      requests.push(configureRequest.decode(payload));
      return configureResponse.encode({ events: 1 });
    };
    const { accepting } = await registered(options, { Configure });
    await accepting;
    const { name: runtimeName, version: runtimeVersion } = options;
    expect(requests).toEqual([{ config: "", runtimeName, runtimeVersion, ...expected }]);
  });

  test("in the order of the protocol, and each call with the time that there is", async () => {
    const timeouts: [string, number][] = [];
    const note = (method: string, answer: () => Uint8Array) => (call: { timeoutNano: bigint }) => {
      timeouts.push([method, Math.round(Number(call.timeoutNano) / 1e9)]);
      return answer();
    };
    const { accepting } = await registered(containerd20, {
      Configure: note("Configure", () => configureResponse.encode({ events: 1 })),
      Synchronize: note("Synchronize", nothing),
    });
    await accepting;
    expect(timeouts).toEqual([
      ["Configure", 2],
      ["Synchronize", 2],
    ]);
  });

  test.each([
    [containerd17, 0x7ff],
    [containerd23, 0x3fff],
  ])("%j: a mask of 0 is all events that it knows, 0x%i", async (options, mask) => {
    const { accepting } = await registered(options, obedient(0));
    expect((await accepting).mask).toBe(mask);
  });
});

describe("a plugin that breaks the rules is not taken, and its connection is closed", () => {
  const refuse = () => Promise.reject(new StatusError(Code.Unknown, "no"));
  const split = { snapshot: () => ({ pods: [pod(), pod({ id: "p2" })], containers: [] }), synchronizeSize: 1 };
  test.each<[string, ...Parameters<typeof registered>, string]>([
    ["asking for an event that 1.7 does not know", containerd17, obedient(0x800), "invalid plugin events: 0x800"],
    ["asking for an event that 2.0 does not know", containerd20, obedient(0x1000), "invalid plugin events: 0x1000"],
    ["asking for an event that 2.3 does not know", containerd23, obedient(0x4000), "invalid plugin events: 0x4000"],
    ["failing Configure", containerd20, { Configure: refuse }, "no"],
    [
      "not knowing a Synchronize in several messages",
      { ...containerd20, ...split },
      {},
      "plugin does not handle split sync requests",
    ],
    ["not synchronizing, on NRI 0.12", containerd23, { Synchronize: refuse }, "no"],
  ])("%s", async (_, options, methods, message) => {
    const { accepting, puppet } = await registered(options, methods);
    await expect(accepting).rejects.toMatchObject({ message });
    await puppet.closed;
  });

  test("not synchronizing, before NRI 0.12, is forgotten and left open until the runtime closes", async () => {
    const { runtime, accepting, puppet } = await registered(containerd20, { Synchronize: refuse });
    await expect(accepting).rejects.toThrow("no");
    await expect(puppet.call("NoSuchCall", nothing())).rejects.toMatchObject({ code: Code.Unimplemented });
    await runtime.close();
    await puppet.closed;
  });
});

describe("Synchronize", () => {
  test("in messages of at most so many, all but the last saying that more come", async () => {
    const chunks: string[] = [];
    const Synchronize = ({ payload }: { payload: Uint8Array }) => {
      const { pods, containers, more } = synchronizeRequest.decode(payload);
      chunks.push(`${pods.map(({ id }) => id)} ${containers.map(({ id }) => id)} ${more}`);
      return synchronizeResponse.encode({ update: more ? [] : [{ containerId: "c1" }], more });
    };
    const snapshot = () => ({
      pods: ["p1", "p2", "p3"].map((id) => pod({ id })),
      containers: ["c1", "c2", "c3", "c4", "c5"].map((id) => ctr({ id })),
    });
    const { accepting } = await registered({ ...containerd20, snapshot, synchronizeSize: 2 }, { Synchronize });
    expect((await accepting).synchronizeUpdates).toMatchObject([{ containerId: "c1" }]);
    expect(chunks).toEqual(["p1,p2 c1,c2 true", "p3 c3,c4 true", " c5 false"]);
  });
});

describe("what a plugin's answer costs", () => {
  test("an error is the event's: the plugin stays", async () => {
    let fail = true;
    const StateChange = () => {
      if (!fail) return nothing();
      fail = false;
      throw new StatusError(Code.NotFound, "no such container");
    };
    const { accepting } = await registered(containerd17, { StateChange });
    const plugin = await accepting;
    expect(await plugin.call("StartContainer", subject)).toMatchObject({
      error: { code: "NOT_FOUND", message: "no such container" },
      dropped: false,
    });
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ response: { update: [] }, dropped: false });
  });

  test("silence is the plugin's: its connection is closed, and the event goes on", async () => {
    const { accepting, puppet } = await registered({ ...containerd17, requestTimeoutMs: 60 }, { StateChange: never });
    const plugin = await accepting;
    const outcome = await plugin.call("StartContainer", subject);
    expect(outcome).toMatchObject({ error: { code: "DEADLINE_EXCEEDED" }, dropped: true });
    expect(outcome.durationMs).toBeGreaterThan(50);
    await puppet.closed;
    expect(plugin.closed).toBe(true);
    expect(await plugin.call("StartContainer", subject)).toMatchObject({
      error: { code: "UNAVAILABLE" },
      dropped: true,
    });
  });

  test("an end of the connection in mid-call is as silence", async () => {
    const { accepting, puppet } = await registered(containerd17, {
      StateChange: () => {
        puppet.close();
        return never();
      },
    });
    expect(await (await accepting).call("StartContainer", subject)).toMatchObject({
      error: { code: "UNAVAILABLE" },
      dropped: true,
    });
  });
});

describe("the runtime", () => {
  test("closes with a plugin that it has forgotten", async () => {
    const Synchronize = () => Promise.reject(new StatusError(Code.Unknown, "no"));
    const { runtime, accepting, puppet } = await registered(containerd20, { Synchronize });
    await expect(accepting).rejects.toThrow("no");
    await runtime.close();
    await puppet.closed;
  });

  test("does not start without a known NRI version", async () => {
    await expect(createRuntime({ socketPath: socketPath(), name: "dockerd", version: "29" })).rejects.toMatchObject({
      code: "USAGE",
    });
  });

  test.each([
    ["state-change", "StateChange"],
    ["dedicated", "StartContainer"],
  ] as const)("speaks another dialect than its version's when told to: %s", async (dialect, method) => {
    const { plugin } = await connectPair({}, { dialect, nriVersion: "0.11.0" });
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ method, response: {} });
  });
});
