import { beforeEach, describe, expect, it } from "vitest";
import * as bridge from "./bridge.js";
import { node } from "./bridge.js";

/** The files of a container's cgroup, as the kernel has them. */
async function cgroupOf(container: string, files: Iterable<string>): Promise<Record<string, string | undefined>> {
  const found = await node.run(
    `cd /sys/fs/cgroup/kubepods.slice/*/*/*${container}.scope && head -v -n 9 ${[...files].join(" ")}`,
  );
  const texts = found.split(/^==> (.*) <==\n/m).slice(1);
  return Object.fromEntries(texts.flatMap((text, i) => (i % 2 ? [] : [[text, texts[i + 1]?.trim()]])));
}

const limited = { resources: { cpu_shares: 1024, cpu_quota: 50000, cpu_period: 100000 } };
/** cpu.weight of 512 shares, as runc since 1.3 has it (opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value). */
const weight512 = "59";

/** What a plugin writes to which file of cgroup v1, and what is then in which file of cgroup v2. */
const everywhere = [
  ["cpu.shares", "512", "cpu.weight", weight512],
  ["cpu.cfs_quota_us", "25000", "cpu.max", "25000 100000"],
  ["cpuset.cpus", "1", "cpuset.cpus", "1"],
  ["memory.limit_in_bytes", "64M", "memory.max", "67108864"],
  ["pids.max", "50", "pids.max", "50"],
  ["hugetlb.2MB.limit_in_bytes", "4M", "hugetlb.2MB.max", "4194304"],
  ["blkio.throttle.read_bps_device", "254:0 1048576", "io.max", "254:0 rbps=1048576 wbps=max riops=max wiops=max"],
  // compat: runc's conversion, 1 + (weight - 10) * 9999 / 990.
  ["blkio.weight", "200", "io.weight", "default 1920"],
] as const;
const inStart = [
  ["memory.soft_limit_in_bytes", "32M", "memory.low", "33554432"],
  ["memory.memsw.limit_in_bytes", "96M", "memory.swap.max", "33554432"],
] as const;

bridge.beforeFirst(async () => {
  await bridge.prepare();
  await bridge.installUnit();
});
beforeEach(bridge.empty);

describe("captured writes on cgroup v2", () => {
  it("of clearcfs in phase create take the quota off, also after systemctl daemon-reload", async () => {
    const settings = {
      annotations: { pod: ["qos.class"] },
      plugins: { clearcfs: { phase: "create", cgroup: "capture" } },
    };
    await bridge.configure(settings, bridge.confOf("clearcfs"));
    const container = await node.runContainer(await node.runPod({ "qos.class": "ls" }), limited);
    expect(await cgroupOf(container, ["cpu.max"])).toEqual({ "cpu.max": "max 100000" });
    await node.run("systemctl daemon-reload");
    expect(await cgroupOf(container, ["cpu.max"])).toEqual({ "cpu.max": "max 100000" });
    // Without the annotation it is left as it was.
    const other = await node.runContainer(await node.runPod(), limited);
    expect(await cgroupOf(other, ["cpu.max"])).toEqual({ "cpu.max": "50000 100000" });
  });

  it.each([
    ["create", everywhere],
    ["start", [...everywhere, ...inStart]],
  ] as const)("in phase %s: each file of v1 to its file of v2", async (phase, rows) => {
    const writes = Object.fromEntries(rows.map(([file, value]) => [file, value]));
    const conf = JSON.stringify({ version: "0.1", plugins: [{ type: "writer", conf: { writes } }] });
    await bridge.configure({ plugins: { writer: { phase, cgroup: "capture" } } }, conf);
    const container = await node.runContainer(await node.runPod(), limited);
    const expected = Object.fromEntries(rows.map(([, , file, value]) => [file, value]));
    expect(await cgroupOf(container, Object.keys(expected))).toEqual(expected);
    await node.run("systemctl daemon-reload");
    const after = await cgroupOf(container, Object.keys(expected));
    // systemd writes its own values again: what phase create changed is among them.
    // compat: runc does not tell systemd of io.weight (opencontainers/cgroups systemd/v2.go), and systemd sets it to its default.
    if (phase === "create") expect(after).toEqual({ ...expected, "io.weight": "default 100" });
    else expect(after["cpu.max"]).toBe("50000 100000");
  });
});
