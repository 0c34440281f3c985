import { describe, expect, it } from "vitest";
import type * as nri from "../../src/nri/types.js";
import type { AnnotationRules } from "../../src/v01/annotations.js";
import { formatRequestBody } from "../../src/v01/request.js";
import {
  containerTarget,
  podTarget,
  toCreateRequest,
  toDeleteRequest,
  toResizedSpec,
  toSpec,
  toUpdateRequest,
} from "../../src/v01/to-v01.js";
import { pod as anyPod, ctr } from "../nri/support/subjects.js";

const rules: AnnotationRules = { pod: [], container: [], crio: false, alias: false };
const resources = { hugepageLimits: [], unified: {}, devices: [] };
const linux = {
  namespaces: ["pid", "network", "user"].map((type) => ({ type, path: type === "network" ? "/proc/41/ns/net" : "" })),
  devices: [],
  resources: { ...resources, memory: {}, cpu: { shares: 2n, cpus: "", mems: "" } },
  cgroupsPath: "/kubepods/p1/c1",
  sysctl: {},
  netDevices: {},
};

const pod = (over: Partial<nri.PodSandbox> = {}) =>
  anyPod({
    labels: { app: "demo", "io.cri-containerd.kind": "sandbox" },
    annotations: { "example.com/pod": "1", hidden: "x" },
    pid: 41,
    ...over,
  });

const container = (over: Partial<nri.Container> = {}) =>
  ctr({ labels: { own: "label" }, annotations: { "example.com/ctr": "2" }, pid: 42, linux, ...over });

const target = containerTarget(pod(), container());

describe("a target", () => {
  it("of a pod is its own sandbox", () => {
    expect(podTarget(pod())).toMatchObject({ kind: "sandbox", id: "p1", sandboxID: "p1", pid: 41, cgroupsPath: "" });
  });

  it("of a container belongs to its pod, named or not", () => {
    expect(target).toMatchObject({ kind: "container", id: "c1", sandboxID: "p1", pid: 42 });
    expect(containerTarget(pod({ id: "p2" }), container({ podSandboxId: "" })).sandboxID).toBe("p2");
  });

  it("without Linux parts has no cgroup", () => {
    const { linux: _, ...bare } = container();
    expect(containerTarget(pod(), bare).cgroupsPath).toBe("");
  });
});

describe("the spec", () => {
  it("comes from the bundle where there is one", () => {
    const bundle = {
      cgroupsPath: "/from/the/bundle",
      namespaces: { pid: "", user: "" },
      resources: { blockIO: { weight: 5 } },
      annotations: { "from.the/bundle": "3" },
    };
    expect(toSpec(target, bundle, rules)).toEqual({ ...bundle, namespaces: { pid: "" } });
  });

  it("comes from the event where there is none, without the user namespace", () => {
    expect(toSpec(target, undefined, { ...rules, container: ["example.com/*"] })).toEqual({
      cgroupsPath: "/kubepods/p1/c1",
      namespaces: { pid: "", network: "/proc/41/ns/net" },
      resources: { memory: {}, cpu: { shares: 2n, cpus: "", mems: "" } },
      annotations: { "example.com/ctr": "2" },
    });
  });

  it("of a pod has what the operator let through, and null for no resources", () => {
    const annotations = { "example.com/pod": "1" };
    const spec = { cgroupsPath: "", namespaces: {}, resources: null, annotations };
    expect(toSpec(podTarget(pod()), undefined, { ...rules, pod: ["example.com/*"] })).toEqual(spec);
  });
});

describe("a request", () => {
  const spec = toSpec(target, undefined, rules);
  const created = { id: "c1", sandboxID: "p1", pid: 42, spec };

  // containerd v2.3.0 internal/cri/server/podsandbox/sandbox_run.go: the first always, the second "" without SELinux.
  it("has the pod's labels that containerd 1.6 had, without those of 2.3 and later", () => {
    const newer = { oci_runtime_type: "io.containerd.runc.v2", selinux_label: "" };
    const labelled = containerTarget(pod({ labels: { ...pod().labels, ...newer } }), container());
    expect(toCreateRequest("0.1", "create", labelled, spec).labels).toEqual({ app: "demo" });
    expect(toUpdateRequest("0.1", created, labelled, undefined).labels).toEqual({ app: "demo" });
  });

  it("of a create has the pid of now", () => {
    const expected = { version: "0.1", state: "create", ...created, labels: { app: "demo" } };
    expect(toCreateRequest("0.1", "create", target, spec)).toEqual(expected);
  });

  it("of a delete has the pid and spec of the create, the resources of now and no labels", () => {
    const now = { ...resources, memory: { limit: 9n } };
    const withNow = { ...spec, resources: { memory: { limit: 9n } } };
    const expected = { version: "0.1", state: "delete", ...created, spec: withNow, labels: {} };
    expect(toDeleteRequest("0.1", created, now)).toEqual(expected);
    expect(toDeleteRequest("0.1", created, undefined).spec).toEqual(spec);
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
  it("of an update has what was asked over what earlier updates made of the create", () => {
    const first = { cpu: { quota: 50_000n, period: 100_000n, cpus: "", mems: "" }, memory: { limit: 200n } };
    const now = container({ linux: { ...linux, resources: { ...resources, ...first } } });
    const atCreate = { cpu: { quota: 10_000n, period: 100_000n }, memory: { limit: 100n }, blockIO: { weight: 5 } };
    const asked = {
      ...resources,
      cpu: { cpus: "3", mems: "", shares: 0n, quota: 0n, period: 0n },
      memory: { limit: 0n },
    };
    const since = { ...created, spec: { ...spec, resources: atCreate } };
    const request = toUpdateRequest("0.1", since, containerTarget(pod(), now), asked);
    expect(request).toMatchObject({ state: "update", pid: 42, labels: { app: "demo" } });
    expect(request.spec.resources).toEqual({
      cpu: { quota: 50_000n, period: 100_000n, cpus: "3", mems: "" },
      memory: { limit: 200n },
      blockIO: { weight: 5 },
    });
  });
});
