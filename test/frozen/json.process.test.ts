import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { listenByHand } from "../support/hand-made-runtime.js";
import { startProgram } from "../support/program.js";
import { placeNode, writeNodeFile } from "./node-files.js";

const root = resolve(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/json.md"), "utf8");
const basic = join(root, "fixtures/cases/basic-hostnet");
const plugins = ["--bin-dir", join(root, "legacy-plugins"), "--permissions", "trust"];
const noFile = ["--config", "/dev/null"];

type Fields = Readonly<Record<string, unknown>>;

/** The text below a heading of the page. */
function section(title: string): string {
  const found = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  if (found === undefined) throw new Error(`docs/json.md has no heading ${title}`);
  return found;
}

/** The n-th table of a section: what each key means. */
function table(title: string, n = 0): ReadonlyMap<string, string> {
  const rows =
    section(title)
      .split(/\n\n+/)
      .filter((text) => text.startsWith("| key |"))
      [n]?.split("\n")
      .slice(2) ?? [];
  return new Map(
    rows.flatMap((row) => {
      const [, keys = "", meaning = ""] = row.split(/(?<!\\)\|/);
      return wordsOf(keys).map((key) => [key, meaning] as const);
    }),
  );
}

/** What a text has in backticks, but for what those are that name no key. */
function wordsOf(text: string, values: readonly string[] = []): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].flatMap(([, word = ""]) =>
    [...values, "null"].includes(word) ? [] : [word],
  );
}

/** Holds the keys of all these values together against those that are described: none is missing, none is new. */
function expectKeys(values: readonly unknown[], described: Iterable<string>): void {
  expect([...new Set(values.flatMap((value) => Object.keys(Object(value))))].sort()).toEqual([...described].sort());
}

/** The same for what a key holds, which the page describes in a sentence; `values` are the words there that are no keys. */
function expectNested(values: readonly unknown[], sentence: string | undefined, ...noKeys: string[]): void {
  expect(values.length).toBeGreaterThan(0);
  expectKeys(values, wordsOf(sentence ?? "", noKeys));
}

const runKeys = () => table("`run` and `answer` lines").keys();
const answerKeys = () => table("`run` and `answer` lines", 1).keys();
/** Of runs and answers: each has each key, but for the one that says that it is not always there. */
function expectRunsAndAnswers(lines: readonly Fields[], ...more: string[]): void {
  const [runs, answers] = ["run", "answer"].map((kind) => lines.filter(({ type }) => type === kind));
  expect([runs?.length, answers?.length]).not.toContain(0);
  for (const run of runs ?? []) expectKeys([{ ...run, stdoutBase64: "" }], [...runKeys(), ...more]);
  for (const answer of answers ?? []) {
    expectKeys([answer], [...answerKeys(), ...more]);
    if (answer.error !== null) expectKeys([answer.error], ["code", "message"]);
  }
}

/** What a verb prints, by lines; its exit code is another test's. */
async function print(...args: string[]): Promise<Fields[]> {
  return toLines((await runCommandLine(args)).stdout);
}

function toLines(text: string): Fields[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value : [];
}

