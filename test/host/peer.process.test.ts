import { spawn } from "node:child_process";
import { once } from "node:events";
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { findPeer, programHolds, sharesConfFile } from "../../src/host/peer.js";
import { argumentsOf, environmentOf } from "../../src/host/proc.js";
import { makeFolder } from "../support/places.js";
import { FakeProc } from "./fake-proc.js";

let folder: string;
let proc: FakeProc;
beforeEach(() => {
  folder = makeFolder();
  proc = new FakeProc();
});

describe("the runtime's process", () => {
  async function listen(path: string): Promise<void> {
    const server = createServer().listen(path);
    onTestFinished(() => void server.close());
    await once(server, "listening");
  }

  async function listenInChild(path: string): Promise<number> {
    const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
    const child = spawn(process.execPath, ["-e", program], { env: { ...process.env, ENABLE_CRI_SANDBOXES: "yes" } });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    return child.pid ?? 0;
  }

  it("is found by the socket that it listens on", async () => {
    const path = join(folder, "nri.sock");
    const pid = await listenInChild(path);
    expect(await findPeer(path)).toMatchObject({ found: true, pid });
    const environment = environmentOf(pid, "/proc");
    expect([environment?.get("ENABLE_CRI_SANDBOXES"), environment?.get("ENABLE_CRI")]).toEqual(["yes", undefined]);
    expect(argumentsOf(pid, "/proc")[1]).toBe("-e");
  });

  it("is found through a link, and told from another one with a socket of the same name", async () => {
    mkdirSync(join(folder, "a"));
    mkdirSync(join(folder, "b"));
    symlinkSync(join(folder, "a"), join(folder, "link"));
    const pid = await listenInChild(join(folder, "a/nri.sock"));
    await listen(join(folder, "b/nri.sock"));
    expect(await findPeer(join(folder, "link/nri.sock"))).toMatchObject({ found: true, pid });
    expect(await findPeer(join(folder, "b/nri.sock"))).toMatchObject({ found: true, pid: process.pid });
  });

  it("is not known when there is no time to look at all processes", async () => {
    const path = join(folder, "nri.sock");
    await listen(path);
    const reason = `the time was too short to find the process that listens on ${path}`;
    expect(await findPeer(path, "/proc", 0)).toEqual({ found: false, reason });
    expect(await findPeer(path, "/proc", 60_000)).toMatchObject({ found: true });
  });

  it("is not known where nobody listens", async () => {
    const path = join(folder, "nri.sock");
    expect(await findPeer(path)).toMatchObject({ found: false, reason: `there is no ${path}` });
    writeFileSync(path, "");
    expect(await findPeer(path)).toMatchObject({ found: false });
  });
});

describe("the runtime's program", () => {
  it("is read piece by piece, and a text across two of them is found", async () => {
    const text = "nri.(*Client)";
    for (const before of [4, 100, ...Array.from(text, (_, at) => 2 ** 18 - at), 3 * 2 ** 18]) {
      proc.write("5/exe", `\x7fELF${".".repeat(before - 4)}${text}${".".repeat(20)}`);
      expect(await programHolds(5, text, proc.root)).toBe("yes");
      expect(await programHolds(5, `${text}?`, proc.root)).toBe("no");
    }
  });

  it("tells nothing where it cannot be read, or is no program", async () => {
    proc.write("5/exe", "#!/bin/sh\n");
    expect(await programHolds(5, "text", proc.root)).toBe("unknown");
    expect(await programHolds(6, "text", proc.root)).toBe("unknown");
    expect(await programHolds(process.pid, "text")).not.toBe("unknown");
  });
});

describe("the runtime's conf.json", () => {
  let own: string;
  beforeEach(() => {
    own = join(folder, "conf.json");
    writeFileSync(own, "{}");
    mkdirSync(join(proc.root, "5/root/etc/nri"), { recursive: true });
  });
  const native = () => join(proc.root, "5/root/etc/nri/conf.json");

  it("is ours when it is the same file", () => {
    linkSync(own, native());
    expect(sharesConfFile(5, own, proc.root).answer).toBe("yes");
  });

  it("is another when an installer has put a new one in the place of ours only", () => {
    linkSync(own, native());
    writeFileSync(`${own}.new`, "{}");
    renameSync(`${own}.new`, own);
    expect(sharesConfFile(5, own, proc.root)).toMatchObject({ answer: "no" });
  });

  it("is another when there is none", () => {
    expect(sharesConfFile(5, own, proc.root)).toMatchObject({ answer: "no" });
    rmSync(own);
    expect(sharesConfFile(5, own, proc.root)).toMatchObject({ answer: "no" });
  });

  it.each(["etc/nri", "etc"])("is ours when neither has one yet and both would find it in one /%s", (directory) => {
    const root = join(folder, "root");
    mkdirSync(join(root, directory), { recursive: true });
    proc.link("7/root", root);
    const confFile = join(root, "etc/nri/conf.json");
    expect(sharesConfFile(7, confFile, proc.root)).toMatchObject({
      answer: "yes",
      reason: expect.stringContaining("does not exist yet"),
    });
    expect(sharesConfFile(7, join(root, "etc/nri/other.json"), proc.root).answer).toBe("no");
    expect(sharesConfFile(5, confFile, proc.root).answer).toBe("no");
  });

  it("is not known without the runtime's process, or a look at its root", () => {
    expect(sharesConfFile(undefined, own, proc.root).answer).toBe("unknown");
    expect(sharesConfFile(6, own, proc.root).answer).toBe("unknown");
  });
});
