import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import type { Log } from "../src/base/logger.js";
import { Breakers } from "../src/bridge/breaker.js";
import { planCall } from "../src/bridge/call-time.js";
import type { ChainCall } from "../src/bridge/chain.js";
import { createRunChain } from "../src/bridge/chain.js";
import { Observers } from "../src/bridge/observers.js";
import { createNodeCgroups, createRecordedCgroups } from "../src/cgroup/cgroups.js";
import { checkPrivilege } from "../src/cgroup/privilege.js";
import { mergeConfig } from "../src/config/merge.js";
import { parseConfigList } from "../src/v01/config-list.js";
import type { LinuxResources } from "../src/v01/resources.js";
import { makeCgroup, mounts, testCgroup } from "./cgroup/support.js";
import { createDirectory, installFile } from "./plugin/plugin-directory.js";
import { portableStarter } from "./plugin/spawners.js";

const privilege = await checkPrivilege();

/** What a plugin prints, and what it does before in its view; what it says to stderr is kept. */
interface Acts {
  readonly script?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Not in a view. */
  readonly host?: true;
}

/** Runs a chain of real plugins in captured views. `$path` is the cgroupsPath of the request; `said` to stderr, with their names. */
async function play(
  plugins: Readonly<Record<string, Acts>>,
  given: Partial<Omit<ChainCall, "request">> & {
    readonly state?: string;
    readonly path?: string;
    readonly pid?: number;
    readonly resources?: LinuxResources;
    readonly lostWrites?: "warn";
  },
) {
  const { state = "create", path = "/kubepods/pod1/c1", pid = 0, resources = {}, lostWrites = "fail", ...rest } = given;
  const { target = { kind: "container", pod: "ns/pod", container: "ctr" }, ...more } = rest;
  const directory = createDirectory();
  const said: string[] = [];
  const warnings: string[] = [];
  const log: Log = {
    conceal() {},
    debug() {},
    info(fields) {
      if ("line" in fields && "plugin" in fields) said.push(`${fields.plugin}: ${fields.line}`);
    },
    warn(fields, sentence) {
      // Short names are those of programs here and there.
      if (!("shadowed" in fields)) warnings.push(`${sentence} ${JSON.stringify(fields)}`);
    },
    error: (fields, sentence) => warnings.push(`${sentence} ${JSON.stringify(fields)}`),
  };
  for (const [name, { script = ":", metadata = {} }] of Object.entries(plugins)) {
    const read = `path=$(sed -n 's/.*"cgroupsPath":"\\([^"]*\\)".*/\\1/p')`;
    const answer = JSON.stringify({ plugin: name, version: "0.1", error: "", metadata });
    const print = `printf %s '${answer.replaceAll("PATH", "'\"$path\"'")}'`;
    installFile(directory, name, `#!/bin/sh\n${read}\n${script}\n${print}\n`);
  }
  const spawner = portableStarter();
  onTestFinished(() => spawner.close());
  const cgroups = pid > 0 ? createNodeCgroups() : createRecordedCgroups();
  onTestFinished(() => cgroups.close());
  const runChain = createRunChain({
    config: mergeConfig({
      pluginDirs: [directory],
      lostWrites,
      plugins: Object.fromEntries(
        Object.entries(plugins).map(([name, { host }]) => [name, { cgroup: host ? "host" : "capture" }]),
      ),
    }),
    runtime: {
      name: "containerd",
      version: "v2.1.4",
      nri: { major: 0, minor: 10, patch: 0, preRelease: false, source: "stated" },
      requestTimeoutMs: 10_000,
    },
    cgroups,
    environment: { PATH: "/usr/bin:/bin" },
    spawner,
    breakers: new Breakers(),
    observers: new Observers(),
    log,
    onRun: undefined,
    afterChain: () => {},
  });
  const list = { version: "0.1", plugins: Object.keys(plugins).map((type) => ({ type })) };
  const end = await runChain({
    event: "StartContainer",
    time: planCall(10_000, "a limit", { replyMarginMs: 200, killAfterMs: 100 }),
    list: parseConfigList(Buffer.from(JSON.stringify(list))),
    make: () => ({
      request: {
        version: "0.1",
        state,
        id: "c1",
        sandboxID: "p1",
        pid,
        spec: { resources, namespaces: {}, cgroupsPath: path, annotations: {} },
        labels: {},
      },
      target,
    }),
    phase: "start",
    ...more,
  });
  return { end, said, warnings };
}

const quota = '"/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us"';
const show = (files: string) =>
  `cd /sys/fs/cgroup; for f in ${files}; do echo $f=$(cat "\${f%%/*}$path/\${f#*/}") >&2; done`;

