import { describe, expect, it } from "vitest";
import type * as nri from "../../src/nri/types.js";
import type { AnnotationRules } from "../../src/v01/annotations.js";
import { formatRequestBody } from "../../src/v01/request.js";
import {
  type BundleSpec,
  containerTarget,
  podTarget,
  toCreateRequest,
  toDeleteRequest,
  toResizedSpec,
  toSpec,
  toUpdateRequest,
} from "../../src/v01/to-v01.js";
import { pod as anyPod, ctr } from "../nri/support/subjects.js";

const rules: AnnotationRules = { oci: ["example.com/*"], podToContainer: false, crio: false, alias: false };

const pod = (over: Partial<nri.PodSandbox> = {}) =>
  anyPod({
    name: "pod",
    uid: "u1",
    labels: { app: "demo", "io.cri-containerd.kind": "sandbox" },
    annotations: { "example.com/pod": "1", "io.kubernetes.cri.container-type": "sandbox", hidden: "x" },
    pid: 41,
    ...over,
  });

const container = (over: Partial<nri.Container> = {}) =>
  ctr({
    name: "ctr",
    labels: { own: "label" },
    annotations: { "example.com/ctr": "2", "io.kubernetes.container.hash": "h" },
    pid: 42,
    linux: {
      namespaces: [
        { type: "pid", path: "" },
        { type: "network", path: "/proc/41/ns/net" },
        { type: "user", path: "" },
      ],
      devices: [],
      resources: { hugepageLimits: [], unified: {}, devices: [], memory: {}, cpu: { shares: 2n, cpus: "", mems: "" } },
      cgroupsPath: "/kubepods/p1/c1",
      sysctl: {},
      netDevices: {},
    },
    ...over,
  });

const bundle: BundleSpec = {
  cgroupsPath: "/from/the/bundle",
  namespaces: { pid: "", user: "" },
  resources: { blockIO: { weight: 5 } },
  annotations: { "from.the/bundle": "3", "io.kubernetes.cri.podsandbox.image-name": "pause" },
};

describe("a target", () => {
  it("of a pod is its own sandbox", () => {
    expect(podTarget(pod())).toMatchObject({ kind: "sandbox", id: "p1", sandboxID: "p1", pid: 41, cgroupsPath: "" });
  });

  it("of a container belongs to its pod, named or not", () => {
    expect(containerTarget(pod(), container())).toMatchObject({
      kind: "container",
      id: "c1",
      sandboxID: "p1",
      pid: 42,
    });
    expect(containerTarget(pod({ id: "p2" }), container({ podSandboxId: "" })).sandboxID).toBe("p2");
  });

  it("without Linux parts has no cgroup", () => {
    const { linux: _, ...bare } = container();
    expect(containerTarget(pod(), bare).cgroupsPath).toBe("");
  });
});

describe("the spec", () => {
  const target = containerTarget(pod(), container());

  it("comes from the bundle where there is one", () => {
    expect(toSpec(target, bundle, rules)).toEqual({
      cgroupsPath: "/from/the/bundle",
      namespaces: { pid: "" },
      resources: { blockIO: { weight: 5 } },
      annotations: { "from.the/bundle": "3" },
    });
  });

  it("comes from the event where there is none, without the user namespace", () => {
    expect(toSpec(target, undefined, rules)).toEqual({
      cgroupsPath: "/kubepods/p1/c1",
      namespaces: { pid: "", network: "/proc/41/ns/net" },
      resources: { memory: {}, cpu: { shares: 2n, cpus: "", mems: "" } },
      annotations: { "example.com/ctr": "2" },
    });
  });

  it("of a pod has what the operator let through, and null for no resources", () => {
    expect(toSpec(podTarget(pod()), undefined, rules)).toEqual({
      cgroupsPath: "",
      namespaces: {},
      resources: null,
      annotations: { "example.com/pod": "1", "io.kubernetes.cri.container-type": "sandbox" },
    });
  });

  it("has the pod's annotations too where that is asked for, and the container's own win", () => {
    const own = container({ annotations: { "example.com/pod": "own" } });
    const { annotations } = toSpec(containerTarget(pod(), own), undefined, { ...rules, podToContainer: true });
    expect(annotations).toEqual({ "example.com/pod": "own", "io.kubernetes.cri.container-type": "sandbox" });
    expect(toSpec(podTarget(pod()), bundle, { ...rules, podToContainer: true }).annotations).toEqual({
      "from.the/bundle": "3",
    });
  });

  it("has containerd's names on CRI-O where that is asked for", () => {
    const crio = { ...rules, crio: true, alias: true };
    expect(toSpec(target, undefined, crio).annotations).toMatchObject({
      "io.kubernetes.cri.container-type": "container",
      "io.kubernetes.cri.container-name": "ctr",
      "io.kubernetes.cri.sandbox-id": "p1",
    });
  });
});