let folder: string;
let recorded: string;
let recordLines: Fields[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bridge-json-"));
  const socketPath = join(folder, "nri.sock");
  const runtime = await listenByHand(socketPath);
  const out = join(folder, "cases");
  const running = startProgram([
    ...["record", "--run", "--json", "--out", out, "--pods", "1", "--socket", socketPath, ...plugins],
    ...["--conf", join(basic, "conf.json"), "--state-directory", join(folder, "state")],
  ]);
  try {
    await runtime.accept();
    for (const { method, payloadBase64 } of toLines(readFileSync(join(basic, "events.jsonl"), "utf8"))) {
      await runtime.call(String(method), Buffer.from(String(payloadBase64), "base64"));
    }
    recordLines = toLines((await running.ended).stdout);
  } finally {
    running.child.kill("SIGKILL");
    runtime.close();
  }
  const [name = ""] = readdirSync(out);
  recorded = join(out, name);
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("docs/json.md describes every key, and none that there is not", () => {
  it("of replay and simulate", async () => {
    expectRunsAndAnswers(await print("replay", "--json", basic, ...plugins));
    expectRunsAndAnswers(await print("replay", "--json", basic, "--bin-dir", "/nonexistent"));
    expectRunsAndAnswers(await print("simulate", "--json"));
  });

  it("of a run whose stdout is not UTF-8", async () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "recorder"), "#!/bin/sh\nprintf '\\377'\n", { mode: 0o755 });
    const [run] = await print("replay", "--json", basic, "--bin-dir", bin);
    expectKeys([run], runKeys());
    expect(run).toMatchObject({ stdout: "\ufffd", stdoutBase64: "/w==" });
  });

  it("of replay --compare", async () => {
    const lines = await print("replay", "--compare", "--json", recorded, "--bin-dir", "/nonexistent");
    const [differences, comparisons] = ["difference", "comparison"].map((kind) =>
      lines.filter(({ type }) => type === kind),
    );
    expect([differences?.length === 0, comparisons?.length]).toEqual([false, 1]);
    for (const difference of differences ?? []) expectKeys([difference], table("`replay --compare --json`").keys());
    expectKeys(comparisons ?? [], table("`replay --compare --json`", 1).keys());
  });

  it("of exec", async () => {
    const lines = await print("exec", "--json", "recorder", `${basic}:1`, ...plugins, ...noFile);
    expectRunsAndAnswers(lines, "configuration");
  });

  it("of explain", async () => {
    const conf = join(folder, "bad.json");
    writeFileSync(conf, "{");
    const lines = await print("explain", "--json", basic, ...plugins, ...noFile);
    const faulty = await print("explain", "--json", basic, "--conf", conf, ...plugins, ...noFile);
    for (const line of [...lines, ...faulty]) expectKeys([line], table("`explain --json`").keys());
    expectNested(
      faulty.flatMap(({ error }) => error ?? []),
      table("`explain --json`").get("error"),
    );
    const ofPlugins = table("`explain --json`", 1);
    const shown = lines.flatMap((line) => listOf(line.plugins));
    expect(shown.length).toBeGreaterThan(0);
    for (const plugin of shown) expectKeys([plugin], ofPlugins.keys());
    expectNested(
      shown.map(({ policy }) => policy),
      ofPlugins.get("policy"),
    );
    expectNested(
      shown.map(({ cgroup }) => cgroup),
      ofPlugins.get("cgroup"),
      "host",
      "capture",
    );
  });

  it("of check", async () => {
    const conf = join(folder, "some.json");
    writeFileSync(conf, '{"plugins": [{"type": "labels"}, {"type": "none"}]}');
    const keys = table("`check --json`");
    const [checked] = await print("check", "--json", "--conf", conf, ...plugins, ...noFile);
    expectKeys([checked], keys.keys());
    expectNested(
      listOf(checked?.settings),
      keys.get("settings"),
      ...["flag", "file", "default", "file:line", "environment.set"],
    );
    const [, ofPlugins] = section("`check --json`").split("Of each of `plugins`:");
    expect(checked?.plugins).toHaveLength(2);
    for (const plugin of listOf(checked?.plugins)) expectNested([plugin], ofPlugins, "pass", "set");
    expectNested(
      listOf(checked?.plugins).map(({ environment }) => environment),
      /`environment` with (.*?),/s.exec(ofPlugins ?? "")?.[1],
    );
    expectFindings(checked?.findings);
  });

  it("of doctor", async () => {
    const node = join(folder, "node");
    const socket = await placeNode(node);
    writeNodeFile(node, "usr/bin/labels", "");
    const [looked] = await print("doctor", "--json", "--root", node, ...noFile);
    socket.close();
    expectKeys([looked], table("`doctor --json`").keys());
    const about = Object(looked?.node);
    const described = wordsOf(table("`doctor --json`").get("node") ?? "", ["launched", "external"]);
    const inner = [about.runtime, about.socket, about.bridge, about.conf];
    expectKeys([about, ...inner], new Set(described));
    expect(inner).not.toContain(null);
    expectFindings(looked?.findings);
  });

  it("of conformance, record and version", async () => {
    const noop = join(root, "legacy-plugins/noop");
    const [report] = await print("conformance", "--json", "--plugin", noop, "--case", "bare");
    expectKeys([report], table("`conformance --json`").keys());
    expectNested(listOf(report?.cases), table("`conformance --json`").get("cases"));
    expectKeys(recordLines, table("`record --json`").keys());
    expectNested(await print("version", "--json"), section("`version --json`").split("\n\n")[1]);
  });

  it("of a case, and every file", () => {
    const read = (name: string) => readFileSync(join(recorded, name), "utf8");
    const lines = toLines(read("events.jsonl"));
    for (const line of lines) expectKeys([line], table("A case").keys());
    expectNested(
      lines.flatMap(({ metadata }) => listOf(metadata)).concat({ key: "", value: "" }),
      table("A case").get("metadata"),
    );
    const keys = table("A case", 1);
    // Those of a case that has several conf.json, and of one that plays another's events, are the fixtures' alone.
    const { confs = [], eventsFrom = "", ...about } = JSON.parse(read("case.json"));
    expectKeys([{ ...about, confs, eventsFrom }], keys.keys());
    expectNested([about.runtime], keys.get("runtime"), "state-change", "dedicated");
    expectNested(about.invocations, keys.get("invocations"), "sandbox", "container", "expected/runs/");
    expectRunsAndAnswers(toLines(read("expected/lines.jsonl")));
    for (const name of readdirSync(recorded)) expect(section("A case")).toMatch(new RegExp(`\\| \`${name}`));
    expect(readdirSync(join(recorded, "expected")).sort()).toEqual(["lines.jsonl", "runs"]);
  });
});

function expectFindings(findings: unknown): void {
  expectNested(listOf(findings), table("`doctor --json`").get("findings"), "error", "warning", "info", "file:line");
}
