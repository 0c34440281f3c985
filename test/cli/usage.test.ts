import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { version } from "../../src/version.js";
import { runCommandLine } from "../support/command-line.js";

const folder = mkdtempSync(join(tmpdir(), "bridge-usage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the command line", () => {
  it.each([["run"], ["simulate"], ["replay"], ["version"]])("helps with %s", async (verb) => {
    const { code, stdout } = await runCommandLine([verb, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: nri-v01-bridge ${verb}`);
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
    [
      "a flag's value that is none of the choices",
      ["run", "--lookup", "x"],
      "Allowed choices are plugin-dirs-first, path-first",
    ],
    ["a flag's value that is no number", ["run", "--reply-margin-ms", "x"], "a number is expected"],
    ["a wrong index", ["run", "--idx", "1"], '"pluginIdx" is "1", expected two digits'],
    [
      "a missing configuration",
      ["run", "--config", "/nonexistent.yaml"],
      "/nonexistent.yaml: the configuration cannot be read",
    ],
    ["a missing folder", ["replay", "/nonexistent"], "/nonexistent: no such folder"],
    ["a missing argument", ["replay"], "missing required argument 'folder'"],
    ["one argument too many", ["version", "more"], "too many arguments"],
  ])("refuses %s with a message and exit code 2, without a stack", async (_, args, message) => {
    const { code, stderr } = await runCommandLine(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });

  it.each([
    ["a number that is null", ["--timeout-ms", "null"], "timeoutMs", null],
    ["a text that is null", ["--metrics-listen", "null"], "metrics.listen", null],
    ["a switch that is off", ["--no-kill-children"], "killChildren", false],
    ["a switch that is on", ["--kill-children"], "killChildren", true],
    ["a list with commas", ["--environment-pass", "PATH,HOME"], "environment.pass", ["PATH", "HOME"]],
    [
      "a flag that is given again",
      ["--environment-pass", "PATH", "--environment-pass", "HOME"],
      "environment.pass",
      ["PATH", "HOME"],
    ],
    ["a word in the place of a list", ["--environment-pass", "all"], "environment.pass", "all"],
    ["directories, by both names", ["--plugin-dirs", "/a,/b", "--bin-dir", "/c"], "pluginDirs", ["/a", "/b", "/c"]],
    ["a socket as Go programs name it", ["--socket", "unix:///run/nri.sock"], "socketPath", "/run/nri.sock"],
  ])("takes %s, over the file", async (_, args, key, value) => {
    const file = join(folder, "layers.yaml");
    writeFileSync(
      file,
      `timeoutMs: 5\nkillChildren: true\nmetrics: {listen: "127.0.0.1:1"}\nconfFile: ${folder}/none.json\n`,
    );
    const { stdout } = await runCommandLine(["check", "--json", "--config", file, ...args]);
    const { settings } = JSON.parse(stdout);
    expect(settings.find((setting: { key: string }) => setting.key === key)).toMatchObject({ value, from: "flag" });
  });

  it.each([
    [["--plugin-dirs", "/a:/b"], "give the flag once for each directory, or put commas between them"],
    [["--plugin-dirs="], "an entry of the list is empty"],
    [["--states", "create,,delete"], "an entry of the list is empty"],
    [["--conf", ""], "a path is expected, and this is empty"],
    [["--config", ""], "a path is expected, and this is empty"],
    [["--socket", "tcp://x"], "a path is expected, and this is an address"],
    [["--state", "memory", "--state-directory", "/x"], "--state memory keeps no journal"],
  ])("refuses %j", async (args, message) => {
    const { code, stderr } = await runCommandLine(["check", ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it("names file, line and column of a wrong configuration", async () => {
    const file = join(folder, "bridge.yaml");
    writeFileSync(file, "limits:\n  stdoutBytes: much\n");
    const { code, stderr } = await runCommandLine(["run", "--once", "--config", file]);
    expect(stderr).toContain(`${file}:2:16: "limits.stdoutBytes" is "much", expected a number`);
    expect(code).toBe(2);
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

  it.each([
    ["events.jsonl is no JSON", { "events.jsonl": "nonsense\n" }, "events.jsonl:1: "],
    [
      "an event lacks its payload",
      { "events.jsonl": '{"method":"StateChange","timeoutNano":"1"}\n' },
      'events.jsonl:1: "payloadBase64" is missing, expected text',
    ],
    ["there are no events", {}, "events.jsonl: no such file"],
    [
      "case.json is of another form",
      { "case.json": '{"confs": 1}', "events.jsonl": "" },
      'case.json: "confs" is 1, expected a list',
    ],
    [
      "an event's payload is no base64",
      { "events.jsonl": '{"method":"StateChange","timeoutNano":"1","payloadBase64":"?"}\n' },
      'events.jsonl:1: "payloadBase64" is "?", expected base64',
    ],
    ["an event is no object", { "events.jsonl": "[]" }, "events.jsonl:1: the document is a list, expected a mapping"],
  ])("refuses a case where %s", async (name, files, message) => {
    const target = mkdtempSync(join(folder, `${name.replaceAll(" ", "-")}-`));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(target, file), text);
    const { code, stderr } = await runCommandLine(["replay", target]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
