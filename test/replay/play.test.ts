import { resolve } from "node:path";
import { expect, it } from "vitest";
import { silentLog } from "../../src/logger.js";
import { readCase } from "../../src/replay/case.js";
import { playCase } from "../../src/replay/play.js";

const basic = readCase(resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet"));
const second = 1_000_000_000n;

it.each([
  [2n * second, 1_500, 2_000],
  // The recorded runtime's plugin_request_timeout, and not the default of one.
  [60n * second, 50_000, 60_000],
])("a plugin has the time that the recorded call had: %i ns", async (timeoutNano, least, most) => {
  const leftMs: number[] = [];
  await playCase({
    played: { ...basic, events: basic.events.slice(0, 1).map((event) => ({ ...event, timeoutNano })) },
    flags: { pluginDirs: [resolve(import.meta.dirname, "../../legacy-plugins")] },
    file: undefined,
    conf: Buffer.from('{"plugins":[{"type":"labels"}]}'),
    dialect: undefined,
    environment: {},
    spawner: {
      name: "none",
      run: ({ killAt }) => {
        leftMs.push(killAt.remainingMs());
        return Promise.reject(new Error("nothing is started here"));
      },
      prepare: () => Promise.reject(new Error("nothing is started here")),
      close: async () => {},
    },
    log: silentLog,
    onReport: () => {},
  });
  expect(leftMs).toEqual([expect.any(Number)]);
  expect(leftMs[0]).toBeGreaterThan(least);
  expect(leftMs[0]).toBeLessThanOrEqual(most);
});
