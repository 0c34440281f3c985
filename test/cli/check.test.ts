import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

let folder: string;
let config: string;
let conf: string;

beforeEach(() => {
  folder = makeFolder();
  config = join(folder, "bridge.yaml");
  conf = join(folder, "conf.json");
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin/one"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(conf, '{"version": "0.1", "plugins": [{"type": "one"}, {"type": "two"}]}');
  writeFileSync(
    config,
    `confFile: ${conf}\npluginDirs: [${folder}/bin]\nreplyMarginMs: 300\nenvironment: {set: {TOKEN: s3cret}}\nplugins:\n  one: {phase: create, timeoutMs: 250}\n`,
  );
});

describe("check --json", () => {
  it("tells of each key its value and where it came from", async () => {
    const { stdout } = await runCommandLine(["check", "--json", "--config", config, "--permissions", "trust"]);
    const { settings, configuration, conf: file } = JSON.parse(stdout);
    const setting = (key: string) => settings.find((candidate: { key: string }) => candidate.key === key);
    expect([configuration, file]).toEqual([config, conf]);
    expect(setting("permissions")).toEqual({ key: "permissions", value: "trust", from: "flag", where: null });
    expect(setting("replyMarginMs")).toEqual({
      key: "replyMarginMs",
      value: 300,
      from: "file",
      where: `${config}:3`,
    });
    expect(setting("onFailure.create")).toMatchObject({ value: "fail", from: "default" });
    expect(setting("environment.set")).toMatchObject({ value: { TOKEN: "(set)" }, from: "file" });
    expect(stdout).not.toContain("s3cret");
  });

  it("resolves each plugin as it would run, and ends with 1 where one cannot", async () => {
    const { code, stdout } = await runCommandLine(["check", "--json", "--config", config]);
    const { plugins, findings } = JSON.parse(stdout);
    expect(plugins).toMatchObject([
      {
        index: 0,
        type: "one",
        path: `${folder}/bin/one`,
        phase: "create",
        cgroup: "capture",
        timeoutMs: 250,
        faults: [],
      },
      {
        index: 1,
        type: "two",
        path: null,
        phase: "start",
        cgroup: "host",
        timeoutMs: null,
        faults: ["plugin-not-found"],
      },
    ]);
    expect(findings.map(({ id }: { id: string }) => id)).toEqual(["plugin-not-found"]);
    expect(code).toBe(1);
  });
});

describe("check", () => {
  it("ends with 0 when all is as it should be", async () => {
    writeFileSync(conf, '{"version": "0.1", "plugins": [{"type": "one"}]}');
    const { code, stdout } = await runCommandLine(["check", "--config", config]);
    expect(stdout).toContain(`  1  one  ${folder}/bin/one\n     phase create, `);
    expect(stdout).toMatch(new RegExp(`replyMarginMs +300  \\(${config}:3\\)`));
    expect(stdout).toMatch(/sandboxes +"auto" {2}\(default\)/);
    expect(code).toBe(0);
  });
});
