import { describe, expect, test } from "vitest";
import { configureRequest, configureResponse, synchronizeRequest, synchronizeResponse } from "../../src/nri/codec.js";
import { Code, StatusError } from "../../src/nri/ttrpc/status.js";
import {
  connectPair,
  containerd17,
  containerd20,
  containerd23,
  socketPath,
  soon,
  startRuntime,
} from "./support/nri-pair.js";
import { connectPuppetPlugin, obedient } from "./support/puppet-plugin.js";
import { ctr, pod } from "./support/subjects.js";

const subject = { pod: pod(), container: ctr() };
const nothing = () => new Uint8Array(0);

/** A runtime, and a plugin that has registered with it. */
async function registered(
  options: Parameters<typeof startRuntime>[1],
  methods: Parameters<typeof connectPuppetPlugin>[1] = {},
) {
  const path = socketPath();
  const runtime = await startRuntime(path, options);
  const accepting = runtime.accept(soon());
  // Told by the test that awaits it; until then it is not unhandled.
  accepting.catch(() => {});
  const puppet = await connectPuppetPlugin(path, methods);
  await puppet.register();
  return { runtime, puppet, accepting };
}

describe("the runtime tells a plugin what its NRI version tells, each call with the time that there is", () => {
  const timeouts = { registrationTimeout: 5000n, requestTimeout: 2000n };
  test.each([
    [containerd17, { registrationTimeout: 0n, requestTimeout: 0n, NRIVersion: "" }, 0x7ff],
    [containerd20, { ...timeouts, NRIVersion: "" }, 0x7ff],
    [containerd23, { ...timeouts, NRIVersion: "v0.12.0" }, 0x3fff],
  ])("%j; a mask of 0 is all events that it knows", async (options, expected, mask) => {
    const calls: (readonly [string, number])[] = [];
    const note = (method: string, timeoutNano: bigint) => calls.push([method, Math.round(Number(timeoutNano) / 1e9)]);
    const { name: runtimeName, version: runtimeVersion } = options;
    const { accepting } = await registered(options, {
      Configure: ({ payload, timeoutNano }) => {
        note("Configure", timeoutNano);
        expect(configureRequest.decode(payload)).toEqual({ config: "", runtimeName, runtimeVersion, ...expected });
        return configureResponse.encode({ events: 0 });
      },
      Synchronize: ({ timeoutNano }) => {
        note("Synchronize", timeoutNano);
        return nothing();
      },
    });
    expect((await accepting).mask).toBe(mask);
    expect(calls).toEqual([
      ["Configure", 2],
      ["Synchronize", 2],
    ]);
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

test("a Synchronize of at most so many: all messages but the last say that more come", async () => {
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

describe("what a plugin's answer costs", () => {
  test("an error is the event's: the plugin stays", async () => {
    const answers = [() => Promise.reject(new StatusError(Code.NotFound, "no such container")), nothing];
    const StateChange = () => answers.shift()?.() ?? nothing();
    const plugin = await (await registered(containerd17, { StateChange })).accepting;
    const error = { code: "NOT_FOUND", message: "no such container" };
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ error, dropped: false });
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ response: { update: [] }, dropped: false });
  });

  test.each([
    ["silence", "DEADLINE_EXCEEDED"],
    ["an end of the connection in mid-call", "UNAVAILABLE"],
  ])("%s is the plugin's: its connection is closed, and the event goes on", async (how, code) => {
    const StateChange = () => {
      if (how !== "silence") puppet.close();
      return new Promise<never>(() => {});
    };
    const { accepting, puppet } = await registered({ ...containerd17, requestTimeoutMs: 60 }, { StateChange });
    const plugin = await accepting;
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ error: { code }, dropped: true });
    await puppet.closed;
    expect(plugin.closed).toBe(true);
    const gone = { error: { code: "UNAVAILABLE" }, dropped: true };
    expect(await plugin.call("StartContainer", subject)).toMatchObject(gone);
  });
});

describe("the runtime", () => {
  test.each([
    ["state-change", "StateChange"],
    ["dedicated", "StartContainer"],
  ] as const)("speaks another dialect than its version's when told to: %s", async (dialect, method) => {
    const { plugin } = await connectPair({}, { dialect, nriVersion: "0.11.0" });
    expect(await plugin.call("StartContainer", subject)).toMatchObject({ method, response: {} });
  });
});
