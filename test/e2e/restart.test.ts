import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bridge, isBridgeBuilt } from "./testbed/bridge.js";
import { listState } from "./testbed/bridge-state.js";
import { strayProcesses } from "./testbed/chaos-remains.js";
import { findMissingNeeds } from "./testbed/machine.js";
import { prepareTestbed } from "./testbed/packages.js";
import { RestartStage, wholeLifeRuns } from "./testbed/restart-stage.js";

const prepared = await prepareTestbed();
const missing = await findMissingNeeds();
const possible = prepared.ok && isBridgeBuilt() && !missing.has("compiler");
const runtimes = ["v17", "v2"] as const;

describe.runIf(possible).each(runtimes)("restarts beside containerd %s", (runtime) => {
  let stage: RestartStage;

  beforeAll(async () => {
    if (prepared.ok) stage = await RestartStage.open(prepared.testbed, { runtime, mode: "external" });
  });

  afterAll(() => stage?.close());

  test("a bridge that is killed while a create runs: the container starts, and has one create and one delete", async () => {
    const pod = await stage.life.runPod({ number: 1 });
    const container = await stage.life.create(pod);
    const held = stage.plugins.hold("create", false);
    await Promise.all([stage.life.start(container), held.then(() => stage.restartBridge())]);
    await stage.expectRuns({ pod, container }, ["create pod", "create ctr"]);
    await stage.down({ pod, container });
    await stage.expectRuns({ pod, container }, wholeLifeRuns);
  });

  test("a bridge that is killed while a delete runs: that delete runs again, without a call, and only that", async () => {
    const staged = await stage.up(2);
    const held = stage.plugins.hold("delete", false);
    await Promise.all([stage.life.stop(staged.container), held.then(() => stage.restartBridge())]);
    const again = ["create pod", "create ctr", "delete ctr", "delete ctr"];
    await stage.expectRuns(staged, again);
    await stage.down(staged);
    await stage.expectRuns(staged, [...again, "delete pod"]);
  });

  test("a bridge that is killed while a plugin is stopped: the next one ends the plugin", async () => {
    const { daemon } = stage.target;
    const pod = await stage.life.runPod({ number: 11 });
    const container = await stage.life.create(pod);
    const held = stage.plugins.hold("create", true);
    await Promise.all([stage.life.start(container), held.then(() => stage.target.bridge.stop("SIGKILL"))]);
    expect(strayProcesses(daemon).filter((name) => name.startsWith("victim"))).toHaveLength(1);
    await stage.target.bridge.start();
    expect(strayProcesses(daemon).filter((name) => name.startsWith("victim"))).toEqual([]);
    await stage.down({ pod, container });
    await stage.expectRuns({ pod, container }, wholeLifeRuns);
  });

  test("a bridge that is killed when nothing runs: nobody notices", async () => {
    const staged = await stage.up(3);
    await stage.restartBridge();
    await stage.life.stop(staged.container);
    await stage.restartBridge();
    await stage.down(staged);
    await stage.expectRuns(staged, wholeLifeRuns);
  });

  test("a container that ends while there is no bridge has its delete when the bridge is back", async () => {
    const staged = await stage.up(4);
    await stage.target.bridge.stop("SIGKILL");
    await stage.life.kill(staged.container);
    await stage.expectRuns(staged, ["create pod", "create ctr"]);
    await stage.target.bridge.start();
    await stage.expectRuns(staged, ["create pod", "create ctr", "delete ctr"]);
    await stage.down(staged);
    await stage.expectRuns(staged, wholeLifeRuns);
  });

  test("a pod that is removed while there is no bridge has its deletes when the bridge is back", async () => {
    const staged = await stage.up(5);
    await stage.target.bridge.stop("SIGKILL");
    await stage.down(staged);
    await stage.target.bridge.start();
    await stage.expectRuns(staged, wholeLifeRuns);
  });

  test("a pod that came up while there was no bridge has its deletes alone; one that is gone again has nothing", async () => {
    await stage.target.bridge.stop("SIGKILL");
    const gone = await stage.up(6);
    await stage.down(gone);
    const staged = await stage.up(7);
    await stage.target.bridge.start();
    await stage.down(staged);
    await stage.expectRuns(staged, ["delete ctr", "delete pod"]);
    await stage.expectRuns(gone, []);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "a runtime that ends by %s and starts again with a pod up",
    async (signal) => {
      const staged = await stage.up(8);
      await stage.restartRuntime(signal);
      await stage.expectRuns(staged, ["create pod", "create ctr"]);
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLifeRuns);
    },
  );

  test("a runtime and a bridge that are both gone while the container ends", async () => {
    const staged = await stage.up(9);
    const { pid } = await stage.target.daemon.cri.containerStatus(staged.container);
    await stage.target.bridge.stop("SIGKILL");
    await stage.target.daemon.stopContainerd("SIGKILL");
    await stage.target.daemon.namespace.run("/bin/kill", ["-s", "KILL", String(pid)]);
    await stage.target.daemon.restart();
    await stage.target.bridge.start();
    await stage.expectRuns(staged, ["create pod", "create ctr", "delete ctr"]);
    await stage.down(staged);
    await stage.expectRuns(staged, wholeLifeRuns);
  });

  test("a second bridge waits unregistered until the first ends, and takes over its pods", async () => {
    const { daemon, bridge, confFile } = stage.target;
    const staged = await stage.up(10);
    const second = new Bridge(daemon, { mode: "external", confFile });
    const since = daemon.log().length;
    try {
      await second.launch();
      await stage.expectSaid("another instance has the state directory: waiting for it to end");
      await expect(second.waitUntilRegistered(since, 1_000)).rejects.toThrow("not within");
      await bridge.stop("SIGKILL");
      await second.waitUntilRegistered(since);
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLifeRuns);
    } finally {
      await second.stop("SIGKILL");
      if (!bridge.process?.running) await bridge.start();
    }
  });
});

