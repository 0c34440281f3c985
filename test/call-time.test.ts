import { describe, expect, it } from "vitest";
import { Cancellation } from "../src/base/cancellation.js";
import { Deadline } from "../src/base/deadline.js";
import {
  type CallTime,
  eventInfo,
  type PluginTime,
  planBackground,
  planCall,
  planPlugin,
} from "../src/bridge/call-time.js";

const settings = { replyMarginMs: 200, killAfterMs: 100 };
const limit = "the limit";

function times({ terminateAt, killAt, giveUpAt }: PluginTime) {
  return [terminateAt, killAt, giveUpAt].map((deadline) => Math.round(deadline.remainingMs()));
}

describe("the time of a call", () => {
  // call, SIGTERM, SIGKILL and the end of all that is done for the answer, the answer by policy
  it.each([
    [2000, 1700, 1800, 1950],
    [10_000, 8900, 9000, 9750],
    [1000, 700, 800, 950],
    [800, 500, 600, 750],
    [400, 200, 300, 350],
    [200, 75, 150, 175],
    [40, 15, 30, 35],
    [0, 0, 0, 0],
  ])("of %d ms: the margin is 200 ms, a tenth of a long call, a quarter of a short one", (callMs, ...expected) => {
    const time = planCall(callMs, limit, settings, () => 5);
    expect(times(time)).toEqual(expected);
    expect(time.answerBy.remainingMs()).toBe(time.killAt.remainingMs());
  });

  it("has no end where the call has none", () => {
    expect(times(planCall(Infinity, limit, settings))).toEqual([Infinity, Infinity, Infinity]);
  });

  it.each<[string, number, number, string, string]>([
    ["the runtime's timeout", 2_000, 2_000, "containerd", "the runtime's plugin_request_timeout sets the limit"],
    ["CRI-O's, by its key", 2_000, 2_000, "cri-o", "the runtime's nri_plugin_request_timeout sets the limit"],
    ["a client's deadline that is earlier", 900, 2_000, "containerd", "the deadline of the runtime's client sets"],
    ["the runtime's, though the call says more", 5_000, 2_000, "containerd", "the runtime's plugin_request_timeout"],
  ])("names the limit that holds: %s", (_, leftMs, requestTimeoutMs, name, remedy) => {
    const nri = { major: 0, minor: 6, patch: 1, preRelease: false, source: "inferred" } as const;
    const { time } = eventInfo(
      {
        ...{ event: "StartContainer", method: "StateChange", payload: new Uint8Array(), metadata: [] },
        ...{ timeoutNano: 0n, cancellation: new Cancellation(), deadline: Deadline.after(leftMs) },
        runtime: { name, version: "1", nri, requestTimeoutMs },
      },
      settings,
    );
    expect(time.remedy).toContain(remedy);
    expect(Math.round(time.limitMs)).toBe(Math.min(leftMs, requestTimeoutMs) - 300);
  });
});

describe("the time of a plugin", () => {
  const own = "timeoutMs in the bridge's configuration sets the limit";

  it.each([
    [null, 1700, 1800, limit],
    [500, 500, 600, own],
    [1700, 1700, 1800, limit],
    [1650, 1650, 1750, own],
    [60_000, 1700, 1800, limit],
  ])("with timeoutMs %s", (timeoutMs, terminateMs, killMs, remedy) => {
    const time = planPlugin(
      planCall(2000, limit, settings, () => 0),
      timeoutMs,
    );
    expect(times(time)).toEqual([terminateMs, killMs, 1950]);
    expect(time).toMatchObject({ limitMs: terminateMs, remedy });
  });

  it("never outlasts the chain's", () => {
    let now = 0;
    const chain: CallTime = planCall(2000, limit, settings, () => now);
    now = 1500;
    expect(planPlugin(chain, 500)).toMatchObject({ limitMs: 200, remedy: limit });
    expect(times(planPlugin(chain, 150))).toEqual([150, 250, 450]);
  });

  it("is its own where no call waits for it", () => {
    const time = planBackground(10_000, "deleteTimeoutMs", settings, () => 0);
    expect(times(time)).toEqual([10_000, 10_100, 11_100]);
    expect(time.remedy).toBe("deleteTimeoutMs in the bridge's configuration sets the limit");
  });
});
