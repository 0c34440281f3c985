import { describe, expect, it } from "vitest";
import {
  type AnnotationRules,
  containerAnnotations,
  podAnnotations,
  withContainerdAliases,
  withoutNewerAnnotations,
} from "../../src/v01/annotations.js";

const rules: AnnotationRules = { oci: [], podToContainer: false, crio: false, alias: false };
const newer = { "io.kubernetes.cri.podsandbox.image-name": "pause" };
const cri = { "io.kubernetes.cri.sandbox-id": "p1" };
const kubelet = { "io.kubernetes.container.hash": "1", "io.kubernetes.pod.terminationGracePeriod": "30" };
const user = { "example.com/pod-note": "hello", "example.com/other": "x", plain: "y" };

describe("annotations told from an event", () => {
  it("of a pod are the runtime's own, and those that pod_annotations let through", () => {
    const all = { ...cri, ...newer, ...user, ...kubelet };
    expect(podAnnotations(all, rules)).toEqual(cri);
    expect(podAnnotations(all, { ...rules, oci: ["example.com/pod-*"] })).toEqual({
      ...cri,
      "example.com/pod-note": "hello",
    });
    expect(podAnnotations(all, { ...rules, oci: ["plain", "[", "*/other"] })).toEqual({
      ...cri,
      plain: "y",
      "example.com/other": "x",
    });
  });

  it("of a container are all but kubelet's own", () => {
    expect(containerAnnotations({ ...cri, ...newer, ...user, ...kubelet }, rules)).toEqual({ ...cri, ...user });
  });

  it("are all there on CRI-O, but for what 1.6 never wrote", () => {
    const all = { ...cri, ...newer, ...user, ...kubelet };
    const expected = { ...cri, ...user, ...kubelet };
    expect(podAnnotations(all, { ...rules, crio: true })).toEqual(expected);
    expect(containerAnnotations(all, { ...rules, crio: true })).toEqual(expected);
  });

  it("never hold what containerd 2 added, and the pattern of an operator does not bring it back", () => {
    expect(withoutNewerAnnotations({ ...newer, a: "b" })).toEqual({ a: "b" });
    expect(podAnnotations(newer, { ...rules, oci: ["*"] })).toEqual({});
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
