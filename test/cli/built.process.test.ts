import { copyFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { program, runProgram } from "../support/program.js";

const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const basic = resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet");
const own = ["--config", "/dev/null", "--bin-dir", plugins];

const folder = makeFolder(afterAll);
const conf = join(folder, "conf.json");
writeFileSync(conf, '{"plugins": [{"type": "labels"}]}');

/** All else about the verbs is tested in process; that they are in the bundle, and end with their code, is tested here. */
describe("the built program, with one command line for each verb", () => {
  it.each<[args: readonly string[], code: number, says: string | RegExp]>([
    [["version"], 0, /^nri-v01-bridge \d+\.\d+\.\d+/],
    [
      ["run", "--once", "--socket", "/nonexistent/nri.sock", "--state-directory", "OUT/state"],
      3,
      "is NRI enabled in the runtime",
    ],
    [["record", "--out", "OUT", "--socket", "/nonexistent/nri.sock"], 3, "is NRI enabled in the runtime"],
    [["replay", basic, "--bin-dir", plugins], 0, "\n4 plugin runs, 0 failed; 6 answers, 0 of them errors\n"],
    [["conformance", "--plugin", `${plugins}/noop`, "--case", "bare"], 0, "bare  "],
    [["check", ...own, "--conf", "CONF", "--permissions", "trust"], 0, "  1  labels  "],
    [["doctor", ...own, "--conf", "CONF", "--root", "OUT"], 2, "no runtime; cgroup unknown"],
    [["explain", `${basic}:1`, ...own], 0, "RunPodSandbox"],
    [["exec", "recorder", `${basic}:1`, ...own], 0, "  answer OK after "],
    [["simulate"], 0, "cpu.cfs_quota_us of the container: 50000 before, -1 after"],
  ])("%j ends with %j", async (args, code, says) => {
    const given = args.map((arg) => arg.replace("OUT", folder).replace("CONF", conf));
    const end = await runProgram(given);
    const text = end.stdout + end.stderr;
    expect(text).toMatch(says);
    expect(end.code).toBe(code);
  });

  it("`run` is in a file of its own, which is read without those of the other verbs", async () => {
    const alone = join(makeFolder(afterAll), "nri-v01-bridge.mjs");
    copyFileSync(program, alone);
    const missing = ["--once", "--socket", "/nonexistent/nri.sock", "--state-directory", join(folder, "alone")];
    const { code, stderr } = await runProgram(missing, process.env, alone);
    expect(stderr).toContain("is NRI enabled in the runtime");
    expect(code).toBe(3);
    expect((await runProgram(["--help"], process.env, alone)).stderr).toContain("tools.mjs");
  });
});
