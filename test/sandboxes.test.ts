import { beforeEach, describe, expect, it } from "vitest";
import {
  createSandboxRule,
  decideSandboxes,
  type NativeFacts,
  readNativeFacts,
  runsPlugins,
} from "../src/bridge/sandboxes.js";
import { mergeConfig } from "../src/config/merge.js";
import { FakeProc } from "./host/fake-proc.js";
import { collectLog } from "./support/collect-log.js";

const containerd = (version: string) => ({ name: "containerd", version });
const sandboxerOf = (handler: string) => (handler === "kata" ? "shim" : "podsandbox");
const unread: NativeFacts = { v01Client: "unknown", sandboxedCri: undefined, sandboxerOf };
const flag = (sandboxedCri: boolean): NativeFacts => ({ v01Client: "yes", sandboxedCri, sandboxerOf });
const client = (v01Client: NativeFacts["v01Client"]): NativeFacts => ({ ...flag(false), v01Client });

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
    const native = runsPlugins(runtime, facts, "");
    expect(decideSandboxes(setting, native, sharesConfFile)).toMatchObject({ served, unsure });
  });
});

describe("a containerd 2.x", () => {
  let proc: FakeProc;
  beforeEach(() => {
    proc = new FakeProc();
  });

  const version3 = `version = 3
imports = ["conf.d/*.toml"]
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "vm"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.vm]
sandboxer = "shim"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`;
  const version2 = version3.replace("version = 3", "version = 2").replaceAll(".cri.v1.runtime", ".grpc.v1.cri");
  const dropIn = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.proxy]\nsandboxer = "proxied"\n';

  it.each([
    ["none", [], undefined, { "": "podsandbox", runc: "podsandbox", vm: "podsandbox" }],
    ["of version 3", [], version3, { "": "shim", runc: "podsandbox", vm: "shim", proxy: "proxied", x: "podsandbox" }],
    ["of version 2, elsewhere", ["--config=/srv/own.toml"], version2, { "": "shim", runc: "podsandbox", vm: "shim" }],
    ["that is no TOML", ["-c", "/srv/own.toml"], "= [", { "": "podsandbox", vm: "podsandbox" }],
  ])("makes the sandboxes of its handlers as its configuration says: %s", async (_, args, text, expected) => {
    proc.write("5/cmdline", ["containerd", ...args, ""].join("\0"));
    const folder = args.length === 0 ? "5/root/etc/containerd" : "5/root/srv";
    proc.write(`${folder}/conf.d/10-proxy.toml`, dropIn);
    if (text !== undefined) proc.write(args.length === 0 ? `${folder}/config.toml` : `${folder}/own.toml`, text);
    const facts = await readNativeFacts("containerd", 5, proc.root);
    expect(Object.fromEntries(Object.keys(expected).map((handler) => [handler, facts.sandboxerOf(handler)]))).toEqual(
      expected,
    );
  });

  it("leaves the bridge the sandboxes of other controllers than its own, which the log says once for each handler", () => {
    const log = collectLog();
    const runtime = containerd("v2.1.9");
    // We stand for the runtime: whatever conf.json this machine has, both would read it.
    const configured = { peer: process.pid, native: flag(false) };
    const serves = createSandboxRule(mergeConfig({ sandboxes: "auto" }), runtime, configured, log);
    for (const runtimeHandler of ["", "kata", "", "kata"]) {
      expect(serves("create", { runtimeHandler })).toBe(runtimeHandler === "kata");
      expect(serves("delete", { runtimeHandler })).toBe(runtimeHandler === "kata");
    }
    expect(log.lines).toMatchObject([
      { fields: { served: false } },
      { fields: { served: true, runtimeHandler: "kata" } },
    ]);
    const never = createSandboxRule(mergeConfig({ sandboxes: "never" }), runtime, configured, log);
    expect([never("create", { runtimeHandler: "" }), never("delete", { runtimeHandler: "" })]).toEqual([false, true]);
  });

  it("leaves the bridge its sandboxes while its process is not found, and takes them when it is", () => {
    const known: { peer: number | undefined; native: NativeFacts } = { peer: undefined, native: flag(false) };
    const serves = createSandboxRule(mergeConfig({ sandboxes: "auto" }), containerd("v2.1.9"), known, collectLog());
    expect(serves("create", { runtimeHandler: "" })).toBe(true);
    known.peer = process.pid;
    expect(serves("create", { runtimeHandler: "" })).toBe(false);
  });
});
