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

const inPlace = (path: string) => {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
};

describe("a broken conf.json", () => {
  const broken = [
    ["cut", '{"plugins": [', ":1:14: unexpected EOF"],
    ["with an entry that is null", '{"plugins": [null]}', ": plugins[0] is null: write"],
  ] as const;

  it.each(broken)("%s, of exec's case", async (_, text, message) => {
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

describe("a case that cannot be read", () => {
  it.each(["replay", "explain"])("%s: a payload that is no protobuf", async (verb) => {
    writeFileSync(
      join(played, "events.jsonl"),
      '{"method":"RunPodSandbox","timeoutNano":"2000000000","payloadBase64":"////"}\n',
    );
    expectRefusal(
      await runCommandLine([verb, played, ...own]),
      `${played}/events.jsonl:1: the event's payload is no RunPodSandbox request of NRI`,
    );
  });

  it.each([
    ["replay", "events.jsonl"],
    ["explain", "conf.json"],
  ])("%s: %s is a folder", async (verb, name) => {
    inPlace(join(played, name));
    expectRefusal(
      await runCommandLine([verb, played, ...own]),
      `${played}/${name}: it is a folder, and a file is expected (EISDIR)`,
    );
  });

  it.each(["replay", "explain"])("%s: --conf is a folder", async (verb) => {
    expectRefusal(
      await runCommandLine([verb, played, "--conf", played, ...own]),
      `${played}: it is a folder, and a file is expected (EISDIR)`,
    );
  });

  it("explain takes the event's spec where a bundle is no JSON, as the bridge does", async () => {
    writeFileSync(join(played, "bundles/ctr.json"), "garbage");
    const { code, stdout } = await runCommandLine(["explain", `${played}:4`, "--json", ...own]);
    expect(JSON.parse(stdout)).toMatchObject({
      bundle: null,
      error: null,
      plugins: [{ sources: { spec: "the event" } }],
    });
    expect(code).toBe(0);
  });

  it("names a file in the place of a folder", async () => {
    expectRefusal(
      await runCommandLine(["replay", join(played, "conf.json")]),
      "conf.json: it is a file; a case is a folder",
    );
  });
});

it("a runtime whose NRI version is not known is that of a file", async () => {
  const file = join(played, "case.json");
  writeFileSync(file, '{"runtime":{"name":"another","version":"1","dialect":"dedicated"}}');
  expectRefusal(
    await runCommandLine(["replay", played, ...own]),
    `${file}: the NRI version of another 1 is not known: state it as "nri" of "runtime"`,
  );
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
