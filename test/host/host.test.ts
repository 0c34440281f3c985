import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { createNodeHost, createRecordedHost } from "../../src/host/host.js";
import { argumentsOf, readProcessStat } from "../../src/host/proc.js";
import { makeFolder } from "../support/places.js";
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
    expect(host().claim(query)).toMatchObject({
      confirmed: false,
      reason: "process 10 is not visible to the bridge",
    });
    proc.add({ pid: 10, cgroup: v1(`/kubepods/podab/${id}`), startTime: "77" });
    const identity = { pid: 10, startTime: "77", bootId: "boot-1", pidNamespace: "pid:[1]" };
    expect(host().claim(query)).toEqual({ confirmed: true, identity, parent: 1 });
    expect(host().identify(10)).toEqual(identity);
  });
});

describe("bundles are looked for", () => {
  const [pod, ctr] = ["pod0", "ctr0"];
  const containerd = `run/containerd/io.containerd.runtime.v2.task/k8s.io`;
  const crio = "run/containers/storage/overlay-containers";
  const stored = "var/lib/containers/storage/overlay-containers";
  let node: string;
  beforeEach(() => {
    node = makeFolder();
    const bundles = [
      ...[pod, ctr].flatMap((id) => [`${containerd}/${id}`, `${crio}/${id}/userdata`, `${stored}/${id}/userdata`]),
      ...["app", "overlay/app"],
    ];
    for (const bundle of bundles) {
      mkdirSync(join(node, bundle), { recursive: true });
      writeFileSync(join(node, bundle, "config.json"), bundle);
    }
    proc.add({ pid: 1, command: "systemd", parent: 0, root: node, cwd: node, args: ["/sbin/init"] });
  });

  /** The bundles that are found for a pod or container, each of which says where it lies. */
  const foundFor = (id: string, pid: number) =>
    [...host().readBundles({ id, pid })].flatMap((answer) =>
      answer.found ? [Buffer.from(answer.bytes).toString()] : [],
    );

  it("beside containerd's shim and its pod's bundle (containerd core/runtime/v2/bundle.go)", () => {
    proc.add({ pid: 9, command: "containerd-shim", root: node, cwd: join(node, containerd, pod) });
    proc.add({ pid: 10, parent: 9, root: join(node, "overlay"), cwd: join(node, "overlay/app") });
    expect(foundFor(pod, 10)[0]).toBe(`${containerd}/${pod}`);
    expect(foundFor(ctr, 10)).toEqual([`${containerd}/${ctr}`, `${containerd}/${pod}`]);
  });

  it("where conmon works, in the container's (cri-o internal/oci/runtime_oci.go)", () => {
    proc.add({ pid: 9, command: "conmon", root: node, cwd: join(node, crio, ctr, "userdata") });
    proc.add({ pid: 10, parent: 9, root: join(node, "overlay"), cwd: join(node, "overlay/app") });
    expect(foundFor(ctr, 10)[0]).toBe(`${crio}/${ctr}/userdata`);
  });

  /** The shim is the pod's and each container's process, and init adopts it (kata 3.32 runtime-rs shim_start.rs, sandbox.rs). */
  it("where Kata's runtime-rs works itself, whose parent is init", () => {
    proc.add({ pid: 10, command: "containerd-shim-kata-v2", root: node, cwd: join(node, containerd, pod) });
    expect(foundFor(pod, 10)[0]).toBe(`${containerd}/${pod}`);
    expect(foundFor(ctr, 10)[0]).toBe(`${containerd}/${ctr}`);
    expect(host().claim({ id: pod, sandboxID: pod, pid: 10, cgroupsPath: "" })).toMatchObject({
      confirmed: true,
      parent: 1,
    });
    // The process is the pod's, and outlives the container.
    expect(host().claim({ id: ctr, sandboxID: pod, pid: 10, cgroupsPath: "" })).toMatchObject({ confirmed: false });
  });

  /** It starts the shim in the pod's RunDir (cri-o internal/oci/runtime_vm.go startRuntimeDaemon). */
  it.each([
    ["the shim's child", 9],
    ["the shim", 1],
  ])("two folders up with CRI-O's runtime_type vm, where the process is %s", (_, parent) => {
    const cwd = join(node, crio, pod, "userdata");
    if (parent === 9) proc.add({ pid: 9, command: "containerd-shim", root: node, cwd });
    proc.add({ pid: 10, command: "qemu", parent, root: node, cwd: parent === 9 ? node : cwd });
    expect(foundFor(pod, 10)[0]).toBe(`${crio}/${pod}/userdata`);
    expect(foundFor(ctr, 10)).toContain(`${crio}/${ctr}/userdata`);
  });

  /** conmon-rs is started in CRI-O's folder, told the pod's (cri-o runtime_pod.go ServerRunDir, conmon-rs pkg/client/client.go). */
  it("in the --runtime-dir of conmon-rs, and beside it", () => {
    // What a link in /proc says: from its root, which is another in a container.
    const args = ["/usr/bin/conmonrs", "--runtime", "/usr/bin/runc", "--runtime-dir", `/${stored}/${pod}/userdata`];
    proc.add({ pid: 9, command: "conmonrs", root: node, cwd: node, args });
    proc.add({ pid: 10, parent: 9, root: join(node, "overlay"), cwd: join(node, "overlay/app") });
    expect(foundFor(pod, 10)).toContain(`${stored}/${pod}/userdata`);
    expect(foundFor(ctr, 10)).toContain(`${stored}/${ctr}/userdata`);
    expect(host().claim({ id: pod, sandboxID: pod, pid: 10, cgroupsPath: "" })).toMatchObject({ confirmed: true });
  });

  it("never where a container works, which writes there what it likes: its root is not init's", () => {
    proc.add({ pid: 10, root: join(node, "overlay"), cwd: join(node, "overlay/app") });
    expect(foundFor(ctr, 10)).toEqual([]);
    expect([...host().readBundles({ id: ctr, pid: 10 })]).toMatchObject([{ found: false }]);
  });

  it("with a bounded read of a command line that has no end", () => {
    proc.add({ pid: 9, args: ["x".repeat(10 << 20)] });
    expect(argumentsOf(9, proc.root)[0]?.length).toBe(64 << 10);
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
