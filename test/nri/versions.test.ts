import { describe, expect, test } from "vitest";
import { formatVersion, isAtLeast, mayFail, nriVersionOf, parseVersion, synchronizes } from "../../src/nri/versions.js";

describe("versions as runtimes print them", () => {
  test.each([
    ["v2.2.1", "2.2.1"],
    ["1.34.1", "1.34.1"],
    ["2.2.1-0ubuntu1~24.04.2", "2.2.1"],
    ["1.7.24~ds1", "1.7.24"],
    ["1.7.24-1.el9", "1.7.24"],
    ["v1.7.24+unknown", "1.7.24"],
    ["2.1", "2.1.0"],
    ["v2.3.0-rc.1", "2.3.0-pre"],
    ["2.4.0-beta.0", "2.4.0-pre"],
    ["2.2.0~rc1-1", "2.2.0-pre"],
    ["1.35.0-dev", "1.35.0-pre"],
    ["v0.9.1-0.20250219030224-e597e7849f24", "0.9.1-pre"],
  ])("%s is %s", (text, expected) => {
    const version = parseVersion(text);
    expect(version && formatVersion(version)).toBe(expected);
  });

  test.each([
    ...["", "unknown", "(devel)", "devel", "master", "v", "2", "2.x+unknown"],
    // What Go and containerd's builds say when they do not know: no release is 0.0.0.
    ...["0.0.0-unknown", "v0.0.0+unknown", "v0.0.0-20260701120000-0123456789ab", "0.0"],
  ])("%j is none", (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  test.each([
    ["0.12.1", "0.12.1", true],
    ["0.12.1-rc.1", "0.12.1", false],
    ["0.12.1-0.20260701120000-0123456789ab", "0.12.1", false],
    ["0.12.1-0.20260701120000-0123456789ab", "0.12.0", true],
    ["0.9.0", "0.12.0", false],
    ["1.0.0", "0.12.0", true],
  ])("%s is at least %s: %s", (text, release, expected) => {
    const version = parseVersion(text);
    expect(version && isAtLeast(version, release)).toBe(expected);
  });
});

/** A Configure request of which only this much matters. */
function nriOf(runtimeName: string, runtimeVersion: string, NRIVersion = "", requestTimeout = 0n): string {
  const nri = nriVersionOf({ runtimeName, runtimeVersion, NRIVersion, requestTimeout });
  return `${formatVersion(nri)} ${nri.source}`;
}

describe("the NRI version of a runtime that does not state it", () => {
  // The go.mod files of containerd's and CRI-O's releases.
  test.each<[name: string, nri: string, versions: string[]]>([
    ["containerd", "0.3.0", ["1.7.0", "v1.7.6"]],
    ["containerd", "0.4.0", ["v1.7.7", "v1.7.13"]],
    ["containerd", "0.6.0", ["v1.7.14"]],
    ["containerd", "0.6.1", ["v1.7.16", "1.7.24", "v1.7.25"]],
    ["containerd", "0.8.0", ["v1.7.26", "v1.7.34", "v2.0.0", "v2.1.5"]],
    ["containerd", "0.10.0", ["v2.2.0"]],
    ["containerd", "0.11.0", ["2.2.1-0ubuntu1~24.04.2", "v2.2.7"]],
    ["cri-o", "0.2.0", ["1.26.1"]],
    ["cri-o", "0.3.0", ["1.26.2", "1.28.11"]],
    ["cri-o", "0.5.0", ["1.29.1"]],
    ["cri-o", "0.6.0", ["1.29.2", "1.30.14"]],
    ["cri-o", "0.6.1", ["1.31.0"]],
    ["cri-o", "0.9.0", ["1.32.0", "1.33.8"]],
    ["cri-o", "0.10.0", ["1.34.1"]],
    ["cri-o", "0.11.0", ["1.36.2"]],
  ])("%s has NRI %s in %j", (name, expected, versions) => {
    for (const version of versions) expect(nriOf(name, version), version).toBe(`${expected} inferred`);
  });

  test.each([
    ["a release that nobody knows yet has the NRI of the newest one before it", "v1.7.99", "0.8.0"],
    ["so has one beyond all", "v3.1.0", "0.12.1"],
    ["what comes before a release counts as the release before: rather too old than too new", "v2.2.0-rc.0", "0.8.0"],
  ])("%s", (_, version, expected) => {
    expect(nriOf("containerd", version)).toBe(`${expected} inferred`);
  });

  test.each([
    ["dockerd", "29.0.0", "", 0n, "0.2.0"],
    ["dockerd", "29.0.0", "", 2000n, "0.7.0"],
    ["dockerd", "29.0.0", "unknown", 2000n, "0.12.0"],
    ["containerd", "1.7.24-with-a-later-nri", "", 2000n, "0.7.0"],
    ["containerd", "a-commit", "devel", 2000n, "0.12.0"],
    ["__proto__", "1.0.0", "", 0n, "0.2.0"],
  ])("%s %s, saying %j and a timeout of %s, has at least %s", (name, version, stated, timeout, expected) => {
    expect(nriOf(name, version, stated, timeout)).toBe(`${expected} guessed`);
  });

  test.each([
    ["v0.12.2", "0.12.2 stated"],
    ["v0.12.0+incompatible", "0.12.0 stated"],
    ["v0.12.1-22-g0123abc", "0.12.1 stated"],
    ["v1.0.0-rc.1", "1.0.0-pre stated"],
  ])("a version that is stated counts, whatever the runtime's is: %s", (stated, expected) => {
    expect(nriOf("containerd", "v2.2.0", stated, 2000n)).toBe(expected);
  });

  // The field is there since 0.12, so whatever it says is no older: builds without a module list, from a commit, of a fork.
  test.each([
    ["0.0.0-unknown"],
    ["unknown"],
    ["(devel)"],
    ["v0.0.0-20260701120000-0123456789ab"],
    ["v0.11.1-0.20260301120000-0123456789ab"],
    ["v0.12.0-rc.1"],
    ["0.3.0"],
  ])("a runtime that states %j has 0.12 at least, and what its release has where that is newer", (stated) => {
    expect(nriOf("containerd", "v2.2.0", stated, 2000n)).toBe("0.12.0 guessed");
    expect(nriOf("containerd", "v2.4.0", stated, 2000n)).toBe("0.12.1 inferred");
    expect(nriOf("docker", "29.1.0", stated, 2000n)).toBe("0.12.0 guessed");
  });
});

test.each([
  ["0.6.1", "/run/nri.sock", true],
  ["0.6.1", undefined, false],
  ["0.8.0", undefined, true],
])("a runtime of NRI %s with the socket %s synchronizes: %s", (text, socketPath, expected) => {
  const nri = parseVersion(text) ?? expect.unreachable();
  expect(synchronizes(socketPath === undefined ? { nri } : { nri, socketPath })).toBe(expected);
});

// containerd issues 13355 and 13609; its sandbox_run.go has the repair (PR 13399) in v2.2.6 and v2.3.3, not in v2.2.5 and v2.3.2.
describe("a containerd that does not start again after it was refused one sandbox twice", () => {
  const debian = ["2.1.9~ds1", "2.2.5-0ubuntu1~24.04.2", "v2.1.5-k3s1"];
  const early = ["2.0.0~rc1", "v2.2.6-rc.0", "v2.3.0-beta.1"];
  test.each<[string, boolean, string[]]>([
    ["containerd", false, ["v2.0.0", "v2.1.9", "v2.3.2", ...debian, ...early]],
    ["containerd", false, ["2.x", "v2", "unknown", ""]],
    ["containerd", true, ["1.7.24~ds1", "v1.7.34", "1.x"]],
    ["containerd", true, ["v2.2.6", "v2.2.7", "v2.3.3", "2.4.0-beta+unknown", "v3.0.0"]],
    ["cri-o", true, ["1.34.1", ""]],
    ["dockerd", true, ["2.1.0"]],
  ])("%s: RunPodSandbox may fail: %s, in %j", (name, expected, versions) => {
    for (const version of versions) {
      expect(mayFail("RunPodSandbox", { name, version }), version).toBe(expected);
      expect(mayFail("StartContainer", { name, version }), version).toBe(true);
    }
  });
});