describe("a request", () => {
  const target = containerTarget(pod(), container());
  const spec = toSpec(target, undefined, rules);

  // containerd v2.3.0 internal/cri/server/podsandbox/sandbox_run.go: the first always, the second "" without SELinux.
  it.each(["", "system_u:object_r:container_file_t:s0:c1,c2"])(
    "has the labels that containerd 1.6 had, without those of 2.3 and later (selinux_label %j)",
    (label) => {
      const newer = { oci_runtime_type: "io.containerd.runc.v2", selinux_label: label };
      const labelled = containerTarget(pod({ labels: { ...pod().labels, ...newer } }), container());
      const created = { id: "c1", sandboxID: "p1", pid: 42, spec };
      expect(toCreateRequest("0.1", "create", labelled, spec).labels).toEqual({ app: "demo" });
      expect(toUpdateRequest("0.1", created, labelled, undefined).labels).toEqual({ app: "demo" });
    },
  );

  it("of a create has the pid of now and the pod's CRI labels", () => {
    expect(toCreateRequest("0.1", "create", target, spec)).toEqual({
      version: "0.1",
      state: "create",
      id: "c1",
      sandboxID: "p1",
      pid: 42,
      spec,
      labels: { app: "demo" },
    });
  });

  it("of a delete has the pid and spec of the create, the resources of now and no labels", () => {
    const created = { id: "c1", sandboxID: "p1", pid: 42, spec };
    const now = { hugepageLimits: [], unified: {}, devices: [], memory: { limit: 9n } };
    expect(toDeleteRequest("0.1", created, now)).toEqual({
      version: "0.1",
      state: "delete",
      id: "c1",
      sandboxID: "p1",
      pid: 42,
      spec: { ...spec, resources: { memory: { limit: 9n } } },
      labels: {},
    });
    expect(toDeleteRequest("0.1", created, undefined).spec).toEqual(spec);
  });

  it("of an update has what was asked over what was created", () => {
    const created = { id: "c1", sandboxID: "p1", pid: 42, spec };
    const asked = { hugepageLimits: [], unified: {}, devices: [], cpu: { shares: 5n, cpus: "", mems: "" } };
    const request = toUpdateRequest("0.1", created, target, asked);
    expect(request).toMatchObject({ state: "update", pid: 42, labels: { app: "demo" } });
    expect(request.spec.resources?.cpu?.shares).toBe(5n);
  });

  it("of a pod's resize has the resources and the overhead that are asked for, and nothing of its own container's", () => {
    const none = { hugepageLimits: [], unified: {}, devices: [] };
    const asked = {
      linuxResources: { ...none, cpu: { shares: 512n, quota: 0n, cpus: "", mems: "" } },
      overheadLinuxResources: { ...none, memory: { limit: 7n } },
    };
    const resized = toResizedSpec(spec, asked);
    expect(resized).toEqual({ ...spec, resources: { cpu: { shares: 512n } }, overhead: { memory: { limit: 7n } } });
    const request = toCreateRequest("0.1", "update", target, resized);
    expect(formatRequestBody(request)).toContain(
      '{"resources":{"cpu":{"shares":512}},"overhead":{"memory":{"limit":7}},',
    );
    expect(toResizedSpec(spec, {})).toEqual(spec);
  });

  // containerd keeps each update in the container's spec (internal/cri/server/container_update_resources.go), and its events
  // show that.
  it("of a second update has what the first one asked for", () => {
    const present = { hugepageLimits: [], unified: {}, devices: [] };
    const first = { cpu: { quota: 50_000n, period: 100_000n, cpus: "", mems: "" }, memory: { limit: 200n } };
    const now = container();
    if (now.linux !== undefined) now.linux.resources = { ...present, ...first };
    const resources = { cpu: { quota: 10_000n, period: 100_000n }, memory: { limit: 100n }, blockIO: { weight: 5 } };
    const created = { id: "c1", sandboxID: "p1", pid: 42, spec: { ...spec, resources } };
    const asked = {
      ...present,
      cpu: { cpus: "3", mems: "", shares: 0n, quota: 0n, period: 0n },
      memory: { limit: 0n },
    };
    const request = toUpdateRequest("0.1", created, containerTarget(pod(), now), asked);
    expect(request.spec.resources).toEqual({
      cpu: { quota: 50_000n, period: 100_000n, cpus: "3", mems: "" },
      memory: { limit: 200n },
      blockIO: { weight: 5 },
    });
  });
});
