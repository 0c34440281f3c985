import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../src/config/parse.js";
import { runCommandLine } from "./support/command-line.js";
import { runProgram } from "./support/program.js";

const root = resolve(import.meta.dirname, "..");
const readme = readFileSync(resolve(root, "README.md"), "utf8");

const shellBlocks = [...readme.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
  block.startsWith("#!") ? [] : block.trim().split("\n"),
);
const inTables = [...readme.matchAll(/^\|.*\| `(nri-v01-bridge [^`]*)` \|$/gm)].map(([, command = ""]) => command);
const inText = [...readme.matchAll(/`(nri-v01-bridge doctor --[a-z]+)`/g)].map(([, command = ""]) => command);
const shown = [...new Set([...shellBlocks, ...inTables, ...inText])];
/** Words in capitals stand for what only a node has. */
const hasBlank = (command: string) => / (?:ID|TYPE|FOLDER|POD)(?= |$)/.test(command);
const commands = shown.filter((command) => !hasBlank(command));

const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(resolve(root, "package.json"), "utf8"),
);

/** Links to files of the repository. */
const links = [...readme.matchAll(/\]\(([a-zA-Z][^):]*)\)/g)].map(([, target = ""]) => target);

describe("what the documents say of deletes", () => {
  const documents = ["README.md", "SECURITY.md", "CHANGELOG.md", "docs/MIGRATION.md"];

  // test/robustness/owed-deletes.process.test.ts: one that a kill -9 cut short comes again with the next bridge.
  it.each(documents)("%s promises none exactly once: across a kill it is at least once", (file) => {
    expect(readFileSync(resolve(root, file), "utf8")).not.toMatch(/exactly[ -]once/i);
  });

  it("README.md says so where it names the journal", () => {
    expect(readme.split("\n").find((line) => line.includes("survives `kill -9`"))).toContain("at least once");
  });
});

describe("README.md", () => {
  it("shows commands", () => {
    expect(shellBlocks.length).toBeGreaterThan(2);
    expect(inTables.length).toBeGreaterThan(2);
  });

  it.each(commands)("%s: does what it says", { timeout: 60_000 }, async (command) => {
    if (command.startsWith("npm ci && npm ")) {
      // What follows is a script of package.json; .ci/run runs both of them on a fresh clone, this test is in one.
      const script = command.replace(/^npm ci && npm (run )?/, "");
      expect(scripts).toHaveProperty(script);
      if (script === "test") return;
      // Not the build before it: others run what it would write.
      const [, args = ""] =
        /^npm run --silent build && node dist\/nri-v01-bridge\.mjs (.*)$/.exec(scripts[script] ?? "") ?? [];
      expect(args).not.toBe("");
      expect((await runProgram(args.split(" "))).stdout).toContain("50000 before, -1 after");
      return;
    }
    expect(command).toMatch(/^nri-v01-bridge /);
    const args = command.split(" ").slice(1);
    if (args[0] === "run" && !args.includes("--help")) {
      // No runtime listens here: it says so, and would try again.
      expect((await runProgram([...args, "--once"])).stderr).toContain("cannot connect to");
      return;
    }
    // Else it is the file of a bridge that runs on this machine, where one does.
    const looks = ["check", "doctor", "exec", "explain"].includes(args[0] ?? "") && !args.includes("--config");
    const { code, stdout } = await runCommandLine([...args, ...(looks ? ["--config", "/dev/null"] : [])]);
    // A doctor finds what this machine lacks, and says so by its exit code.
    if (args[0] === "doctor") expect([0, 1, 2]).toContain(code);
    else if (command === "nri-v01-bridge check") expect([0, 1]).toContain(code);
    else expect(code).toBe(0);
    expect(stdout).not.toBe("");
  });

  it.each(shown.filter(hasBlank))("%s: has a verb and flags that there are", async (command) => {
    const [, verb = "", ...rest] = command.split(" ");
    const { code, stdout } = await runCommandLine([verb, "--help"]);
    expect(code).toBe(0);
    for (const flag of rest.filter((word) => word.startsWith("--"))) expect(stdout).toMatch(new RegExp(`${flag}[ ,]`));
  });

  it("names npm scripts that there are, and that .ci/run runs", () => {
    const named = new Set([...readme.matchAll(/`npm run ([a-z0-9:]+)`/g)].map(([, script = ""]) => script));
    expect(named.size).toBeGreaterThan(4);
    const ran = scriptsOfCi();
    for (const script of named) expect(ran).toContain(script);
  });

  it("names flags that there are", async () => {
    const verbs = ["run", "record", "doctor", "check", "explain", "exec", "replay", "conformance", "simulate"];
    const helps = await Promise.all(verbs.map((verb) => runCommandLine([verb, "--help"])));
    const help = helps.map(({ stdout }) => stdout).join("\n");
    // The first of them is install.sh's own.
    const own = readFileSync(resolve(root, "deploy/launched/install.sh"), "utf8");
    const flags = new Set([...readme.matchAll(/(?<=[` ])--[a-z][a-z-]+/g)].map(([flag]) => flag));
    expect(flags.size).toBeGreaterThan(8);
    for (const flag of flags) expect(help.includes(flag) || own.includes(`  ${flag}) `), flag).toBe(true);
  });

  it("names every setting that has a flag", async () => {
    const { stdout } = await runCommandLine(["run", "--help"]);
    const flags = [...stdout.matchAll(/^ +(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
    expect(flags.length).toBeGreaterThan(10);
    for (const flag of flags.filter((name) => !["--record", "--once"].includes(name))) {
      expect(readme).toContain(`\`${flag}\``);
    }
  });

  it("has the figures of docs/benchmark.json", async () => {
    const script = resolve(root, "scripts/gen-figures.mjs");
    await promisify(execFile)(process.execPath, [script, "--check"]);
    // By hand, too: what the script takes from where.
    const { goals } = JSON.parse(readFileSync(resolve(root, "docs/benchmark.json"), "utf8"));
    const goal = (what: string): { value: number; note: string } =>
      goals.find((one: { what: string }) => one.what.startsWith(what));
    const row = readme.split("\n").find((line) => line.startsWith("| time for an event with one tiny plugin"));
    const figures = [...(row ?? "").matchAll(/([\d.]+)(?:x| MB)/g)].map(([, figure]) => Number(figure));
    const adapters = (what: string) => Number(/the Go adapter: ([\d.]+)/.exec(goal(what).note)?.[1]);
    const [tiny, memory] = ["one tiny plugin, over posix_spawn", "memory after"] as const;
    const wanted = [
      adapters(tiny),
      adapters(memory),
      goal(tiny).value,
      goal(memory).value,
      goal("Python plugin started ahead, over the Go adapter").value,
    ];
    expect(figures).toHaveLength(wanted.length);
    for (const [at, value] of wanted.entries()) {
      // Times have a digit after the point, or two; megabytes have none.
      const roundedTo = value > 10 ? 1 : value > 1 ? 0.1 : 0.01;
      expect(Math.abs((figures[at] ?? 0) - value)).toBeLessThanOrEqual(roundedTo / 2 + 1e-9);
    }
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

/** The scripts of package.json that .ci/run runs, with those that they run. */
function scriptsOfCi(): ReadonlySet<string> {
  const named = (text: string) =>
    [...text.matchAll(/npm (?:run (?:--silent )?)?([a-z0-9:]+)/g)].flatMap(([, script = ""]) =>
      scripts[script] === undefined ? [] : [script],
    );
  const ran = new Set<string>();
  const pending = named(readFileSync(resolve(root, ".ci/run"), "utf8"));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (ran.has(next)) continue;
    ran.add(next);
    pending.push(...named(scripts[next] ?? ""));
  }
  // `npm test` runs the project that the recorded scenarios of `conformance` are in.
  if (ran.has("test") && (scripts.test ?? "").includes("--project process")) ran.add("conformance");
  return ran;
}
