import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkPrivilege } from "../../src/cgroup/privilege.js";
import { program } from "../support/program.js";
import { Bench, cgroupMounts } from "./support.js";

const privilege = await checkPrivilege();
const cpu = '"/sys/fs/cgroup/cpu$path"';
const cpuset = "/sys/fs/cgroup/cpuset";
/** What a play is, of which only the container's create matters. */
const atCreate = { config: "phase: create\n", only: ["CreateContainer"] } as const;

let bench: Bench;

beforeAll(() => {
  bench = new Bench();
});

afterAll(() => bench.remove());

/** What a plugin does in its view that cannot be had. */
const bad: readonly [what: string, script: string, parts: readonly string[]][] = [
  ["writes a quota of letters", `echo abc >${cpu}/cpu.cfs_quota_us`, ["/cpu.cfs_quota_us", '"abc"']],
  [
    "writes 100 MB to a value",
    `dd if=/dev/zero of=${cpu}/cpu.shares bs=1M count=100 2>/dev/null`,
    ["/cpu.shares", "more than a kernel file takes", "write the value alone"],
  ],
  [
    "fills its file system",
    `echo 100 >${cpu}/cpu.shares; dd if=/dev/zero of=/sys/fs/cgroup/big bs=1M count=100 2>/dev/null`,
    ["/sys/fs/cgroup", "the captured view is full", "write nothing but values"],
  ],
  [
    "makes files until there is no room for one more",
    `cd ${cpu}; i=0; while [ $i -lt 5000 ] && true >x$i; do i=$((i+1)); done 2>/dev/null; cd /`,
    ["/sys/fs/cgroup", "the captured view is full"],
  ],
];

describe.skipIf(!privilege.ok)("a plugin in a captured view that", () => {
  it.each(bad)("%s has all of its result refused", async (_, script, parts) => {
    const before = cgroupMounts();
    bench.onCreate("wrong", { metadata: { "adjust.env.HALF": "1" } }, script);
    bench.asks("fine", { "adjust.env.FINE": "1" });
    const config = "phase: create\nonFailure: {create: continue}\n";
    const played = await bench.play({ plugins: ["wrong", "fine"], config, only: ["CreateContainer"] });
    expect(played.answer("CreateContainer")).toEqual({
      response: { adjust: { env: [{ key: "FINE", value: "1" }] } },
      error: null,
    });
    for (const part of ["the plugin's write to ", ...parts]) expect(played.fault("wrong")).toContain(part);
    expect(cgroupMounts()).toEqual(before);
  });

  it.each([
    ["puts a file in the place of its parents", `mv ${cpuset}/kubepods ${cpuset}/x; : >${cpuset}/kubepods`, "/x"],
    ["puts a loop of links there", `mv ${cpuset}/kubepods ${cpuset}/x; ln -s kubepods ${cpuset}/kubepods`, "/x"],
  ])("%s is refused, or warned of in the log where the rest of its result is to count", async (_, script, file) => {
    bench.onCreate("odd", {}, `${script}; echo -1 >${cpu}/cpu.cfs_quota_us`);
    const refused = await bench.play({ plugins: ["odd"], ...atCreate });
    expect(refused.fault("odd")).toMatch(
      /^.*the plugin's write to \/sys\/fs\/cgroup\/.*set `lostWrites: warn` to go on without it/,
    );
    const played = await bench.play({ plugins: ["odd"], ...atCreate, config: `${atCreate.config}lostWrites: warn\n` });
    expect(played.answer("CreateContainer")).toEqual({
      response: { adjust: { linux: { resources: { cpu: { quota: { value: "-1" } } } } } },
      error: null,
    });
    expect(played.warnings().join("\n")).toContain(file);
  });

  it("is asked of a sandbox has its writes judged as those of a container", async () => {
    const write = (value: string) =>
      `#!/bin/sh
path=$(sed -n 's/.*"cgroupsPath":"\\([^"]*\\)".*/\\1/p')
echo ${value} >"/sys/fs/cgroup/cpu$path/cpu.shares"
echo '{"plugin":"podder","version":"0.1","error":"","metadata":{"adjust.env.NOT":"for sandboxes"}}'
`;
    const config = "cgroup: capture\nplugins: {podder: {phase: create}}\n";
    bench.script("podder", write("100"));
    expect((await bench.play({ plugins: ["podder"], config })).answer("RunPodSandbox")).toEqual({
      response: {},
      error: null,
    });
    bench.script("podder", write("abc"));
    const { error } = (await bench.play({ plugins: ["podder"], config })).answer("RunPodSandbox");
    for (const part of ["plugin: podder: ", "/cpu.shares", '"abc"']) expect(error).toContain(part);
  });

  it("runs under systemd's cgroup driver is shown the real path, and can write there", async () => {
    const cgroupsPath = "kubepods-besteffort-pod1.slice:cri-containerd:abc";
    const real = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-abc.scope";
    bench.onCreate("sd", {}, `echo 20000 >${cpu}/cpu.cfs_quota_us`);
    const played = await bench.play({ plugins: ["sd"], config: "phase: create\n", cgroupsPath });
    expect(JSON.parse(played.run("sd")?.request ?? "{}").spec.cgroupsPath).toBe(real);
    expect(played.answer("CreateContainer").response).toEqual({
      adjust: { linux: { resources: { cpu: { quota: { value: "20000" } } } } },
    });
    const host = await bench.play({ plugins: ["labels"], config: "phase: create\ncgroup: host\n", cgroupsPath });
    expect(JSON.parse(host.run("labels")?.request ?? "{}").spec.cgroupsPath).toBe(cgroupsPath);
  });

  it.each([
    ["auto", "create", "view"],
    ["auto", "start", "node"],
    ["host", "create", "node"],
    ["host", "start", "node"],
    ["capture", "create", "view"],
    ["capture", "start", "view"],
  ])("has cgroup: %s in phase %s sees the %s", async (cgroup, phase, sees) => {
    bench.onCreate("looker", {}, "if [ -d /sys/fs/cgroup/.view ]; then echo view >&2; else echo node >&2; fi");
    const event = phase === "create" ? "CreateContainer" : "StartContainer";
    const config = `phase: ${phase}\ncgroup: ${cgroup}\n`;
    const played = await bench.play({ plugins: ["looker"], config, only: [event] });
    expect(played.run("looker", event)?.stderr).toEqual([sees]);
    expect(played.answer(event)).toEqual({ response: {}, error: null });
  });
});