/** A container's real cgroup with a process in it, on cgroup v1; the test is skipped where none can be made. */
function realCgroup(context: TestContext, files: Readonly<Record<string, string>>, path = testCgroup) {
  const below = path.startsWith("/") ? path : `/${path}`;
  const controllerOf = (file: string) => file.split(".")[0] ?? "";
  const made = makeCgroup(context, [...new Set(Object.keys(files).map(controllerOf))], below);
  const inside = spawn("sleep", ["60"]);
  onTestFinished(async () => {
    const ended = new Promise((resolve) => inside.once("exit", resolve));
    inside.kill("SIGKILL");
    await ended;
  });
  const fileOf = (file: string) => `${mounts.v1.get(controllerOf(file))?.point}${below}/${file}`;
  for (const [file, value] of Object.entries(files)) writeFileSync(fileOf(file), value);
  for (const directory of made) writeFileSync(`${directory}/cgroup.procs`, String(inside.pid));
  return { path, pid: inside.pid ?? 0, read: (file: string) => readFileSync(fileOf(file), "utf8").trim() };
}

describe.skipIf(!privilege.ok)("a captured plugin of a running container", () => {
  it("of an update sees what is asked for, not what the cgroup still has, and its write of the old value counts", async (context) => {
    const { path, pid } = realCgroup(context, { "cpu.cfs_quota_us": "50000", "cpu.shares": "512" });
    const { end, said } = await play(
      {
        a: { script: `${show("cpu/cpu.cfs_quota_us cpu/cpu.shares")}; echo 50000 >${quota}` },
        b: { script: show("cpu/cpu.cfs_quota_us") },
      },
      { state: "update", phase: "update", path, pid, resources: { cpu: { quota: 30_000n, shares: 0n } } },
    );
    expect(end.error).toBeUndefined();
    // What the spec does not say is as it is.
    expect(said).toEqual(["a: cpu/cpu.cfs_quota_us=30000", "a: cpu/cpu.shares=512", "b: cpu/cpu.cfs_quota_us=50000"]);
    expect(end.change.updates).toMatchObject([
      { containerId: "c1", linux: { resources: { cpu: { quota: 50_000n } } } },
    ]);
  });

  it("that starts sees the changes so far over the real values, and the last one wins", async (context) => {
    const { path, pid, read } = realCgroup(context, { "cpu.cfs_quota_us": "50000", "cpu.shares": "512" });
    const { end, said, warnings } = await play(
      {
        a: { metadata: { "adjust.cpu.quota": "20000" }, host: true },
        b: { script: `${show("cpu/cpu.cfs_quota_us cpu/cpu.shares cpu/cgroup.procs")}; echo 50000 >${quota}` },
        c: { script: show("cpu/cpu.cfs_quota_us") },
      },
      { path, pid, resources: { cpu: { quota: 70_000n, shares: 2n } } },
    );
    expect(end.error).toBeUndefined();
    expect(said).toEqual([
      "b: cpu/cpu.cfs_quota_us=20000",
      "b: cpu/cpu.shares=512",
      `b: cpu/cgroup.procs=${pid}`,
      "c: cpu/cpu.cfs_quota_us=50000",
    ]);
    expect(read("cpu.cfs_quota_us")).toBe("50000");
    await expect.poll(() => warnings).toEqual([expect.stringMatching(/the last value counts.*"first":"a","last":"b"/)]);
  });
});

