import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { strayProcesses } from "./testbed/chaos-remains.js";
import { findMissingNeeds } from "./testbed/machine.js";
import { prepareTestbed } from "./testbed/packages.js";
import { RestartStage, type StagedPod } from "./testbed/restart-stage.js";

const prepared = await prepareTestbed();
const missing = await findMissingNeeds();
const possible = prepared.ok && isBridgeBuilt() && !missing.has("compiler");
const runtimes = ["v17", "v2"] as const;

const created = ["create pod", "create ctr"] as const;
const containerDeleted = [...created, "delete ctr"] as const;
/** The four runs of a pod whose life nothing disturbs. */
const wholeLife = [...containerDeleted, "delete pod"] as const;

describe.runIf(possible).each(runtimes)("restarts beside containerd %s", (runtime) => {
  let stage: RestartStage;
  let pods = 0;

  beforeAll(async () => {
    if (prepared.ok) stage = await RestartStage.open(prepared.testbed, { runtime, mode: "external" });
  });

  afterAll(() => stage?.close());

  const up = () => stage.up(++pods);

  /** What a pod has come to when it is torn down. */
  async function expectEnd(staged: StagedPod, expected: readonly string[] = wholeLife): Promise<void> {
    await stage.down(staged);
    await stage.expectRuns(staged, expected);
  }

  test("a bridge that is killed while a create runs: the container starts, and has one create and one delete", async () => {
    const pod = await stage.life.runPod({ number: ++pods });
    const container = await stage.life.create(pod);
    await stage.plugins.layTrap("create");
    const started = stage.life.start(container);
    await stage.plugins.trapped("create");
    await stage.restartBridge();
    await started;
    await stage.expectRuns({ pod, container }, created);
    await expectEnd({ pod, container });
  });

  test("a bridge that is killed while a delete runs: that delete runs again, without a call, and only that", async () => {
    const staged = await up();
    await stage.plugins.layTrap("delete");
    const stopped = stage.life.stop(staged.container);
    await stage.plugins.trapped("delete");
    await stage.restartBridge();
    await stopped;
    const again = [...containerDeleted, "delete ctr"];
    await stage.expectRuns(staged, again);
    await expectEnd(staged, [...again, "delete pod"]);
  });

  test("a bridge that is killed while a plugin is stopped: the next one ends the plugin", async () => {
    const { daemon, bridge } = stage.target;
    const victims = () => strayProcesses(daemon).filter((name) => name.startsWith("victim"));
    const pod = await stage.life.runPod({ number: ++pods });
    const container = await stage.life.create(pod);
    await stage.plugins.layTrap("create");
    const started = stage.life.start(container);
    await stage.plugins.trapped("create", true);
    await bridge.stop("SIGKILL");
    await started;
    // The plugin after it may have been started already, and be the one that was stopped.
    expect(victims()).not.toEqual([]);
    await bridge.start();
    expect(victims()).toEqual([]);
    await expectEnd({ pod, container });
  });

  test("a bridge that is killed when nothing runs: no plugin notices", async () => {
    const staged = await up();
    await stage.restartBridge();
    await stage.life.stop(staged.container);
    await stage.restartBridge();
    await expectEnd(staged);
  });

  test("what ends or is removed while there is no bridge has its deletes when the bridge is back", async () => {
    const [ended, removed] = [await up(), await up()];
    await stage.target.bridge.stop("SIGKILL");
    await stage.life.kill(ended.container);
    await stage.down(removed);
    await stage.expectRuns(ended, created);
    await stage.target.bridge.start();
    await stage.expectRuns(ended, containerDeleted);
    await stage.expectRuns(removed, wholeLife);
    await expectEnd(ended);
  });

  test("a pod that came up while there was no bridge has its deletes alone; one that is gone again has nothing", async () => {
    await stage.target.bridge.stop("SIGKILL");
    const gone = await up();
    await stage.down(gone);
    const staged = await up();
    await stage.target.bridge.start();
    await expectEnd(staged, ["delete ctr", "delete pod"]);
    await stage.expectRuns(gone, []);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "a runtime that ends by %s and starts again with a pod up",
    async (signal) => {
      const staged = await up();
      await stage.restartRuntime(signal);
      await stage.expectRuns(staged, created);
      await expectEnd(staged);
    },
  );

  test("a runtime and a bridge that are both gone while the container ends", async () => {
    const staged = await up();
    await stage.target.bridge.stop("SIGKILL");
    await stage.killWithoutRuntime(staged);
    await stage.target.daemon.restart();
    await stage.target.bridge.start();
    await stage.expectRuns(staged, containerDeleted);
    await expectEnd(staged);
  });
});

describe.runIf(possible).each(runtimes)("a bridge that containerd %s launched", (runtime) => {
  let stage: RestartStage;

  beforeEach(async () => {
    if (prepared.ok) stage = await RestartStage.open(prepared.testbed, { runtime, mode: "launched" });
  });

  afterEach(() => stage?.close());

  test("ends with its runtime and is launched anew: what ended meanwhile has its delete, what runs on keeps its own", async () => {
    const [ended, running] = [await stage.up(1), await stage.up(2)];
    await stage.killWithoutRuntime(ended);
    await stage.restartRuntime("SIGKILL");
    await stage.expectRuns(ended, containerDeleted);
    await stage.expectRuns(running, created);
    for (const staged of [ended, running]) {
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLife);
    }
  });

  test("finds its predecessor still busy with a plugin: it serves at once, reads the journal later, and loses nothing", async () => {
    const [stopping, ended] = [await stage.up(1), await stage.up(2)];
    await stage.plugins.layTrap("delete", "deaf 6000");
    const stopped = stage.target.daemon.cri.stopContainer(stopping.container).catch(() => {});
    await stage.plugins.trapped("delete");
    await stage.killWithoutRuntime(ended);
    await stage.restartRuntime("SIGKILL");
    await stopped;
    await stage.expectSaid("another bridge has locked the state directory: this bridge waits for it to end");
    await stage.expectSaid("the bridge can write the journal again");
    for (const staged of [stopping, ended]) await stage.expectRuns(staged, containerDeleted);
    for (const staged of [stopping, ended]) {
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLife);
    }
  });
});
