import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPodCgroups } from "./testbed/cgroups.js";
import { Daemon } from "./testbed/daemon.js";
import { normaliseRuns } from "./testbed/normalise.js";
import { prepareTestbed, type RuntimeName } from "./testbed/packages.js";
import { PodLife } from "./testbed/pod-life.js";
import { installPlugins } from "./testbed/records.js";
import { playScenario, type Scenario, wholeLife } from "./testbed/scenario.js";

const prepared = await prepareTestbed();
const names: readonly RuntimeName[] = ["native", "v17", "v2"];

describe.runIf(prepared.ok).each(names)("containerd %s of the testbed", (name) => {
  let daemon: Daemon;

  beforeAll(async () => {
    if (prepared.ok) daemon = await Daemon.start(prepared.testbed, name, { install: installPlugins });
  });

  afterAll(() => daemon.stop());

  test("runs v0.1 plugins itself for sandboxes if it is 1.6 or 2.x, for containers if it is 1.6", async () => {
    const scenario: Scenario = {
      name: "own-plugins",
      title: "the runtime's own v0.1 client",
      runs: { native: 4, v17: 0, v2: 2 }[name],
      recorded: false,
      run: wholeLife({ number: 3 }),
    };
    const { runs } = await playScenario(scenario, daemon, "/etc/nri/conf.json");
    const seen = normaliseRuns(runs).map(({ state, who }) => `${state} ${who}`);
    const sandbox = ["create pod1", "delete pod1"];
    const all = ["create pod1", "create ctr1", "delete ctr1", "delete pod1"];
    expect(seen).toEqual({ native: all, v17: [], v2: sandbox }[name]);
  });

  test("leaves nothing when it is stopped with a pod still running", async () => {
    const life = new PodLife(daemon, "/etc/nri/conf.json", daemon.directory);
    await life.runContainer(await life.runPod({ number: 4 }));
    const inside = mountNamespace(daemon.namespace.holder);
    expect(processesIn(inside, daemon.directory).length).toBeGreaterThan(2);
    expect(await findPodCgroups(daemon.uidPart)).not.toEqual([]);

    await daemon.stop();
    expect(processesIn(inside, daemon.directory)).toEqual([]);
    expect(await findPodCgroups(daemon.uidPart)).toEqual([]);
    expect(existsSync(daemon.directory)).toBe(false);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(daemon.directory);
  });
});

/** What is left of a daemon: processes in its mount namespace, or with its directory on their command line. */
function processesIn(namespace: string, directory: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    return mountNamespace(pid) === namespace || commandLine(pid).includes(directory);
  });
}

function mountNamespace(pid: string | number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return "";
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
