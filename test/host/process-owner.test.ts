import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMachine, sharesPidNamespace } from "../../src/host/proc.js";
import { cgroupsName, claimProcess } from "../../src/host/process-owner.js";
import { FakeProc } from "./fake-proc.js";

const id = "0c4f8fd1e2b7a7";
const v1 = (path: string) => `12:pids:${path}\n11:cpu,cpuacct:${path}\n1:name=systemd:${path}\n0::/system.slice/x\n`;
const v2 = (path: string) => `0::${path}\n`;
const slice = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podab_c.slice";

describe("a cgroup names a pod", () => {
  it.each([
    ["cgroupfs, v1", v1(`/kubepods/besteffort/podab-c/${id}`), "", true],
    ["cgroupfs, v2", v2(`/kubepods/besteffort/podab-c/${id}`), "", true],
    ["systemd, containerd", v2(`${slice}/cri-containerd-${id}.scope`), "", true],
    ["systemd, CRI-O", v2(`${slice}/crio-${id}.scope`), "", true],
    ["a child of it", v2(`${slice}/crio-${id}.scope/container`), "", true],
    ["systemd on a path of colons", v2(`/kubepods/cri-containerd:${id}`), "", true],
    ["seen from a cgroup namespace", v2(`/../../podab-c/${id}`), "", true],
    ["only by its cgroupsPath", v2("/own/path"), "/own/path", true],
    ["only by its cgroupsPath, below it", v2("/own/path/init"), "own/path/", true],
    ["only by its cgroupsPath, systemd", v2(`${slice}/pre-name.scope`), "kubepods.slice:pre:name", true],
    ["only by its cgroupsPath, a slice", v2(`${slice}/name.slice`), "kubepods.slice:pre:name.slice", true],
    ["by none: another's id", v2(`/kubepods/besteffort/podab-c/${id}0`), "", false],
    ["by none: another's cgroupsPath", v2("/own/path2"), "/own/path", false],
    ["by none: the root, no cgroupsPath", v2("/"), "", false],
    ["by none: the root as cgroupsPath", v2("/anything"), "/", false],
    ["by none: nothing to read", "", "/own/path", false],
  ])("%s", (_, text, cgroupsPath, expected) => {
    expect(cgroupsName(text, { id, cgroupsPath })).toBe(expected);
  });
});

describe("a process is claimed for a pod", () => {
  let proc: FakeProc;
  beforeEach(() => {
    proc = new FakeProc("pid:[1]", "boot-1");
  });
  afterEach(() => proc.remove());
  const query = { id, pid: 10, cgroupsPath: "" };

  it("by its cgroup", () => {
    proc.add({ pid: 10, cgroup: v1(`/kubepods/podab/${id}`), startTime: "77" });
    expect(claimProcess(query, readMachine(proc.root))).toEqual({
      confirmed: true,
      identity: { pid: 10, startTime: "77", bootId: "boot-1", pidNamespace: "pid:[1]" },
      parent: 1,
    });
  });

  it.each([
    ["the shim", `/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}`, true],
    ["conmon", `/run/containers/storage/overlay-containers/${id}/userdata`, true],
    ["another pod's shim", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ffff", false],
  ])("by the bundle that %s works in", (_, cwd, expected) => {
    proc.add({ pid: 10, cgroup: v2("/"), parent: 9 });
    proc.add({ pid: 9, command: "containerd-shim", cwd });
    expect(claimProcess(query, readMachine(proc.root)).confirmed).toBe(expected);
  });

  it("never without a process, nor a stranger's", () => {
    const machine = readMachine(proc.root);
    expect(claimProcess({ ...query, pid: 0 }, machine)).toMatchObject({ confirmed: false });
    expect(claimProcess(query, machine)).toMatchObject({ confirmed: false, reason: "there is no process 10 here" });
    proc.add({ pid: 10, cgroup: v2("/user.slice") });
    expect(claimProcess(query, machine)).toMatchObject({ confirmed: false });
  });
});

describe("the runtime's pid namespace", () => {
  let proc: FakeProc;
  beforeEach(() => {
    proc = new FakeProc("pid:[1]");
    proc.add({ pid: 5, command: "containerd", pidNamespace: "pid:[1]" });
    proc.add({ pid: 6, command: "containerd", pidNamespace: "pid:[2]" });
    proc.add({ pid: 7 });
  });
  afterEach(() => proc.remove());

  it.each([
    ["ours, by the runtime's process", 5, 0, "yes"],
    ["another, by the runtime's process", 6, 7, "no"],
    ["ours, by the event's process", undefined, 7, "yes"],
    ["ours, by the event's process, when the runtime's cannot be seen", 7, 7, "yes"],
    ["another, by the event's process", undefined, 8, "no"],
    ["not known", undefined, 0, "unknown"],
  ])("is %s", (_, peer, named, expected) => {
    expect(sharesPidNamespace(peer, named, readMachine(proc.root)).answer).toBe(expected);
  });
});
