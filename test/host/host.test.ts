import { beforeEach, describe, expect, it } from "vitest";
import { createNodeHost, createRecordedHost } from "../../src/host/host.js";
import { readProcessStat } from "../../src/host/proc.js";
import { FakeProc } from "./fake-proc.js";

const id = "0c4f8fd1e2b7a7";
const v1 = (path: string) => `12:pids:${path}\n11:cpu,cpuacct:${path}\n1:name=systemd:${path}\n0::/system.slice/x\n`;
const v2 = (path: string) => `0::${path}\n`;
const slice = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podab_c.slice";

let proc: FakeProc;
beforeEach(() => {
  proc = new FakeProc("pid:[1]", "boot-1");
});
const host = () => createNodeHost(proc.root);

describe("the stat of a process", () => {
  it.each(["sleep", "tmux: server", "a) S 1 (b", "x\ny", ""])("is read where the command is %j", (command) => {
    const startTime = "123456789012345";
    proc.add({ pid: 42, command, state: "R", parent: 7, startTime });
    expect(readProcessStat(42, proc.root)).toEqual({ state: "R", parent: 7, group: 0, startTime });
  });

  it.each(["", "1 (sleep) S 1 2 3", "sleep S 1", "1 (sleep"])("is not made up from %j", (line) => {
    proc.write("42/stat", line);
    expect(readProcessStat(42, proc.root)).toBe("unreadable");
    expect(readProcessStat(43, proc.root)).toBe("missing");
  });
});

describe("a process of", () => {
  const recorded = { pid: 10, startTime: "100", bootId: "boot-1", pidNamespace: "pid:[1]" };
  it.each([
    ["the process itself", {}, {}, "alive"],
    ["a pid that is used again", {}, { startTime: "101" }, "dead"],
    ["a zombie", {}, { state: "Z" }, "dead"],
    ["no such pid", {}, { pid: 11 }, "dead"],
    ["an earlier boot", { bootId: "boot-0" }, {}, "dead"],
    ["an earlier boot, without a start time", { bootId: "boot-0", startTime: undefined }, {}, "dead"],
    ["no boot id then", { bootId: "" }, {}, "alive"],
    ["another pid namespace", { pidNamespace: "pid:[2]" }, {}, "unknown"],
    ["no start time", { startTime: undefined }, {}, "unknown"],
    ["no pid", { pid: 0 }, {}, "unknown"],
  ])("%s", (_, identity, process, expected) => {
    proc.add({ pid: 10, ...process });
    expect(host().liveness({ ...recorded, ...identity })).toBe(expected);
  });
});

describe("a process is claimed for a pod", () => {
  const sandboxID = "9".repeat(64);
  const query = { id, sandboxID, pid: 10, cgroupsPath: "" };

  it.each([
    ["cgroupfs, v1", v1(`/kubepods/besteffort/podab-c/${id}`), "", true],
    ["cgroupfs, v2", v2(`/kubepods/besteffort/podab-c/${id}`), "", true],
    ["systemd, containerd", v2(`${slice}/cri-containerd-${id}.scope`), "", true],
    ["systemd, CRI-O", v2(`${slice}/crio-${id}.scope`), "", true],
    ["a child of it", v2(`${slice}/crio-${id}.scope/container`), "", true],
    ["systemd on a path of colons", v2(`/kubepods/cri-containerd:${id}`), "", true],
    ["seen from a cgroup namespace", v2(`/../../podab-c/${id}`), "", true],
    ["its cgroupsPath alone", v2("/own/path"), "/own/path", true],
    ["below its cgroupsPath", v2("/own/path/init"), "own/path/", true],
    ["its cgroupsPath, systemd", v2(`${slice}/pre-name.scope`), "kubepods.slice:pre:name", true],
    ["its cgroupsPath, a slice", v2(`${slice}/name.slice`), "kubepods.slice:pre:name.slice", true],
    ["not another's id", v2(`/kubepods/besteffort/podab-c/${id}0`), "", false],
    ["not another's cgroupsPath", v2("/own/path2"), "/own/path", false],
    ["not the root", v2("/"), "", false],
    ["not the root as cgroupsPath", v2("/anything"), "/", false],
    ["not nothing", "", "/own/path", false],
  ])("by its cgroup: %s", (_, cgroup, cgroupsPath, expected) => {
    proc.add({ pid: 10, cgroup });
    expect(host().claim({ ...query, cgroupsPath }).confirmed).toBe(expected);
  });

  it.each([
    ["the shim", `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}`, true],
    ["its pod's shim", `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${sandboxID}`, true],
    ["conmon", `/run/containers/storage/overlay-containers/${id}/userdata`, true],
    ["another pod's shim", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ffff", false],
  ])("by the bundle that %s works in", (_, cwd, expected) => {
    proc.add({ pid: 10, cgroup: v2("/"), parent: 9 });
    proc.add({ pid: 9, command: "containerd-shim", cwd });
    expect(host().claim(query).confirmed).toBe(expected);
  });

  it("with its identity, and never without a process", () => {
    expect(host().claim({ ...query, pid: 0 })).toMatchObject({ confirmed: false });
    expect(host().claim(query)).toMatchObject({ confirmed: false, reason: "there is no process 10 here" });
    proc.add({ pid: 10, cgroup: v1(`/kubepods/podab/${id}`), startTime: "77" });
    const identity = { pid: 10, startTime: "77", bootId: "boot-1", pidNamespace: "pid:[1]" };
    expect(host().claim(query)).toEqual({ confirmed: true, identity, parent: 1 });
    expect(host().identify(10)).toEqual(identity);
  });
});

describe("the runtime's pid namespace", () => {
  it.each([
    ["ours, by the runtime's process", 5, 0, "yes"],
    ["another, by the runtime's process", 6, 7, "no"],
    ["ours, by the event's process", undefined, 7, "yes"],
    ["ours, by the event's process, when the runtime's cannot be seen", 7, 7, "yes"],
    ["another, by the event's process", undefined, 8, "no"],
    ["not known", undefined, 0, "unknown"],
  ])("is %s", (_, peer, named, expected) => {
    proc.add({ pid: 5, command: "containerd", pidNamespace: "pid:[1]" });
    proc.add({ pid: 6, command: "containerd", pidNamespace: "pid:[2]" });
    proc.add({ pid: 7 });
    expect(host().sharesPidNamespace(peer, named).answer).toBe(expected);
  });
});

it("a recording's processes live until it says that they ended, whatever runs on this machine", () => {
  const recording = createRecordedHost([]);
  const query = { id: "pod", sandboxID: "pod", pid: process.pid, cgroupsPath: "" };
  const claim = recording.claim(query);
  if (!claim.confirmed) expect.unreachable();
  expect(recording.liveness(claim.identity)).toBe("alive");
  expect(recording.liveness({ ...claim.identity, pid: 2 ** 22 + 1 })).toBe("alive");
  recording.watcher.watch(claim.identity, () => expect.unreachable())();
  recording.end(process.pid);
  expect(recording.liveness(claim.identity)).toBe("dead");
  expect(recording.claim({ ...query, pid: 0 })).toMatchObject({ confirmed: false });
});
