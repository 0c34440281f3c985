import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/io.js";
import { Deadline } from "../../src/deadline.js";
import { createRuntime } from "../../src/nri/runtime.js";
import { readCase } from "../../src/replay/case.js";
import { program, startProgram } from "../support/program.js";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/json.md"), "utf8");
const basic = join(root, "fixtures/cases/basic-hostnet");
const plugins = ["--bin-dir", join(root, "legacy-plugins"), "--permissions", "trust"];
const noFile = ["--config", "/dev/null"];

/** The text below a heading of the page. */
function section(title: string): string {
  const found = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  if (found === undefined) throw new Error(`docs/json.md has no heading ${title}`);
  return found;
}

/** Values that are somebody else's: protobuf's, the settings', a request's. */
const foreign = new Set(["response", "body", "sources", "value", "request", "set"]);

/** Every key of a value, and of what is in it. */
function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...(foreign.has(key) ? [] : keysOf(inner))]);
}

function expectDescribed(values: readonly unknown[], ...titles: string[]): void {
  expect(values.length).toBeGreaterThan(0);
  const text = titles.map(section).join("\n");
  // The settings' own keys are described in the README.
  const ofSettings = ["create", "update", "delete", "stdoutBytes", "stderrLinesPerRun", "annotate", "rename"];
  const keys = [...new Set(values.flatMap(keysOf))].filter((key) => !ofSettings.includes(key));
  expect(keys.filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
}

/** What a verb prints, by lines; its exit code is another test's. */
function print(...args: string[]): unknown[] {
  return toLines(spawnSync(process.execPath, [program, ...args], { encoding: "utf8", timeout: 30_000 }).stdout);
}

function toLines(text: string): unknown[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

let folder: string;
let recorded: string;
let recordLines: unknown[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bridge-json-docs-"));
  const socketPath = join(folder, "nri.sock");
  const runtime = await createRuntime({ socketPath, name: "containerd", version: "v1.7.24" });
  const out = join(folder, "cases");
  const running = startProgram([
    ...["record", "--run", "--json", "--out", out, "--pods", "1", "--socket", socketPath, ...plugins],
    ...["--conf", join(basic, "conf.json"), "--state-directory", join(folder, "state")],
  ]);
  try {
    const plugin = await runtime.accept(Deadline.after(10_000));
    const { events } = readCase(basic);
    for (const { method, payload, timeoutNano } of events) await plugin.raw(method, payload, { timeoutNano });
    recordLines = toLines((await running.ended).stdout);
  } finally {
    running.child.kill("SIGKILL");
    await runtime.close();
  }
  const [name = ""] = readdirSync(out);
  recorded = join(out, name);
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("docs/json.md describes every key", () => {
  it("of replay and simulate", () => {
    const lines = print("replay", "--json", basic, ...plugins);
    expectDescribed(
      lines.filter((line) => JSON.stringify(line).startsWith('{"type":"run"')),
      "`run` and `answer` lines",
    );
    expectDescribed(print("simulate", "--json"), "`run` and `answer` lines");
  });

  it("of replay --compare", () => {
    const text = print("replay", "--compare", "--json", recorded, "--bin-dir", "/nonexistent");
    expect(text.length).toBeGreaterThan(1);
    expectDescribed(text.slice(-1), "`replay --compare --json`");
    expectDescribed(
      text.slice(0, -1).map((line) => ({ ...Object(line), recorded: null, replayed: null })),
      "`replay --compare --json`",
    );
  });

  it("of exec", () => {
    expectDescribed(
      print("exec", "--json", "recorder", `${basic}:1`, ...plugins, ...noFile),
      "`run` and `answer` lines",
    );
  });

  it("of explain", () => {
    expectDescribed(print("explain", "--json", basic, ...plugins, ...noFile), "`explain --json`");
    const conf = join(folder, "bad.json");
    writeFileSync(conf, "{");
    expectDescribed(print("explain", "--json", basic, "--conf", conf, ...plugins, ...noFile), "`explain --json`");
  });

  it("of check and doctor", () => {
    const conf = join(folder, "some.json");
    writeFileSync(conf, '{"plugins": [{"type": "labels"}, {"type": "none"}]}');
    const args = ["--json", "--conf", conf, ...plugins, ...noFile];
    expectDescribed(print("check", ...args), "`check --json`", "`doctor --json`");
    expectDescribed(print("doctor", ...args), "`doctor --json`");
  });

  it("of conformance, record and version", () => {
    const noop = join(root, "legacy-plugins/noop");
    expectDescribed(print("conformance", "--json", "--plugin", noop, "--case", "bare"), "`conformance --json`");
    expectDescribed(recordLines, "`record --json`");
    expectDescribed(print("version", "--json"), "`version --json`");
  });

  it("of a case, and every file", () => {
    const read = (name: string) => readFileSync(join(recorded, name), "utf8");
    expectDescribed([JSON.parse(read("case.json"))], "A case");
    expectDescribed(toLines(read("events.jsonl")), "A case");
    expectDescribed(toLines(read("expected/lines.jsonl")), "`run` and `answer` lines");
    for (const name of readdirSync(recorded)) expect(section("A case")).toMatch(new RegExp(`\\| \`${name}`));
    expect(readdirSync(join(recorded, "expected")).sort()).toEqual(["lines.jsonl", "runs"]);
  });
});

it("docs/json.md lists every exit code and every verb that prints JSON", () => {
  const table = section("Exit codes");
  for (const code of Object.values(exitCodes)) expect(table).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
  const help = spawnSync(process.execPath, [program, "--help"], { encoding: "utf8", timeout: 10_000 }).stdout;
  const verbs = [...help.matchAll(/^ {2}([a-z]+) \[/gm)].map(([, verb = ""]) => verb);
  expect(verbs).toContain("replay");
  for (const verb of verbs.filter((name) => !["run", "help"].includes(name))) expect(page).toContain(`\`${verb}`);
});
