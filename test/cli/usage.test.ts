import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { version } from "../../src/base/version.js";
import { runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const folder = makeFolder(afterAll);

describe("the command line", () => {
  it("gives run a dozen flags: every other setting is in the configuration file", async () => {
    const { stdout } = await runCommandLine(["run", "--help"]);
    const flags = [...stdout.matchAll(/^ +(?:-h, )?--([a-z-]+)/gm)].map(([, flag]) => flag);
    expect(flags.join(" ")).toBe(
      "once record help config socket conf bin-dir permissions idx name state-directory log-level log-format",
    );
  });

  it("has a help of 80 columns for each command, with an example of flags that it takes, its own flags first", async () => {
    const { stdout: all } = await runCommandLine(["--help"]);
    const verbs = [...all.matchAll(/^ {2}([a-z]+) /gm)].flatMap(([, verb = ""]) => (verb === "help" ? [] : [verb]));
    expect(verbs).toHaveLength(10);
    for (const verb of verbs) {
      const { stdout } = await runCommandLine([verb, "--help"]);
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
      const [, example = ""] = /^Example: nri-v01-bridge (.*)$/m.exec(stdout) ?? [];
      expect(example.split(" ")[0]).toBe(verb);
      for (const flag of example.match(/--[a-z-]+/g) ?? []) expect(stdout).toMatch(new RegExp(`^ +${flag} `, "m"));
      const shared = stdout.indexOf("--config <file>");
      expect(shared < 0 || stdout.indexOf("-h, --help") < shared).toBe(true);
    }
  });

  it("prints its version for people and machines", async () => {
    expect((await runCommandLine(["--version"])).stdout).toBe(`${version}\n`);
    expect(JSON.parse((await runCommandLine(["version", "--json"])).stdout)).toMatchObject({
      version,
      node: process.version,
    });
  });

  it.each([
    ["an unknown command", ["rnu"], 'unknown command "rnu"; did you mean "run"?'],
    ["help for an unknown command", ["help", "explai"], 'unknown command "explai"; did you mean "explain"?'],
    ["an unknown flag", ["run", "--sockt", "/x"], "(Did you mean --socket?)"],
    ["a key as a flag", ["run", "--reply-margin-ms", "300"], "unknown option '--reply-margin-ms'"],
    ["another verb's flag", ["check", "--idx", "42"], "unknown option '--idx'"],
    ["a wrong index", ["run", "--idx", "1"], '"pluginIdx" is "1", expected two digits'],
    ["a wrong level", ["run", "--log-level", "x"], '"log.level" is "x", expected trace or debug or'],
    [
      "a missing configuration",
      ["run", "--config", "/nonexistent.yaml"],
      "/nonexistent.yaml: the configuration cannot be read",
    ],
    ["a wrong time", ["record", "--out", "x", "--duration", "soon"], "a time such as 90s, 5m or 1h is expected"],
    ["a list as of PATH", ["check", "--bin-dir", "/a:/b"], "give the flag once for each directory"],
    ["an empty path", ["check", "--conf", ""], "a path is expected, not an empty text"],
    ["no path for a recording", ["record", "--out", ""], "a path is expected, not an empty text"],
    ["another kind of address", ["check", "--socket", "tcp://x"], "a path is expected, not an address"],
    ["a missing argument", ["replay"], "missing required argument 'folder'"],
    ["one argument too many", ["version", "more"], "too many arguments"],
  ])("refuses %s with a message and exit code 2, without a stack", async (_, args, message) => {
    const { code, stderr } = await runCommandLine(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });

  it.each([
    ["--socket", "unix:///run/nri.sock", "socketPath", "/run/nri.sock"],
    ["--conf", "given.json", "confFile", resolve("given.json")],
    ["--bin-dir", "/c", "pluginDirs", ["/b", "/c"]],
    ["--permissions", "trust", "permissions", "trust"],
  ])("takes %s %s over the file, as %s", async (flag, text, key, value) => {
    const file = join(folder, "layers.yaml");
    writeFileSync(file, `permissions: strict\npluginDirs: [/a]\nconfFile: ${folder}/none.json\n`);
    const args = ["check", "--json", "--config", file, "--bin-dir", "/b", flag, text];
    const { settings } = JSON.parse((await runCommandLine(args)).stdout);
    expect(settings.find((setting: { key: string }) => setting.key === key)).toMatchObject({ value, from: "flag" });
  });

  it("repeats no more of a file that is no text than tells what it is, and nothing that moves a terminal", async () => {
    const file = join(folder, "rubbish.yaml");
    writeFileSync(
      file,
      Buffer.concat([Buffer.from("\u001b[2J\u009b\u202e: [\n"), Buffer.alloc(20_000, "\u0007x\u001b")]),
    );
    const { code, stderr } = await runCommandLine(["run", "--once", "--config", file]);
    expect(stderr).toContain(`${file}:`);
    expect(stderr.length).toBeLessThan(2000);
    expect(stderr).not.toMatch(/[^\P{C}\n]/u);
    expect(code).toBe(2);
  });
});
