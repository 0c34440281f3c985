import { describe, expect, it } from "vitest";
import { decideSandboxes, type NativeFacts, runsPlugins } from "../src/bridge/sandboxes.js";

const containerd = (version: string) => ({ name: "containerd", version });
const unread: NativeFacts = { v01Client: "unknown", sandboxedCri: undefined };
const flag = (sandboxedCri: boolean): NativeFacts => ({ v01Client: "yes", sandboxedCri });
const client = (v01Client: NativeFacts["v01Client"]): NativeFacts => ({ v01Client, sandboxedCri: false });

describe("the sandboxes of", () => {
  it.each([
    ["containerd 2.x, with our file", "auto", containerd("v2.1.9"), unread, "yes", false, false],
    ["containerd 2.x, with a file of its own", "auto", containerd("2.0.0"), unread, "no", true, false],
    ["containerd 2.x that cannot be looked at", "auto", containerd("v2.1.9"), unread, "unknown", true, true],
    ["containerd 2.x without the client", "auto", containerd("v2.1.9"), client("no"), "yes", true, false],
    ["containerd 1.7", "auto", containerd("1.7.24~ds1"), flag(false), "yes", true, false],
    ["containerd 1.7 with sandboxed CRI, with our file", "auto", containerd("1.7.24"), flag(true), "yes", false, false],
    ["containerd 1.7 that cannot be looked at", "auto", containerd("1.7.24"), unread, "unknown", true, true],
    ["containerd 1.7 with sandboxed CRI or not", "auto", containerd("1.7.24"), unread, "yes", true, true],
    ["containerd 1.7, with a file of its own", "auto", containerd("1.7.24"), unread, "no", true, false],
    ["containerd of no version, with our file", "auto", containerd("dev"), unread, "yes", true, true],
    ["a later containerd with the client", "auto", containerd("v2.9.0"), client("yes"), "yes", false, false],
    ["a later containerd without the client", "auto", containerd("v2.9.0"), client("no"), "yes", true, false],
    ["a later containerd that cannot be looked at", "auto", containerd("v2.5.0"), unread, "yes", true, true],
    ["containerd 3 that cannot be looked at", "auto", containerd("v3.0.0"), unread, "yes", true, true],
    ["CRI-O", "auto", { name: "cri-o", version: "1.34.0" }, unread, "yes", true, false],
    ["any runtime, when told always", "always", containerd("v2.1.9"), unread, "yes", true, false],
    ["any runtime, when told never", "never", { name: "cri-o", version: "" }, unread, "no", false, false],
  ] as const)("%s", (_, setting, runtime, facts, shares, served, unsure) => {
    const sharesConfFile = () => ({ answer: shares, reason: "looked" });
    const native = runsPlugins(runtime, facts);
    expect(decideSandboxes({ setting, native, sharesConfFile })).toMatchObject({ served, unsure });
  });
});
