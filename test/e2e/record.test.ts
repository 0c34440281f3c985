import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";
import { runProgram } from "../support/program.js";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { prepareTestbed } from "./testbed/packages.js";
import { playScenario } from "./testbed/scenario.js";
import { scenarios } from "./testbed/scenarios.js";
import { type RunningTarget, startTarget, stopAll } from "./testbed/target.js";

const prepared = await prepareTestbed();
const out = "/etc/nri/recorded";

describe.runIf(prepared.ok && isBridgeBuilt()).each(["v17", "v2"] as const)(
  "run --record on a real node (%s)",
  (runtime) => {
    let target: RunningTarget;

    beforeAll(async () => {
      if (!prepared.ok) return;
      const bridge = { flags: ["--record", out], config: "log: {level: debug}\nsandboxes: always\n" };
      target = await startTarget(prepared.testbed, { runtime, mode: "external" }, { bridge });
    });

    afterAll(() => stopAll([target]));

    it("writes a case whose replay sends plugins what they were sent then", async () => {
      const scenario = scenarios.find(({ name }) => name === "basic-hostnet");
      if (scenario === undefined) throw new Error("there is no such scenario");
      await playScenario(scenario, target.daemon, target.confFile);
      await target.bridge.stop();
      const cases = target.daemon.path(out);
      const [name = ""] = readdirSync(cases);
      const folder = join(cases, name);
      const about = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
      expect(about).toMatchObject({ redacted: true, complete: true });
      expect(about.invocations).toHaveLength(scenario.runs);
      // Found through /proc, as the bridge finds them.
      expect(readdirSync(join(folder, "bundles"))).toHaveLength(2);
      const then = about.invocations.map(({ request }: { readonly request: string }) =>
        readFileSync(join(folder, "expected/runs", request), "utf8"),
      );
      expect(await replay(folder)).toEqual(then);
    });
  },
);

/** The requests of a replay with a plugin that agrees with everything. */
async function replay(folder: string): Promise<readonly string[]> {
  const plugins = makeFolder();
  writeFileSync(join(plugins, "recorder"), "#!/bin/sh\necho '{}'\n", { mode: 0o755 });
  const { code, stdout, stderr } = await runProgram(["replay", folder, "--json", "--bin-dir", plugins]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return jsonLines(stdout).flatMap(({ type, request }) => (type === "run" ? [request] : []));
}
