import { resolve } from "node:path";
import { expect, it } from "vitest";
import { silentLog } from "../../src/base/logger.js";
import type { RunOptions } from "../../src/plugin/start.js";
import { readCase, withConf } from "../../src/tools/replay/case.js";
import { playCase } from "../../src/tools/replay/play.js";
import { createDirectory, installFile } from "../plugin/plugin-directory.js";

const root = resolve(import.meta.dirname, "../..");
const basic = readCase(resolve(root, "fixtures/cases/basic-hostnet"));
const second = 1_000_000_000n;

/** Plays the first event with this time; no plugin is started, and `run` is told of each that would be. */
function playFirst(
  timeoutNano: bigint,
  run: (options: RunOptions) => void,
  { confFile = "conf.json", permissions }: { readonly confFile?: string; readonly permissions?: "strict" } = {},
): Promise<void> {
  const events = basic.events.slice(0, 1).map((event) => ({ ...event, timeoutNano }));
  return playCase({
    played: withConf({ ...basic, events }, confFile, Buffer.from('{"plugins":[{"type":"labels"}]}')),
    flags: { pluginDirs: [resolve(root, "legacy-plugins")], ...(permissions === undefined ? {} : { permissions }) },
    file: undefined,
    environment: {},
    spawner: {
      start: async () => ({
        pid: 0,
        async give(_, options) {
          run(options);
          throw new Error("nothing is started here");
        },
        abandon: async () => {},
      }),
      close: async () => {},
    },
    interrupted: new AbortController().signal,
    scratch: createDirectory(),
    log: silentLog,
    onReport: () => {},
  });
}

it.each([
  [2n * second, 1_500, 2_000],
  // The recorded runtime's plugin_request_timeout, and not the default of one.
  [60n * second, 50_000, 60_000],
])("a plugin has the time that the recorded call had: %i ns", async (timeoutNano, least, most) => {
  const leftMs: number[] = [];
  await playFirst(timeoutNano, ({ killAt }) => leftMs.push(killAt.remainingMs()));
  expect(leftMs).toEqual([expect.any(Number)]);
  expect(leftMs[0]).toBeGreaterThan(least);
  expect(leftMs[0]).toBeLessThanOrEqual(most);
});

it("a replay ends when the bridge did not answer in time, as a runtime would have dropped it", async () => {
  // It holds up the event loop, so that nothing can be answered.
  const busy = () => {
    for (const end = performance.now() + 400; performance.now() < end; );
  };
  await expect(playFirst(200_000_000n, busy)).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
});

it("--permissions strict refuses a conf.json that others can write", async () => {
  const confFile = installFile(createDirectory(), "conf.json", "{}", 0o666);
  const fault = { code: "USAGE", message: expect.stringContaining(`${confFile}: mode 0666`) };
  await expect(playFirst(2n * second, () => {}, { confFile, permissions: "strict" })).rejects.toMatchObject(fault);
  await playFirst(2n * second, () => {}, { confFile });
});
