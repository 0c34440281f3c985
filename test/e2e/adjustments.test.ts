import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AdjustedNode, adjustedConfig, clearers, installAdjusting } from "./testbed/adjusted.js";
import { adjustedFields, setIn, writtenFields } from "./testbed/adjusted-fields.js";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { waitFor } from "./testbed/command.js";
import { passHandler } from "./testbed/containerd-config.js";
import { findMissingNeeds } from "./testbed/machine.js";
import { prepareTestbed } from "./testbed/packages.js";
import { startRival } from "./testbed/rival.js";
import { type RunningTarget, startTarget, stopAll, targets } from "./testbed/target.js";

const patience = { timeout: 5_000 };

const prepared = await prepareTestbed();
const missing = await findMissingNeeds();
const possible = prepared.ok && isBridgeBuilt() && !missing.has("cgroupV1");
const limited = { cpu_shares: 512, cpu_quota: 50_000, cpu_period: 100_000 };

describe.runIf(possible).each(targets)("results change containers on $runtime, bridge $mode", (wanted) => {
  let target: RunningTarget;
  let node: AdjustedNode;
  let pods = 0;

  beforeAll(async () => {
    if (!prepared.ok) return;
    target = await startTarget(prepared.testbed, wanted, { bridge: { config: adjustedConfig } });
    await installAdjusting(target.daemon);
  });

  afterAll(() => stopAll([target]));

  beforeEach(() => {
    node = new AdjustedNode(target);
    return async () => {
      await target.daemon.removePods();
    };
  });

  const runPod = () => node.life.runPod({ number: ++pods }, passHandler);
  const noFailure = () => expect(node.life.failedCalls).toEqual([]);

  const installed = clearers.filter(({ name }) => !name.endsWith("-c") || !missing.has("compiler"));
  test.each(installed)("clearcfs takes the quota off annotated containers alone, $where", async ({ name }) => {
    await node.use(name);
    const pod = await runPod();
    const cleared = await node.life.runContainer(pod, {
      name: "a",
      resources: limited,
      annotations: { "qos.class": "ls" },
    });
    const kept = await node.life.runContainer(pod, {
      name: "b",
      resources: limited,
      annotations: { "qos.class": "be" },
    });
    noFailure();
    expect(await node.cgroup(cleared, "cpu.cfs_quota_us")).toBe("-1");
    expect(await node.cgroup(kept, "cpu.cfs_quota_us")).toBe("50000");
    for (const container of [cleared, kept]) expect(await node.cgroup(container, "cpu.shares")).toBe("512");
    const early = name.startsWith("clear-create");
    expect(node.spec(cleared).linux.resources.cpu.quota).toBe(early ? -1 : 50_000);
    await node.life.end(pod, cleared, kept);
    noFailure();
  });

  test("metadata keys are in the OCI spec and in the container", async () => {
    await node.use("asker");
    await node.answer("asker", "create", {
      metadata: {
        "adjust.annotation.example.com/zone": 'a "b" \u00e9',
        "adjust.env.ZONE": "east = west",
        "adjust.mount./mnt/logs": `${target.daemon.logRoot},bind,rbind,ro`,
      },
    });
    const container = await node.life.runContainer(await runPod(), { resources: limited });
    noFailure();
    const { annotations, process, mounts } = node.spec(container);
    expect(annotations["example.com/zone"]).toBe('a "b" \u00e9');
    expect(process.env).toContain("ZONE=east = west");
    expect(mounts).toContainEqual({
      destination: "/mnt/logs",
      type: "bind",
      source: `${target.daemon.logRoot}`,
      options: ["rbind", "ro"],
    });
  });

  test("each field of NRI's adjustment that this runtime applies is in the container", async () => {
    const fields = adjustedFields(target).filter(({ since = "v17" }) => since === "v17" || target.runtime === since);
    const adjust: Record<string, unknown> = {};
    for (const { path, value } of fields) setIn(adjust, path.split("."), value);
    await writeCdiSpec(target);
    await node.use("asker");
    await node.answer("asker", "create", { adjust });
    const pod = await runPod();
    const annotations = { "example.com/gone": "x" };
    const container = await node.life.runContainer(pod, { resources: limited, annotations });
    noFailure();
    // The start is answered before the container's own program has taken the place of runc's.
    await expect.poll(async () => (await node.proc(container, "environ")).split("\0"), patience).toContain("BY=nri");
    for (const { path, seen, expected } of fields) {
      expect(await seen(node, container), path).toEqual(expected);
    }
    await node.life.end(pod, container);
    noFailure();
  });

  test("each field that phase start writes is in the real cgroup", async () => {
    const resources: Record<string, unknown> = {};
    for (const [path, value] of writtenFields) setIn(resources, path.split("."), value);
    await node.use("late");
    await node.answer("late", "create", { adjust: { linux: { resources } } });
    const container = await node.life.runContainer(await runPod(), { resources: limited });
    noFailure();
    for (const [path, , file, written] of writtenFields) expect(await node.cgroup(container, file), path).toBe(written);
  });

  test.each(["keeper", "late-keeper"] as const)(
    "results.keep: an update by CRI leaves the quota of %s",
    async (name) => {
      await node.use(name);
      await node.answer(name, "create", { adjust: { linux: { resources: { cpu: { quota: 20_000 } } } } });
      const container = await node.life.runContainer(await runPod(), { resources: limited });
      expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("20000");
      await node.life.update(container, { cpu_shares: 600 });
      expect(await node.cgroup(container, "cpu.shares")).toBe("600");
      expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("20000");
      await node.life.update(container, { cpu_shares: 700, cpu_quota: 30_000, cpu_period: 100_000 });
      noFailure();
      expect(await node.cgroup(container, "cpu.shares")).toBe("700");
      expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("20000");
    },
  );

  test("cgroupsPath of the v0.1 README's output form decides where the cgroup is", async () => {
    const path = `/kubepods/besteffort/${target.daemon.uidPart}moved`;
    await node.use("asker");
    await node.answer("asker", "create", { cgroupsPath: path });
    const container = await node.life.runContainer(await runPod(), { resources: limited });
    noFailure();
    expect(node.spec(container).linux.cgroupsPath).toBe(path);
    expect(await node.cgroupPath(container, "cpu")).toBe(path);
  });

  test("creating and stopping a container changes another one's real cgroup", async () => {
    await node.use("asker");
    const pod = await runPod();
    const other = await node.life.runContainer(pod, { name: "other", resources: limited });
    await node.answer("asker", "create", { metadata: { [`adjust.update.${other}.cpu.quota`]: "20000" } });
    await node.answer("asker", "delete", { metadata: { [`adjust.update.${other}.cpu.shares`]: "77" } });
    const container = await node.life.runContainer(pod, { name: "new", resources: limited });
    expect(await node.cgroup(other, "cpu.cfs_quota_us")).toBe("20000");
    expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("50000");
    await node.life.stop(container);
    expect(await node.cgroup(other, "cpu.shares")).toBe("77");
    expect(await node.cgroup(other, "cpu.cfs_quota_us")).toBe("20000");
    noFailure();
  });

  test("in an update the result's resources win over those asked for, and the others stand", async () => {
    await node.use("asker");
    await node.answer("asker", "update", { metadata: { "adjust.cpu.shares": "700" } });
    const container = await node.life.runContainer(await runPod(), { resources: limited });
    await node.life.update(container, { cpu_shares: 600, cpu_quota: 30_000, cpu_period: 100_000 });
    noFailure();
    expect(node.request("asker", "update").spec.resources).toMatchObject({
      cpu: { shares: 600, quota: 30_000, period: 100_000 },
    });
    expect(await node.cgroup(container, "cpu.shares")).toBe("700");
    expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("30000");
  });

  test("what the kernel refuses in phase start fails the start, and names plugin, file and value", async () => {
    await node.use("late");
    await node.answer("late", "create", { metadata: { "adjust.cpu.quota": "40000", "adjust.cpu.cpus": "4000" } });
    const container = await node.life.create(await runPod(), { resources: limited });
    await node.life.start(container);
    const [failed] = node.life.failedCalls;
    expect(failed?.method).toBe("StartContainer");
    for (const part of ["plugin: late: ", "cpuset.cpus", '"4000"']) expect(failed?.details).toContain(part);
  });

  test("the same of a plugin whose failure is not to count is left out whole, and the others' changes stand", async () => {
    await node.use("lenient", "late");
    await node.answer("lenient", "create", { metadata: { "adjust.cpu.quota": "40000", "adjust.cpu.cpus": "4000" } });
    await node.answer("late", "create", { metadata: { "adjust.memory.swappiness": "9" } });
    const container = await node.life.runContainer(await runPod(), { resources: limited });
    noFailure();
    expect(await node.cgroup(container, "cpu.cfs_quota_us")).toBe("50000");
    expect(await node.cgroup(container, "memory.swappiness")).toBe("9");
    expect(target.bridge.log()).toMatch(
      /"plugins":\["lenient"\],"error":"[^"]*cpuset.cpus.*left out changes that it cannot apply/,
    );
  });

  test("a value that is none fails CreateContainer, says why, and the plugin gets its delete", async () => {
    await node.use("asker");
    await node.answer("asker", "create", { metadata: { "adjust.cpu.quota": "abc" } });
    const pod = await runPod();
    expect(await node.life.create(pod, { resources: limited })).toBe("");
    const [failed, ...rest] = node.life.failedCalls;
    expect(rest).toEqual([]);
    for (const part of ["plugin: asker: ", 'adjust.cpu.quota "abc": expected -1 for no limit']) {
      expect(failed).toMatchObject({ method: "CreateContainer", details: expect.stringContaining(part) });
    }
    expect(await target.daemon.cri.listContainers()).toEqual([]);
    const asked = await waitFor("the delete", 5_000, () => {
      const lines = node.asked("asker");
      return lines.length >= 2 ? lines : undefined;
    });
    expect(asked.map((line) => line.split(" ")[0])).toEqual(["create", "delete"]);
    expect(new Set(asked.map((line) => line.split(" ")[1])).size).toBe(1);
  });

  test("another NRI plugin that sets the same field: the runtime refuses the container and names both", async () => {
    await node.use("asker");
    await node.answer("asker", "create", { metadata: { "adjust.annotation.example.com/zone": "ours" } });
    const pod = await runPod();
    const rival = await startRival(target.daemon, { "adjust.annotation.example.com/zone": "theirs" });
    try {
      expect(await node.life.create(pod, { resources: limited })).toBe("");
      expect(node.life.failedCalls).toMatchObject([{ method: "CreateContainer" }]);
      const details = node.life.failedCalls[0]?.details ?? "";
      for (const part of ["v01-bridge", "rival", "example.com/zone"]) expect(details).toContain(part);
      await waitFor("the delete", 5_000, () => (node.asked("asker").length === 2 ? true : undefined));
      expect(target.bridge.log()).toContain('"adjusts":["annotation.example.com/zone"]');
    } finally {
      await rival.end();
    }
    const alone = await node.life.runContainer(pod, { name: "alone", resources: limited });
    expect(node.spec(alone).annotations["example.com/zone"]).toBe("ours");
  });
});

/** A CDI device that is a variable of the environment. */
async function writeCdiSpec({ daemon }: RunningTarget): Promise<void> {
  await mkdir(daemon.path("/etc/cdi"), { recursive: true });
  const devices = [{ name: "one", containerEdits: { env: ["CDI=one"] } }];
  const spec = { cdiVersion: "0.6.0", kind: "example.com/dev", devices };
  await writeFile(daemon.path("/etc/cdi/example.json"), JSON.stringify(spec));
}