describe.skipIf(!privilege.ok)("what a captured plugin writes that no field has", () => {
  const freeze = { a: { script: 'echo FROZEN >"/sys/fs/cgroup/freezer$path/freezer.state"' } };
  const text =
    /freezer\/kubepods\/pod1\/c1\/freezer.state has no effect: "FROZEN": .*: leave it out, or set `lostWrites: warn`/;
  const warned = [expect.stringMatching(/freezer.state has no effect:.*FROZEN/)];
  const pod = { target: { kind: "sandbox", pod: "ns/pod" }, event: "RunPodSandbox" } as const;

  it("is an error at the create of a container, and a warning by lostWrites: warn", async () => {
    const { end } = await play(freeze, { phase: "create" });
    expect(end.error).toMatch(text);
    const warn = await play(freeze, { phase: "create", lostWrites: "warn" });
    expect([warn.end.error, warn.warnings]).toEqual([undefined, warned]);
  });

  it("is a warning at the create of a sandbox, and at a delete, whatever it is", async () => {
    expect((await play(freeze, { ...pod, phase: "create" })).warnings).toEqual(warned);
    const all = {
      a: { script: `${freeze.a.script}; echo 5 >${quota}; echo 20000 >${quota.replace("quota", "period")}` },
    };
    const { end, warnings } = await play(all, { state: "delete", phase: "delete", event: "StopContainer" });
    expect(end).toMatchObject({ error: undefined, change: { updates: [], fields: [] } });
    expect(warnings.map((warning) => /(\w+\.\w+) has no effect/.exec(warning)?.[1])).toEqual(
      expect.arrayContaining(["freezer.state", "cpu.cfs_quota_us", "cpu.cfs_period_us"]),
    );
  });

  it("is written to the real files of cgroup v1 in phase start", async (context) => {
    const files = { "cpu.cfs_quota_us": "50000", "devices.deny": "c 1:9 rwm", "pids.max": "50" };
    const { path, pid, read } = realCgroup(context, files);
    const rules = `cd "/sys/fs/cgroup/devices$path"; echo a >devices.deny; echo c 1:3 rwm >devices.allow; echo c 1:5 r >devices.allow`;
    const burst = quota.replace("quota", "burst");
    const a = { script: `${rules}; echo 2000 >${burst}; echo 60000 >${quota}` };
    const { end } = await play({ a }, { path, pid });
    expect([end.error, end.change.fields]).toEqual([undefined, ["cpu.quota"]]);
    expect(read("cpu.cfs_quota_us")).toBe("60000");
    expect(read("cpu.cfs_burst_us")).toBe("2000");
    expect(read("devices.list")).toBe("c 1:3 rwm\nc 1:5 r");
  });

  it("is found where runc's cgroupfs driver takes systemd's form as it stands", async (context) => {
    const name = `nri-test.slice:cri-containerd:${process.pid}`;
    const { path, pid, read } = realCgroup(context, { "cpu.cfs_quota_us": "50000" }, name);
    const { end, said } = await play(
      { b: { script: `${show("cpu/cpu.cfs_quota_us")}; echo 30000 >${quota}` } },
      { path, pid },
    );
    expect([end.error, said]).toEqual([undefined, ["b: cpu/cpu.cfs_quota_us=50000"]]);
    expect(read("cpu.cfs_quota_us")).toBe("30000");
  });
});

describe.skipIf(!privilege.ok)("a captured plugin before the container exists", () => {
  it("that prints the path it was shown asks for no change of it", async () => {
    const path = "kubepods-pod1.slice:cri-containerd:abc";
    const { end, warnings } = await play(
      { a: { metadata: { "adjust.cgroupsPath": "PATH", "adjust.cpu.shares": "512" } } },
      { phase: "create", path },
    );
    expect({ error: end.error, warnings }).toEqual({ error: undefined, warnings: [] });
    expect(end.change.adjust).toEqual({ linux: { resources: { cpu: { shares: 512n } } } });
    const other = await play({ a: { metadata: { "adjust.cgroupsPath": "/mine" } } }, { phase: "create", path });
    expect(other.end.change.adjust).toEqual({ linux: { cgroupsPath: "/mine" } });
  });
});

describe("a plugin that prints the same for every state", () => {
  const plugins = {
    p: { metadata: { "adjust.cpu.shares": "512", "adjust.env.A": "1" }, host: true },
    q: { script: "echo ran >&2", host: true },
  } as const;

  it("does not keep the delete from the plugins behind it", async () => {
    const { end, said, warnings } = await play(plugins, { state: "delete", phase: "delete", event: "StopContainer" });
    expect(end.error).toBeUndefined();
    expect(said).toEqual(["q: ran"]);
    expect(end.change).toMatchObject({ updates: [], fields: [] });
    expect(warnings).toEqual(
      ["adjust.cpu.shares", "adjust.env.A"].map((key) => expect.stringContaining(`"note":"${key}: takes effect in`)),
    );
  });

  it("fails no event of its own by it, whatever it asks and writes", async () => {
    const wrong = { p: { metadata: { "adjust.cpu.shares": "no number", "adjust.unknown": "" } } };
    const views = privilege.ok ? { w: { script: `echo abc >${quota}` } } : {};
    const event = { state: "postCreate", phase: "delete", event: "PostStartContainer", changesNothing: true } as const;
    const { end, said, warnings } = await play({ ...plugins, ...wrong, ...views, last: plugins.q }, event);
    expect({ error: end.error, warnings }).toEqual({ error: undefined, warnings: [] });
    expect(said).toEqual(["q: ran", "last: ran"]);
    expect(end.change).toMatchObject({ updates: [], fields: [] });
  });
});
