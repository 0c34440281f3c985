import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/nri/events.js";
import { asSentBy, parseRuntime } from "../../src/tools/replay/as-runtime.js";
import { type Case, readCase } from "../../src/tools/replay/case.js";
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
const recorded = new Map<string, Case>();

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
      recorded.set(runtime, readCase(folder));
    });
  },
);

describe.runIf(prepared.ok && isBridgeBuilt())("what one real containerd sent, sent as the other", () => {
  it.each([
    ["v17", "v2"],
    ["v2", "v17"],
  ])("%s's as %s's has all that this one sent, and no more", (from, to) => {
    const [given, wanted] = [recorded.get(from), recorded.get(to)];
    if (given === undefined || wanted === undefined) return expect.unreachable();
    const sent = asSentBy(given, parseRuntime(`containerd-${wanted.runtime.version}`));
    expect(shapesOf(sent)).toEqual(shapesOf(wanted));
  });
});

/** Each event of a case with what it says of its pod, but for what differs between two runs of a scenario. */
function shapesOf({ events }: Case) {
  return events.flatMap(({ method, payload }) => {
    const { name, pod } = decodeEvent(method, payload) ?? expect.unreachable();
    // The bridge asks for it where it holds sandboxes.
    if (name === "CreateContainer") return [];
    const { cgroupsPath = "", namespaces = [], resources } = pod.linux ?? {};
    const of = { pid: pod.pid > 0, cgroup: cgroupsPath !== "", namespaces: namespaces.length, resources: !!resources };
    return {
      method,
      name,
      ...of,
      labels: Object.keys(pod.labels).sort(),
      annotations: Object.keys(pod.annotations).sort(),
    };
  });
}

/** The requests of a replay with a plugin that agrees with everything. */
async function replay(folder: string): Promise<readonly string[]> {
  const plugins = makeFolder();
  writeFileSync(join(plugins, "recorder"), "#!/bin/sh\necho '{}'\n", { mode: 0o755 });
  const { code, stdout, stderr } = await runProgram(["replay", folder, "--json", "--bin-dir", plugins]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return jsonLines(stdout).flatMap(({ type, request }) => (type === "run" ? [request] : []));
}
