import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "../../src/host/host.js";
import { createNodeHost } from "../../src/host/host.js";
import { Processes } from "../../src/ledger/processes.js";
import { collectLog, sandbox } from "./support.js";

describe("the processes of pods", () => {
  let log: ReturnType<typeof collectLog>;
  let gone: string[];
  let host: Host;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    log = collectLog();
    gone = [];
    host = createNodeHost();
  });
  afterEach(() => {
    host.watcher.close();
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  const processes = (over: Partial<Host> = {}) =>
    new Processes({ host: { ...host, ...over }, peer: () => undefined, log, onGone: (id) => gone.push(id) });

  /** A process that is a pod's by its cgroup, since all that we start is in ours. */
  function pause(): { child: ChildProcess; pid: number; cgroupsPath: string } {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    children.push(child);
    const [line = ""] = readFileSync(`/proc/${child.pid}/cgroup`, "utf8").split("\n");
    return { child, pid: child.pid ?? 0, cgroupsPath: line.split(":").slice(2).join(":") };
  }

  /** Hosts whose cgroup is the root name nobody by it. */
  const claimAll: Partial<Host> = {
    claim: ({ pid }) => ({ confirmed: true, identity: host.identify(pid), parent: 0 }),
  };

  it("are told of when they end, once", async () => {
    const { child, pid, cgroupsPath } = pause();
    const own = processes(claimAll);
    const process = own.identify({ id: "pod", sandboxID: "pod", pid, cgroupsPath })?.identity;
    expect(process).toMatchObject({ pid });
    own.watch(sandbox("pod", { pid, ...(process === undefined ? {} : { process }) }));
    child.kill("SIGKILL");
    await expect.poll(() => gone.length, { timeout: 5_000 }).toBe(1);
    await sleep(50);
    expect({ gone, size: host.watcher.size }).toEqual({ gone: ["pod"], size: 0 });
  });

  it("are told of at once when they ended while no bridge ran", async () => {
    const { pid } = pause();
    const own = processes();
    own.watch(sandbox("pod", { pid, process: { ...host.identify(pid), startTime: "1" } }));
    expect(gone).toEqual([]);
    await sleep(20);
    expect(gone).toEqual(["pod"]);
  });

  it("are not watched when they cannot be known from here, or are not ours to serve", async () => {
    const { pid } = pause();
    const own = processes();
    const process = host.identify(pid);
    own.watch(sandbox("a", { pid, process: { ...process, pidNamespace: "pid:[1]" } }));
    own.watch(sandbox("b", { pid, process, served: false }));
    const { process: _, ...unknown } = sandbox("c", { pid });
    own.watch(unknown);
    expect(host.watcher.size).toBe(0);
  });

  it("are believed to be a pod's only where their cgroup or bundle says so, with one warning", () => {
    const { pid } = pause();
    const own = processes();
    const stranger = { id: "0c4f", sandboxID: "0c40", pid, cgroupsPath: "/kubepods/pod/0c4f" };
    expect(own.identify(stranger)).toBeUndefined();
    expect(own.identify(stranger)).toBeUndefined();
    expect(own.identify({ ...stranger, pid: 0 })).toBeUndefined();
    expect(log.lines).toMatchObject([{ level: "warn", fields: { id: "0c4f", pid } }]);
  });

  it("mean nothing in another pid namespace than the runtime's, with one warning", () => {
    const { pid } = pause();
    const own = processes({ ...claimAll, sharesPidNamespace: () => ({ answer: "no", reason: "a pod of its own" }) });
    const query = { id: "pod", sandboxID: "pod", pid, cgroupsPath: "" };
    expect(own.identify(query)).toBeUndefined();
    expect(own.identify(query)).toBeUndefined();
    expect(log.lines).toMatchObject([{ level: "warn", fields: { reason: "a pod of its own" } }]);
  });
});
