import { describe, expect, it } from "vitest";
import {
  type AnnotationRules,
  passedAnnotations,
  runtimeAnnotations,
  withContainerdAliases,
  withoutNewerAnnotations,
} from "../../src/v01/annotations.js";

const rules: AnnotationRules = { pod: [], container: [], crio: false, alias: false };
const newer = { "io.kubernetes.cri.podsandbox.image-name": "pause" };
const cri = { "io.kubernetes.cri.sandbox-id": "p1" };
const kubelet = { "io.kubernetes.container.hash": "1", "io.kubernetes.pod.terminationGracePeriod": "30" };
const user = { "example.com/pod-note": "hello", "example.com/other": "x", plain: "y" };

describe("annotations told from an event", () => {
  it("are the runtime's own, and on CRI-O all of them but what 1.6 never wrote", () => {
    const all = { ...cri, ...newer, ...user, ...kubelet };
    expect(runtimeAnnotations(all, rules)).toEqual(cri);
    expect(runtimeAnnotations(all, { ...rules, crio: true })).toEqual({ ...cri, ...user, ...kubelet });
  });

  it("are besides those that the patterns let through: the pod's, and over them the container's own", () => {
    const pod = { annotations: user };
    const container = { annotations: { ...kubelet, plain: "own" } };
    expect(passedAnnotations({ pod, container }, rules)).toEqual({});
    expect(passedAnnotations({ pod }, { ...rules, pod: ["example.com/pod-*"] })).toEqual({
      "example.com/pod-note": "hello",
    });
    const both = { ...rules, pod: ["plain", "[", "*/other"], container: ["plain"] };
    expect(passedAnnotations({ pod, container }, both)).toEqual({ plain: "own", "example.com/other": "x" });
    expect(passedAnnotations({ pod: container }, { ...rules, container: ["*"] })).toEqual({});
  });

  it("never hold what containerd 2 added, and the pattern of an operator does not bring it back", () => {
    expect(withoutNewerAnnotations({ ...newer, a: "b" })).toEqual({ a: "b" });
    expect(passedAnnotations({ pod: { annotations: newer } }, { ...rules, pod: ["*/*"] })).toEqual({});
    expect(runtimeAnnotations(newer, rules)).toEqual({});
  });
});

describe("containerd's names on CRI-O", () => {
  const names = { sandboxID: "p1", sandboxName: "pod", sandboxNamespace: "default", sandboxUid: "u1" };

  it("are added for a container", () => {
    const crio = { "io.kubernetes.cri-o.Image": "busybox" };
    expect(withContainerdAliases(crio, { ...names, type: "container", containerName: "ctr" })).toEqual({
      ...crio,
      "io.kubernetes.cri.container-type": "container",
      "io.kubernetes.cri.sandbox-id": "p1",
      "io.kubernetes.cri.sandbox-name": "pod",
      "io.kubernetes.cri.sandbox-namespace": "default",
      "io.kubernetes.cri.sandbox-uid": "u1",
      "io.kubernetes.cri.container-name": "ctr",
      "io.kubernetes.cri.image-name": "busybox",
    });
  });

  it("are added for a sandbox without those of a container, and replace nothing", () => {
    const given = { "io.kubernetes.cri-o.Image": "pause", "io.kubernetes.cri.sandbox-id": "kept" };
    const aliased = withContainerdAliases(given, { ...names, type: "sandbox" });
    expect(aliased["io.kubernetes.cri.sandbox-id"]).toBe("kept");
    expect(aliased).not.toHaveProperty(["io.kubernetes.cri.image-name"]);
    expect(aliased).not.toHaveProperty(["io.kubernetes.cri.container-name"]);
  });
});
