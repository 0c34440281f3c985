import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../src/config/parse.js";
import { runProgram } from "./support/program.js";

const root = resolve(import.meta.dirname, "..");
const readme = readFileSync(resolve(root, "README.md"), "utf8");

const shellBlocks = [...readme.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
  block.startsWith("#!") ? [] : block.trim().split("\n"),
);
const inTables = [...readme.matchAll(/^\|.*\| `(nri-v01-bridge [^`]*)` \|$/gm)].map(([, command = ""]) => command);
const inText = [...readme.matchAll(/`(nri-v01-bridge doctor --[a-z]+)`/g)].map(([, command = ""]) => command);
const commands = [...new Set([...shellBlocks, ...inTables, ...inText])];

/** Links to files of the repository. */
const links = [...readme.matchAll(/\]\(([a-zA-Z][^):]*)\)/g)].map(([, target = ""]) => target);

describe("README.md", () => {
  it("shows commands", () => {
    expect(shellBlocks.length).toBeGreaterThan(2);
    expect(inTables.length).toBeGreaterThan(2);
  });

  it.each(commands)("%s: does what it says", { timeout: 60_000 }, async (command) => {
    if (command.startsWith("npm ci && npm ")) {
      // What follows is a script of package.json; .ci/run runs both of them on a fresh clone, this test is in one.
      const script = command.replace(/^npm ci && npm (run )?/, "");
      expect(JSON.parse(readFileSync(resolve(root, "package.json"), "utf8")).scripts).toHaveProperty(script);
      if (script === "test") return;
      const { stdout } = await promisify(execFile)("npm", ["run", "--silent", script], { cwd: root });
      expect(stdout).toContain("50000 before, -1 after");
      return;
    }
    expect(command).toMatch(/^nri-v01-bridge /);
    const args = command.split(" ").slice(1);
    if (args[0] === "run" && !args.includes("--help")) {
      // No runtime listens here: it says so, and would try again.
      expect((await runProgram([...args, "--once", "--log-output", "stderr"])).stderr).toContain("cannot connect to");
      return;
    }
    const { code, stdout } = await runProgram(args);
    // A doctor finds what this machine lacks, and says so by its exit code.
    if (args[0] === "doctor") expect([0, 1, 2]).toContain(code);
    else expect(code).toBe(0);
    expect(stdout).not.toBe("");
  });

  it.each([...new Set(links)])("links to %s, which is there", (target) => {
    expect(existsSync(resolve(root, target))).toBe(true);
  });

  it("shows configurations that are valid", () => {
    const yaml = [...readme.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) => block);
    expect(yaml.length).toBeGreaterThan(0);
    for (const block of yaml) parseConfig(block, "README.md");
  });
});