describe.skipIf(!privilege.ok)("without CAP_SYS_ADMIN", () => {
  const without = (...args: string[]) =>
    spawnSync("setpriv", ["--bounding-set", "-sys_admin", process.execPath, program, ...args], {
      encoding: "utf8",
      timeout: 15_000,
    });

  it("cgroup: capture is an error at the start, with what is missing and the remedy", () => {
    const config = join(bench.folder, "capture.yaml");
    writeFileSync(config, "plugins: {clearcfs: {cgroup: capture}}\n");
    const socket = join(bench.folder, "none.sock");
    const { status, stderr } = without("run", "--once", "--config", config, "--socket", socket);
    expect(status).toBe(2);
    for (const part of ["cgroup: capture is configured", "CAP_SYS_ADMIN", "privileged: true", "set cgroup: host"]) {
      expect(stderr).toContain(part);
    }
  });

  it("cgroup: auto runs plugins on the node's cgroups, and says so once", async () => {
    bench.onCreate("looker", {}, "if [ -d /sys/fs/cgroup/.view ]; then echo view >&2; else echo node >&2; fi");
    const given = { plugins: ["looker"], ...atCreate };
    const first = await bench.play(given);
    expect(first.run("looker")?.stderr).toEqual(["view"]);
    const played = await bench.play({ ...given, by: ["setpriv", "--bounding-set", "-sys_admin"] });
    expect(played.run("looker")?.stderr).toEqual(["node"]);
    const said = played.log.filter(
      ({ msg }) =>
        msg ===
        "the bridge cannot make captured cgroup views on this node: plugins with cgroup: auto see the node's cgroups",
    );
    expect(said).toMatchObject([{ level: "warn", reason: expect.stringContaining("CAP_SYS_ADMIN") }]);
    expect(played.answer("CreateContainer")).toEqual({ response: {}, error: null });
  });
});

it("no view of these tests is left: no process in one", () => {
  const keepers = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(bench.folder);
    } catch {
      return false;
    }
  });
  expect(keepers).toEqual([]);
});
