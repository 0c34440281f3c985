import { resolve } from "node:path";
import { expect, it } from "vitest";
import type { Spawner } from "../src/legacy/spawner.js";
import { silentLog } from "../src/logger.js";
import { readCase } from "../src/replay/case.js";
import { playCase } from "../src/replay/play.js";

it("a replay ends when the bridge did not answer in time, as a runtime would have dropped it", async () => {
  const played = readCase(resolve("fixtures/cases/basic-hostnet"));
  // It holds up the event loop, so that nothing can be answered.
  const busy: Spawner = {
    name: "busy",
    prepare: async () => ({ started: false, code: "ENOENT" }),
    close: async () => {},
    async run() {
      for (const end = performance.now() + 400; performance.now() < end; );
      throw new Error("nothing was run");
    },
  };
  const playing = playCase({
    played: { ...played, events: played.events.map((event) => ({ ...event, timeoutNano: 200_000_000n })) },
    flags: { pluginDirs: [resolve("legacy-plugins")] },
    file: undefined,
    conf: Buffer.from('{"version":"0.1","plugins":[{"type":"clearcfs"}]}'),
    dialect: undefined,
    environment: {},
    spawner: busy,
    log: silentLog,
    onReport: () => {},
  });
  await expect(playing).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
});
