import { chmodSync, chownSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const cases = resolve(import.meta.dirname, "../../fixtures/cases");
const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const own = ["--config", "/dev/null", "--bin-dir", plugins];

let folder: string;
let played: string;
beforeEach(() => {
  folder = makeFolder();
  played = join(folder, "case");
  cpSync(join(cases, "basic-hostnet"), played, { recursive: true });
});

/** A user's mistake: exit code 2, the path, and no stack. */
function expectRefusal({ code, stderr }: { code: number | null; stderr: string }, message: string): void {
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/\n\s+at |please report/);
  expect(code).toBe(2);
}

describe("a broken conf.json", () => {
  it.each([
    ["cut", '{"plugins": [', ":1:14: unexpected EOF"],
    ["with an entry that is null", '{"plugins": [null]}', ": plugins[0] is null: write"],
  ])("%s, is named by exec", async (_, text, message) => {
    writeFileSync(join(played, "conf.json"), text);
    expectRefusal(await runCommandLine(["exec", "recorder", `${played}:4`, ...own]), `${played}/conf.json${message}`);
  });

  it("ends explain with 1 and the answer that a runtime would get", async () => {
    const conf = join(folder, "bad.json");
    writeFileSync(conf, '{"plugins": [');
    const args = ["explain", `${played}:1`, "--conf", conf, ...own];
    const message = "unable to create nri client: unexpected EOF";
    const text = await runCommandLine(args);
    expect(text.stdout).toContain(`  the bridge answers UNKNOWN: ${message}\n`);
    expect(text.stdout).not.toContain("no plugin runs for it");
    expect(text.code).toBe(1);
    const json = await runCommandLine([...args, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ plugins: [], error: { code: "UNKNOWN", message } });
    expect(json.code).toBe(1);
  });
});

/** An event with this payload. */
const event = (payload: string) => `{"method":"RunPodSandbox","timeoutNano":"1","payloadBase64":"${payload}"}\n`;

describe("a case that cannot be read", () => {
  it.each([
    ["its events are no JSON", "events.jsonl", "nonsense\n", "CASE/events.jsonl:1: "],
    ["an event is no object", "events.jsonl", "[]", "CASE/events.jsonl:1: the document is a list, expected a mapping"],
    ["an event lacks its payload", "events.jsonl", '{"method":"X","timeoutNano":"1"}', '"payloadBase64" is missing'],
    ["a payload is no base64", "events.jsonl", event("?"), ':1: "payloadBase64" is "?", expected base64'],
    [
      "a payload is no protobuf",
      "events.jsonl",
      event("////"),
      ":1: the event's payload is not a RunPodSandbox request of",
    ],
    ["there are no events", "events.jsonl", undefined, "CASE/events.jsonl: no such file"],
    ["case.json has another form", "case.json", '{"confs": 1}', 'CASE/case.json: "confs" is 1, expected a list'],
    [
      "its runtime is not known",
      "case.json",
      '{"runtime":{"name":"another","version":"1","dialect":"dedicated"}}',
      "CASE/case.json: the NRI version of another 1 is not known: set runtime.nri to it",
    ],
  ])("since %s", async (_, name, text, message) => {
    rmSync(join(played, name));
    if (text !== undefined) writeFileSync(join(played, name), text);
    expectRefusal(await runCommandLine(["replay", played, ...own]), message.replace("CASE", played));
  });

  it.each([
    ["replay", "events.jsonl", ["CASE"]],
    ["explain", "conf.json", ["CASE"]],
    ["replay", "given", ["CASE", "--conf", "CASE/given"]],
  ])("%s: %s is a folder", async (verb, name, args) => {
    rmSync(join(played, name), { force: true });
    mkdirSync(join(played, name));
    const ended = await runCommandLine([verb, ...args.map((arg) => arg.replace("CASE", played)), ...own]);
    expectRefusal(ended, `${played}/${name}: a file is expected, and the path is a folder (EISDIR)`);
  });

  it("explain takes the event's spec where a bundle is no JSON, as the bridge does", async () => {
    writeFileSync(join(played, "bundles/ctr.json"), "garbage");
    const { code, stdout } = await runCommandLine(["explain", `${played}:4`, "--json", ...own]);
    const plugin = { sources: { spec: "the event" } };
    expect(JSON.parse(stdout)).toMatchObject({ bundle: null, error: null, plugins: [plugin] });
    expect(code).toBe(0);
  });
});

describe.runIf(process.geteuid?.() === 0)("a case that another user may not read", () => {
  /** The verb as nobody. Only this process's effective user is changed, and only for as long as the verb runs. */
  async function asNobody(args: readonly string[]) {
    chmodSync(folder, 0o755);
    process.seteuid?.(65534);
    try {
      return await runCommandLine(args);
    } finally {
      process.seteuid?.(0);
    }
  }

  it.each([
    ["replay", "events.jsonl"],
    ["explain", "bundles"],
    ["replay", ""],
  ])("%s: CASE/%s", async (verb, name) => {
    const path = join(played, name);
    chownSync(path, 0, 0);
    chmodSync(path, 0o600);
    const { code, stderr } = await asNobody([verb, played, ...own]);
    expectRefusal({ code, stderr }, "permission denied (EACCES)");
    expect(stderr).toContain(path);
  });
});
