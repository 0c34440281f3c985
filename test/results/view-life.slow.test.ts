import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { checkPrivilege } from "../../src/cgroup/privilege.js";
import { decodeEventResponse } from "../../src/nri/events.js";
import { readCase } from "../../src/tools/replay/case.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import type { RuntimePlugin } from "../../src/tools/runtime/runtime-plugin.js";
import { keepersOf, namespaceOf } from "../cgroup/support.js";
import { children, isAlive, until } from "../plugin/processes.js";
import { startProgram } from "../support/program.js";
import { Bench, cgroupMounts } from "./support.js";

const events = readCase(resolve(import.meta.dirname, "../../fixtures/scenarios/clear-cfs")).events;
const closing: (() => unknown)[] = [];
let bench: Bench;
let mountsBefore: readonly string[];

beforeEach(() => {
  bench = new Bench();
  mountsBefore = cgroupMounts();
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  bench.remove();
  expect(cgroupMounts()).toEqual(mountsBefore);
});

describe.skipIf(!(await checkPrivilege()).ok)("captured views of a running bridge", () => {
  /** Starts the program with one captured plugin, and waits until a view is in reserve. */
  async function running(plugin: string, settings = "", waiting = 1) {
    const { folder, bin } = bench;
    mkdirSync(join(folder, "state"));
    const [config, conf, socketPath] = [join(folder, "c.yaml"), join(folder, "conf.json"), join(folder, "nri.sock")];
    writeFileSync(config, `phase: create\npermissions: trust\nstate: {directory: ${folder}/state}\n${settings}`);
    writeFileSync(conf, JSON.stringify({ version: "0.1", plugins: [{ type: plugin }] }));
    const runtime = await createRuntime({ socketPath, name: "containerd", version: "v1.7.24" });
    closing.push(() => runtime.close());
    const bridge = startProgram(
      ["run", "--once", "--socket", socketPath, "--conf", conf, "--bin-dir", bin, "--config", config],
      process.env,
      60_000,
    );
    closing.push(() => bridge.child.kill("SIGKILL"));
    const peer = await runtime.accept(Deadline.after(10_000));
    const pid = bridge.child.pid ?? 0;
    await becomes(() => keepersOf(pid).filter(isMade).length === waiting);
    return { bridge, peer, pid };
  }

  async function create(peer: RuntimePlugin) {
    const event = events.find(({ method }) => method === "CreateContainer");
    if (event === undefined) throw new Error("the case creates no container");
    const outcome = await peer.raw(event.method, event.payload, { timeoutNano: 5_000_000_000n });
    if (outcome.payload === undefined) throw new Error(outcome.error?.message ?? "no answer");
    return decodeEventResponse(event.method, outcome.payload);
  }

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "leave no process and no mount when the bridge ends by %s",
    async (signal) => {
      bench.onCreate("writer", {}, 'echo -1 >"/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us"');
      const { bridge, peer, pid } = await running("writer");
      const first = keepersOf(pid);
      expect(await create(peer)).toMatchObject({ adjust: { linux: { resources: { cpu: { quota: -1n } } } } });
      // The view of that run goes, and another one is made ahead for the next.
      await becomes(() => keepersOf(pid).length === 1 && !first.some(isAlive));
      const last = keepersOf(pid);
      expect(cgroupMounts()).toEqual(mountsBefore);
      bridge.child.kill(signal);
      await bridge.ended;
      await becomes(() => !last.some(isAlive));
    },
  );

  it("are not made for a plugin that sees the node's cgroups", async () => {
    bench.onCreate("looker", {}, "");
    const { peer, pid } = await running("looker", "cgroup: host\n", 0);
    expect(await create(peer)).toMatchObject({});
    // Longer than a view would take that is made when a run has ended.
    await new Promise((wait) => setTimeout(wait, 300));
    expect(keepersOf(pid)).toEqual([]);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "live on with a background process in them, also after the bridge's end by %s, and go with it",
    async (signal) => {
      const file = join(bench.folder, "child");
      const script = `(while :; do sleep 0.2; done) >/dev/null 2>&1 </dev/null & echo $! >${file}; echo 20000 >"/sys/fs/cgroup/cpu$path/cpu.cfs_quota_us"`;
      bench.onCreate("leaver", {}, script);
      const { bridge, peer, pid } = await running("leaver");
      expect(await create(peer)).toMatchObject({ adjust: { linux: { resources: { cpu: { quota: 20_000n } } } } });
      const child = Number(readFileSync(file, "utf8"));
      const view = namespaceOf(child);
      closing.push(() => isAlive(child) && process.kill(child, "SIGKILL"));
      expect(view).not.toBe(namespaceOf(process.pid));
      await becomes(() => inNamespace(view).every((other) => other === child || children(child).includes(other)));
      expect(isAlive(child)).toBe(true);
      expect(readdirSync(`/proc/${child}/root/sys/fs/cgroup/cpu`)).toContain("kubepods");
      bridge.child.kill(signal);
      await bridge.ended;
      expect(isAlive(child)).toBe(true);
      process.kill(child, "SIGKILL");
      await becomes(() => inNamespace(view).length === 0);
      expect(keepersOf(pid)).toEqual([]);
    },
  );
});

/** Whether a view can be taken: the links among the hierarchies are made last of all. */
function isMade(keeper: number): boolean {
  return lstatSync(`/proc/${keeper}/root/sys/fs/cgroup/net_prio`, { throwIfNoEntry: false }) !== undefined;
}

function inNamespace(namespace: string): number[] {
  const all = readdirSync("/proc").map(Number);
  return all.filter((pid) => pid > 0 && namespaceOf(pid) === namespace && isAlive(pid));
}

/** @throws Error when it does not come to hold */
async function becomes(condition: () => boolean): Promise<void> {
  if (!(await until(condition, 10_000))) throw new Error(`it does not hold: ${condition}`);
}
