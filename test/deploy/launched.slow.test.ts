import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { bundle, executable, has, root, run } from "./support.js";

const script = join(root, "deploy/launched/install.sh");
const folder = makeFolder(afterAll);

function install(directory: string, ...args: string[]) {
  return run("sh", [script, "--directory", join(folder, directory, "plugins"), ...args]);
}

describe("install.sh", () => {
  it("puts a launcher there that needs no PATH and no argument", async () => {
    const { code, stdout } = await install("a", "--bundle", bundle);
    expect(code).toBe(0);
    expect(stdout).toContain("/etc/nri/conf.d/10-v01-bridge.conf");
    const launcher = join(folder, "a/plugins/10-v01-bridge");
    expect(statSync(launcher).mode & 0o777).toBe(0o755);
    expect(readFileSync(launcher, "utf8")).not.toMatch(/@[A-Z]+@/);
    // As a runtime starts it, but with a socket that is none.
    const env = { NRI_PLUGIN_NAME: "v01-bridge", NRI_PLUGIN_IDX: "10", NRI_PLUGIN_SOCKET: "99" };
    const ended = await run(launcher, [], { env, timeoutMs: 20_000 });
    expect(ended.stderr).toContain('"mode":"launched"');
    expect([3, 5]).toContain(ended.code);
  });

  it("puts a command on PATH as well, where it is asked to, and again, and nothing else", async () => {
    const command = join(folder, "bin/nri-v01-bridge");
    for (const _ of ["once", "and again"]) {
      expect((await install("g", "--bundle", bundle, "--command", command)).code).toBe(0);
      // With no PATH: it names its Node.
      expect(await run(command, ["version"], { env: {} })).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("nri-v01-bridge"),
      });
    }
    expect(readdirSync(join(folder, "g"), { recursive: true })).toEqual(["plugins", "plugins/10-v01-bridge"]);
  });

  it("helps", async () => {
    const { code, stdout, stderr } = await run("sh", [script, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Installs the bridge where a runtime launches it/);
    for (const option of ["--bundle", "--node", "--executable", "--directory", "--name", "--command"]) {
      expect(stdout).toContain(option);
    }
    expect(stdout).not.toContain("set -eu");
  });

  it("installs nothing that does not run here", async () => {
    const broken = join(folder, "broken.mjs");
    writeFileSync(broken, "process.exit(1);\n");
    const { code, stderr } = await install("c", "--bundle", broken);
    expect(code).toBe(1);
    expect(stderr).toContain("does not run here");
    expect(readdirSync(join(folder, "c"), { recursive: true })).toEqual(["plugins"]);
  });

  it.each([
    [["--name", "v01-bridge", "--bundle", bundle], "NN-name"],
    [["--name", "10-v01 bridge", "--bundle", bundle], "letters, digits"],
    [["--bundle", "/nonexistent"], "/nonexistent: no such file"],
    [["--bundle", bundle, "--executable", bundle], "is all"],
    [[], "is wanted"],
    [["--what", "x"], "unknown option --what"],
    [["--bundle"], "wants a value"],
  ])("refuses %j", async (args, message) => {
    const { code, stderr } = await install("d", ...args);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(existsSync(join(folder, "d/plugins/10-v01-bridge"))).toBe(false);
  });

  it("names another file that keeps containerd 1.7 from starting", async () => {
    await install("e", "--bundle", bundle);
    writeFileSync(join(folder, "e/plugins/helper.sh"), "#!/bin/sh\n");
    chmodSync(join(folder, "e/plugins/helper.sh"), 0o755);
    writeFileSync(join(folder, "e/plugins/notes.txt"), "");
    const { stderr } = await install("e", "--bundle", bundle);
    expect(stderr).toMatch(/helper\.sh is not named NN-name/);
    expect(stderr).not.toContain("notes.txt");
  });

  it.skipIf(!existsSync(executable))("installs the single executable as it is", async () => {
    expect((await install("f", "--executable", executable)).code).toBe(0);
    const command = join(folder, "sea/nri-v01-bridge");
    expect((await install("f", "--executable", executable, "--command", command)).code).toBe(0);
    expect((await run(command, ["version"], { env: {} })).code).toBe(0);
    const { code, stdout } = await run(join(folder, "f/plugins/10-v01-bridge"), ["version"], { env: {} });
    expect(code).toBe(0);
    expect(stdout).toContain("nri-v01-bridge");
  });

  it.skipIf(!has("shellcheck"))("is clean for shellcheck", async () => {
    expect(await run("shellcheck", [script])).toMatchObject({ code: 0, stdout: "" });
  });
});