describe.runIf(possible).each(runtimes)("disks beside containerd %s", (runtime) => {
  test("a full disk: the bridge serves on and says so, and remembers all when there is room again", async () => {
    await withStage({ runtime, mode: "external" }, {}, async (stage) => {
      const { bridge } = stage.target;
      await bridge.stop("SIGTERM");
      await stage.mountState("size=64k");
      await bridge.start();
      const before = await stage.up(1);
      await stage.inState("cat /dev/zero >fill 2>/dev/null; true");
      const meanwhile = await stage.up(2);
      await stage.expectSaid(
        "the journal cannot be written: the bridge serves on, and a crash would lose what it remembers",
      );
      await stage.inState("rm fill");
      await stage.expectSaid("the journal is written again");
      await stage.restartBridge();
      for (const staged of [before, meanwhile]) {
        await stage.down(staged);
        await stage.expectRuns(staged, wholeLifeRuns);
      }
    });
  });

  test("a read-only disk: the bridge serves on and says so, and what a crash makes it forget is adopted", async () => {
    await withStage({ runtime, mode: "external" }, {}, async (stage) => {
      const { bridge } = stage.target;
      await bridge.stop("SIGTERM");
      await stage.mountState("ro");
      await bridge.start();
      await stage.expectSaid("the state directory cannot be locked");
      await stage.expectSaid(
        "the journal cannot be written: the bridge serves on, and a crash would lose what it remembers",
      );
      const staged = await stage.up(1);
      await stage.restartBridge();
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLifeRuns);
    });
  });

  test("no disk at all (state: memory): nothing is written, and what a crash makes it forget is adopted", async () => {
    await withStage({ runtime, mode: "external" }, { config: "state: memory\n" }, async (stage) => {
      const staged = await stage.up(1);
      await stage.restartBridge();
      await stage.down(staged);
      await stage.expectRuns(staged, wholeLifeRuns);
      expect(() => listState(stage.target.daemon)).toThrow("ENOENT");
    });
  });
});

describe.runIf(possible).each(runtimes)("a bridge that containerd %s launched", (runtime) => {
  test("ends with its runtime and is launched anew: what ended meanwhile has its delete, what runs on keeps its own", async () => {
    await withStage({ runtime, mode: "launched" }, {}, async (stage) => {
      const { daemon } = stage.target;
      const [ended, running] = [await stage.up(1), await stage.up(2)];
      const { pid } = await daemon.cri.containerStatus(ended.container);
      await daemon.stopContainerd("SIGKILL");
      await daemon.namespace.run("/bin/kill", ["-s", "KILL", String(pid)]);
      await stage.restartRuntime("SIGKILL");
      await stage.expectRuns(ended, ["create pod", "create ctr", "delete ctr"]);
      await stage.expectRuns(running, ["create pod", "create ctr"]);
      for (const staged of [ended, running]) {
        await stage.down(staged);
        await stage.expectRuns(staged, wholeLifeRuns);
      }
    });
  });

  test("finds its predecessor still busy with a plugin: it serves at once, reads the journal later, and loses nothing", async () => {
    await withStage({ runtime, mode: "launched" }, {}, async (stage) => {
      const { daemon } = stage.target;
      const [stopping, ended] = [await stage.up(1), await stage.up(2)];
      const { pid } = await daemon.cri.containerStatus(ended.container);
      const held = stage.plugins.hold("delete", false, "deaf 5000");
      const stopped = daemon.cri.stopContainer(stopping.container).catch(() => {});
      await held;
      await daemon.stopContainerd("SIGKILL");
      await daemon.namespace.run("/bin/kill", ["-s", "KILL", String(pid)]);
      await stage.restartRuntime("SIGKILL");
      await stopped;
      await stage.expectSaid("another instance has the state directory: waiting for it to end");
      await stage.expectSaid("the journal is written again", 1, 15_000);
      const three = ["create pod", "create ctr", "delete ctr"];
      for (const staged of [stopping, ended]) await stage.expectRuns(staged, three);
      for (const staged of [stopping, ended]) {
        await stage.down(staged);
        await stage.expectRuns(staged, wholeLifeRuns);
      }
    });
  });
});

async function withStage(
  target: Parameters<typeof RestartStage.open>[1],
  bridge: Parameters<typeof RestartStage.open>[2],
  play: (stage: RestartStage) => Promise<void>,
): Promise<void> {
  if (!prepared.ok) return;
  const stage = await RestartStage.open(prepared.testbed, target, bridge);
  try {
    await play(stage);
  } finally {
    await stage.close();
  }
}
