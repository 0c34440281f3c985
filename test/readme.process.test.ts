import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../src/config/parse.js";
import { runCommandLine } from "./support/command-line.js";
import { runProgram } from "./support/program.js";

const root = resolve(import.meta.dirname, "..");
const read = (path: string) => readFileSync(resolve(root, path), "utf8");
const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(read("package.json"));

/** The first group of each match. */
function matches(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found = ""]) => found))];
}

async function helpOf(verb: string): Promise<string> {
  const { code, stdout } = await runCommandLine([verb, "--help"]);
  expect(code, verb).toBe(0);
  return stdout;
}

describe.each(["README.md", "docs/MIGRATION.md", "SECURITY.md", "CONTRIBUTING.md"])("%s", (document) => {
  const text = read(document);

  it("names files and scripts that are there", () => {
    const links = matches(text, /\]\(([a-zA-Z][^):#]*)(?:#[^)]*)?\)/g).map((link) =>
      resolve(root, document, "..", link),
    );
    const paths = matches(text, /`((?:deploy|docs|src|test|fixtures)\/[A-Za-z0-9_./-]*)`/g)
      // Of other repositories.
      .filter((path) => !/nri-plugin-wrapper|hooks\/nri/.test(path))
      .map((path) => resolve(root, path));
    expect([...links, ...paths].filter((path) => !existsSync(path))).toEqual([]);
    for (const script of matches(text, /`npm run ([a-z:0-9]+)`/g)) expect(scripts).toHaveProperty([script]);
  });

  it("shows settings that the bridge takes", () => {
    const blocks = matches(text, /```yaml\n(.*?)```/gs);
    const inline = matches(text, /`((?:sandboxes|lookup|permissions|onFailure|pluginName): [^`]+)`/g);
    for (const setting of [...blocks, ...inline]) parseConfig(setting, document);
  });

  it("shows commands with verbs and flags that there are", async () => {
    for (const [, verb = "", rest = ""] of text.matchAll(/`nri-v01-bridge ([a-z]+)((?: [^`]*)?)`/g)) {
      const help = await helpOf(verb);
      for (const [flag] of rest.matchAll(/--[a-z-]+/g)) expect(help).toMatch(new RegExp(`${flag}[ ,]`));
    }
  });
});

describe("README.md", () => {
  const readme = read("README.md");
  const shellBlocks = matches(readme, /```sh\n(?!#!)(.*?)```/gs).flatMap((block) => block.trim().split("\n"));
  const inTables = matches(readme, /^\|.*\| `(?:npx )?(nri-v01-bridge [^`]*)` \|$/gm);
  const inText = matches(readme, /`(nri-v01-bridge doctor --[a-z]+)`/g);
  /** Words in capitals stand for what only a node has. */
  const hasBlank = (command: string) => / (?:ID|TYPE|FOLDER|POD)(?= |$)/.test(command);
  const commands = [...new Set([...shellBlocks, ...inTables, ...inText])].filter((command) => !hasBlank(command));

  it.each(commands)("%s: does what it says", { timeout: 60_000 }, async (command) => {
    if (command.startsWith("npm ci && npm ")) {
      // What follows is a script of package.json; .ci/run runs both of them on a fresh clone, this test is in one.
      const script = command.replace(/^npm ci && npm (run )?/, "");
      expect(scripts).toHaveProperty(script);
      // Not the build before it: others run what it would write.
      const build = "npm run --silent build && node dist/nri-v01-bridge.mjs ";
      expect(scripts[script]).toContain(build);
      const { stdout } = await runProgram((scripts[script] ?? "").replace(build, "").split(" "));
      const [, shown = ""] = /```\n(StartContainer .*?)```/s.exec(readme) ?? [];
      const withoutTimes = (text: string) => text.replace(/[\d.]+ ms/g, "N ms");
      expect(withoutTimes(stdout)).toContain(withoutTimes(shown));
      expect(shown).toContain("50000 before, -1 after");
      return;
    }
    const [program, verb = "", ...args] = command.split(" ");
    expect(program).toBe("nri-v01-bridge");
    if (verb === "run" && !args.includes("--help")) {
      // No runtime listens here: it says so, and would try again.
      expect((await runProgram([verb, ...args, "--once"])).stderr).toContain("cannot connect to");
      return;
    }
    // Else it is the file of a bridge that runs on this machine, where one does.
    const looks = ["check", "doctor"].includes(verb) && !args.includes("--config");
    const { code, stdout } = await runCommandLine([verb, ...args, ...(looks ? ["--config", "/dev/null"] : [])]);
    // What this machine lacks, these say by their exit code.
    const worst = { "nri-v01-bridge check": 1 }[command] ?? (verb === "doctor" ? 2 : 0);
    expect(code).toBeLessThanOrEqual(worst);
    expect(stdout).not.toBe("");
  });

  it("names npm scripts that .ci/run runs", () => {
    const named = matches(readme, /`npm run ([a-z0-9:]+)`/g);
    expect(named.length).toBeGreaterThan(4);
    const ran = scriptsOfCi();
    for (const script of named) expect(ran).toContain(script);
  });

  it("names flags that there are, and every setting that has one", async () => {
    const verbs = ["run", "record", "doctor", "check", "explain", "exec", "replay", "conformance", "simulate"];
    const help = (await Promise.all(verbs.map(helpOf))).join("\n");
    const ofInstall = read("deploy/launched/install.sh");
    const flags = matches(readme, /(?<=[` ])(--[a-z][a-z-]+)/g);
    expect(flags.length).toBeGreaterThan(8);
    for (const flag of flags) expect(help.includes(flag) || ofInstall.includes(`  ${flag}) `), flag).toBe(true);

    const settings = matches(await helpOf("run"), /^ +(--[a-z-]+)/gm);
    expect(settings.length).toBeGreaterThan(10);
    for (const flag of settings.filter((name) => !["--record", "--once"].includes(name))) {
      expect(readme).toContain(`\`${flag}\``);
    }
  });

  it("has the figures of docs/benchmark.json", () => {
    execFileSync(process.execPath, [resolve(root, "scripts/gen-figures.mjs"), "--check"]);
  });
});

/** The scripts of package.json that .ci/run runs, with those that they run. */
function scriptsOfCi(): ReadonlySet<string> {
  const named = (text: string) =>
    matches(text, /npm (?:run (?:--silent )?)?([a-z0-9:]+)/g).filter((script) => scripts[script] !== undefined);
  const ran = new Set(named(read(".ci/run")));
  // A set is walked to its end, with what is added meanwhile.
  for (const script of ran) for (const next of named(scripts[script] ?? "")) ran.add(next);
  // `npm test` runs the project that the recorded scenarios of `conformance` are in.
  if (ran.has("test") && (scripts.test ?? "").includes("--project process")) ran.add("conformance");
  return ran;
}
