import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findConfigFile } from "../../src/cli/config.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bridge-config-file-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode: 0o755 });
}

/** A process as /proc shows it. */
function start(pid: number, args: readonly string[], seen = root): void {
  put(`/proc/${pid}/comm`, "node\n");
  put(`/proc/${pid}/cmdline`, args.map((arg) => `${arg}\0`).join(""));
  symlinkSync("/usr/bin/node", join(root, `/proc/${pid}/exe`));
  symlinkSync("/root", join(root, `/proc/${pid}/cwd`));
  symlinkSync(seen, join(root, `/proc/${pid}/root`));
}

const unit = "/etc/nri-v01-bridge/config.yaml";
const find = async (given?: string) => findConfigFile(given, {}, root);

describe("the configuration file of a node's bridge", () => {
  it("is that of --config, whatever else there is", async () => {
    put(unit);
    expect(await find("mine.yaml")).toEqual({ path: "mine.yaml", file: "mine.yaml", from: "flag", pid: null });
  });

  it("is the one that the bridge which runs was started with", async () => {
    put(unit);
    put("/etc/nri/conf.d/10-v01-bridge.conf");
    put("/opt/nri/plugins/10-v01-bridge");
    start(41, ["/usr/bin/node", "/usr/bin/other", "--config", "/not/this"]);
    start(42, ["/usr/bin/nri-v01-bridge", "check", "--config", "/nor/this"]);
    start(43, ["/usr/bin/node", "/usr/bin/nri-v01-bridge", "run", "--config=/etc/bridge.yaml"]);
    const file = "/etc/bridge.yaml";
    expect(await find()).toEqual({ path: join(root, file), file, from: "running", pid: 43 });
  });

  it("is meant from the directory where the bridge was started", async () => {
    start(43, ["/usr/bin/nri-v01-bridge", "--config", "bridge.yaml"]);
    expect(await find()).toMatchObject({ file: "/root/bridge.yaml", from: "running" });
  });

  it.runIf(process.geteuid?.() === 0)("is not that of a process with a root of its own: a container's", async () => {
    put("/elsewhere/file");
    start(43, ["/usr/bin/nri-v01-bridge", "run", "--config", "/etc/bridge.yaml"], join(root, "elsewhere"));
    expect(await find()).toBeUndefined();
  });

  it("is else the one that a launched bridge gets", async () => {
    put(unit);
    put("/opt/nri/plugins/10-v01-bridge");
    put("/etc/nri/conf.d/10-v01-bridge.conf");
    expect(await find()).toMatchObject({ file: "/etc/nri/conf.d/10-v01-bridge.conf", from: "launched", pid: null });
  });

  it("is else that of the shipped unit, and none where that is missing", async () => {
    expect(await find()).toBeUndefined();
    put(unit);
    expect(await find()).toEqual({ path: join(root, unit), file: unit, from: "usual", pid: null });
  });
});
