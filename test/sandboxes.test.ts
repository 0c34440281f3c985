import { describe, expect, it } from "vitest";
import { decideSandboxes } from "../src/bridge/sandboxes.js";

const containerd = (version: string) => ({ name: "containerd", version });

describe("the sandboxes of", () => {
  it.each([
    ["containerd 2.x, with our file", "auto", containerd("v2.1.9"), undefined, "yes", false, false],
    ["containerd 2.x, with a file of its own", "auto", containerd("2.0.0"), undefined, "no", true, false],
    ["containerd 2.x that cannot be looked at", "auto", containerd("v2.1.9"), undefined, "unknown", true, true],
    ["containerd 1.7", "auto", containerd("1.7.24~ds1"), false, "yes", true, false],
    ["containerd 1.7 with sandboxed CRI, with our file", "auto", containerd("1.7.24"), true, "yes", false, false],
    ["containerd 1.7 that cannot be looked at", "auto", containerd("1.7.24"), undefined, "unknown", true, true],
    ["containerd 1.7 with sandboxed CRI or not", "auto", containerd("1.7.24"), undefined, "yes", true, true],
    ["containerd 1.7, with a file of its own", "auto", containerd("1.7.24"), undefined, "no", true, false],
    ["containerd of no version, with our file", "auto", containerd("dev"), undefined, "yes", true, true],
    ["CRI-O", "auto", { name: "cri-o", version: "1.34.0" }, undefined, "yes", true, false],
    ["any runtime, when told always", "always", containerd("v2.1.9"), undefined, "yes", true, false],
    ["any runtime, when told never", "never", { name: "cri-o", version: "" }, undefined, "no", false, false],
  ] as const)("%s", (_, setting, runtime, sandboxedCri, shares, served, unsure) => {
    const sharesConfFile = () => ({ answer: shares, reason: "looked" });
    expect(decideSandboxes({ setting, runtime, sandboxedCri, sharesConfFile })).toMatchObject({ served, unsure });
  });
});
