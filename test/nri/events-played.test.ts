import { describe, expect, test } from "vitest";
import type { EventName } from "../../src/nri/events.js";
import { eventNames } from "../../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../../src/nri/handlers.js";
import { connectPair, containerd17, containerd23 } from "./support/nri-pair.js";
import { ctr, pod } from "./support/subjects.js";

test("smoke", async () => {
  const seen: string[] = [];
  const { plugin } = await connectPair({
    async startContainer(event, context) {
      seen.push(`${context.method} ${event.container.id}`);
    },
  });
  const outcome = await plugin.call("StartContainer", { pod: pod(), container: ctr() });
  expect(outcome).toMatchObject({ response: { update: [] }, dropped: false, method: "StartContainer" });
  expect(seen).toEqual(["StartContainer c1"]);
});
