import { describe, expect, test } from "vitest";
import type { MessageName } from "../../src/nri/codec.js";
import {
  containerRequest,
  type MessageCodec,
  stateChangeRequest,
  updateContainerRequest,
} from "../../src/nri/codec.js";
import { decodeEvent } from "../../src/nri/events.js";
import { messageToJson } from "../../src/nri/json.js";
import { recordedCalls } from "./support/recordings.js";

const requests: Record<string, [MessageName, MessageCodec<object>]> = {
  StateChange: ["StateChangeEvent", stateChangeRequest],
  CreateContainer: ["CreateContainerRequest", containerRequest],
  UpdateContainer: ["UpdateContainerRequest", updateContainerRequest],
  StopContainer: ["CreateContainerRequest", containerRequest],
};
const calls = recordedCalls();

describe("every request that containerd 1.7.24 was recorded sending", () => {
  test("is there to be read", () => {
    expect(calls.length).toBeGreaterThanOrEqual(204);
    expect(new Set(calls.map((call) => call.method))).toEqual(new Set(Object.keys(requests)));
  });

  test.each(calls)(
    "$where $method reads as another implementation printed it, and writes as the same bytes",
    (call) => {
      const [name, codec] = requests[call.method] ?? ["StateChangeEvent", stateChangeRequest];
      const message = codec.decode(call.payload);
      expect(JSON.parse(JSON.stringify(messageToJson(name, message, "schema")))).toEqual(call.body);
      expect(Buffer.from(codec.encode(message)).toString("hex")).toBe(Buffer.from(call.payload).toString("hex"));
    },
  );

  test.each(calls)("$where $method, read sparingly, has all that a v0.1 request is made of and no more", (call) => {
    const whole = decodeEvent(call.method, call.payload);
    const sparing = decodeEvent(call.method, call.payload, true);
    if (whole === undefined || sparing === undefined) throw new Error("each is an event");
    expect(sparing.name).toBe(whole.name);
    expect(sparing.pod).toEqual(whole.pod);
    if (!("container" in whole)) return expect("container" in sparing).toBe(false);
    if (!("container" in sparing)) throw new Error("its container is there");
    const { id, podSandboxId, name, state, labels, annotations, pid, linux } = whole.container;
    expect(sparing.container).toMatchObject({ id, podSandboxId, name, state, labels, annotations, pid });
    expect(sparing.container.linux).toMatchObject({
      namespaces: linux?.namespaces,
      resources: linux?.resources,
      cgroupsPath: linux?.cgroupsPath,
    });
    expect(sparing.container).toMatchObject({ args: [], env: [], mounts: [], rlimits: [], createdAt: 0n });
    expect(whole.container.mounts).not.toEqual([]);
  });
});
