import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AnnotationRules, compilePathPattern, toOciAnnotations } from "../../src/v01/annotations.js";
import { containerTarget, podTarget } from "../../src/v01/to-v01.js";
import { ctr, pod } from "../nri/support/subjects.js";
import { anyText } from "../support/any-text.js";

const rules: AnnotationRules = { pod: [], container: [], crio: false, alias: false };
const newer = { "io.kubernetes.cri.podsandbox.image-name": "pause" };
const cri = { "io.kubernetes.cri.sandbox-id": "p1" };
const kubelet = { "io.kubernetes.container.hash": "1", "io.kubernetes.pod.terminationGracePeriod": "30" };
const user = { "example.com/pod-note": "hello", "example.com/other": "x", plain: "y" };
const annotations = { ...cri, ...newer, ...user, ...kubelet };

const ofPod = podTarget(pod({ annotations }));
const ofContainer = containerTarget(pod({ annotations }), ctr({ annotations }));

describe("annotations told from an event", () => {
  it.each<[readonly string[], object]>([
    [[], cri],
    [["example.com/pod-*"], { ...cri, "example.com/pod-note": "hello" }],
    [["plain", "[", "*/other"], { ...cri, plain: "y", "example.com/other": "x" }],
    // What containerd 2 added, no pattern of an operator brings back.
    [["*", "*/*"], { ...cri, ...user, ...kubelet }],
  ])("of a pod are the runtime's own, and those that pod_annotations %j let through", (patterns, expected) => {
    expect(toOciAnnotations(ofPod, undefined, { ...rules, pod: patterns })).toEqual(expected);
    // A container shows its pod's too, and those of its own that container_annotations let through.
    expect(toOciAnnotations(ofContainer, undefined, { ...rules, pod: patterns })).toEqual(expected);
    const own = { ...rules, container: patterns };
    expect(toOciAnnotations(ofContainer, undefined, own)).toEqual(expected);
    expect(toOciAnnotations(ofPod, undefined, own)).toEqual(cri);
  });

  it("of a container win over its pod's, and the bundle's over both", () => {
    const target = containerTarget(pod({ annotations: { plain: "pod" } }), ctr({ annotations: { plain: "own" } }));
    const both = { ...rules, pod: ["plain"], container: ["plain"] };
    expect(toOciAnnotations(target, undefined, both)).toEqual({ plain: "own" });
    expect(toOciAnnotations(target, { other: "1" }, both)).toEqual({ plain: "own", other: "1" });
    expect(toOciAnnotations(target, { plain: "bundle" }, both)).toEqual({ plain: "bundle" });
  });

  it("are all there on CRI-O, but for what 1.6 never wrote", () => {
    for (const target of [ofPod, ofContainer]) {
      expect(toOciAnnotations(target, undefined, { ...rules, crio: true })).toEqual({ ...cri, ...user, ...kubelet });
    }
  });
});

it("annotations of a bundle are its own, but for what 1.6 never wrote", () => {
  expect(toOciAnnotations(ofContainer, { ...newer, a: "b" }, rules)).toEqual({ a: "b" });
});

describe("containerd's names on CRI-O", () => {
  const crio = { ...rules, crio: true, alias: true };
  const subject = pod({ name: "pod", namespace: "default", uid: "u1" });
  const image = {
    "io.kubernetes.cri-o.Image": "busybox",
    "io.kubernetes.cri-o.LogPath": "/var/log/pods/default_pod_u1/p1.log",
  };

  it("are added for a container", () => {
    const target = containerTarget(subject, ctr({ name: "ctr", annotations: image }));
    expect(toOciAnnotations(target, undefined, crio)).toEqual({
      ...image,
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
    const given = { ...image, "io.kubernetes.cri.sandbox-id": "kept" };
    const aliased = toOciAnnotations(podTarget({ ...subject, annotations: given }), undefined, crio);
    expect(aliased).toMatchObject({
      ...given,
      "io.kubernetes.cri.sandbox-log-directory": "/var/log/pods/default_pod_u1",
    });
    expect(aliased).not.toHaveProperty(["io.kubernetes.cri.image-name"]);
    expect(aliased).not.toHaveProperty(["io.kubernetes.cri.container-name"]);
  });
});

describe("a pattern of path.Match", () => {
  const cases: readonly [pattern: string, matches: readonly string[], others: readonly string[]][] = [
    ["", [""], ["a"]],
    ["abc", ["abc"], ["abcd"]],
    ["*", ["abc", ""], ["a/b"]],
    ["a*", ["a\nb"], []],
    ["example.com/*", ["example.com/pod-note"], ["example_com/pod"]],
    ["example.com/pod-*", ["example.com/pod-note"], []],
    ["*.com/x", ["a.b.com/x"], []],
    ["a-b", ["a-b"], []],
    ["a?c", ["abc", "aéc", "a😀c"], ["a/c"]],
    ["[a-c]x", ["bx"], ["dx"]],
    ["[^a-c]x", ["dx"], ["bx"]],
    ["a[^b]c", ["a/c"], []],
    ["[ab-d]", ["c"], []],
    ["[\\]]", ["]"], []],
    ["[\\-x]", ["-"], []],
    ["[a\\-c]", [], ["b"]],
    ["[c-a]", [], ["b"]],
    ["[^c-a]", ["b"], []],
    ["[[]", ["["], []],
    ["a\\*b", ["a*b"], ["axb"]],
    ["a.b+c(d|e)$", ["a.b+c(d|e)$"], []],
    ["a.b", ["a.b"], ["axb"]],
    ["a\nb", ["a\nb"], []],
    ["{a,b}", ["{a,b}"], ["a"]],
  ];

  /** Patterns that Go calls malformed. */
  const malformed = [
    ...["[", "[]", "[]a]", "[-]", "[x-]", "[-x]", "[a-", "[^", "[^]", "[a", "a[", "[\\", "\\", "a\\", "[a-b-c]"],
  ];

  it.each(cases)("%j matches %j, not %j", (pattern, matches, others) => {
    const test = (text: string) => compilePathPattern(pattern).test(text);
    expect(matches.filter((text) => !test(text))).toEqual([]);
    expect(others.filter(test)).toEqual([]);
  });

  it.each(malformed)("%j is malformed and matches nothing", (pattern) => {
    for (const text of ["", "a", "]", "-", "[", pattern]) expect(compilePathPattern(pattern).test(text)).toBe(false);
  });

  it("never throws", () => {
    const pattern = fc
      .array(fc.constantFrom(..."[]^-\\*?a/.(){}|$+é😀"), { maxLength: 12 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, fc.string(), (source, text) => typeof compilePathPattern(source).test(text) === "boolean"),
    );
  });

  it("matches itself when it has nothing special", () => {
    const plain = anyText().filter((text) => !/[[\\*?]/.test(text));
    fc.assert(fc.property(plain, (text) => compilePathPattern(text).test(text)));
  });
});
