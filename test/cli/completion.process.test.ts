import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runProgram } from "../support/program.js";

describe("bash completion", () => {
  let script: string;
  beforeAll(async () => {
    script = (await runProgram(["completion", "bash"])).stdout;
  });

  /** What bash offers for the last of these words. */
  function offered(...words: string[]): string[] {
    const line = words.map((word) => `'${word}'`).join(" ");
    const test = `${script}\nCOMP_WORDS=(nri-v01-bridge ${line}); COMP_CWORD=${words.length}; _nri_v01_bridge; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["-c", test], { encoding: "utf8", timeout: 10_000 }).trimEnd().split("\n");
  }

  it("offers the verbs, and their flags", () => {
    expect(offered("re")).toEqual(["record", "replay"]);
    expect(offered("replay", "--comp")).toEqual(["--compare"]);
    expect(offered("conformance", "--sock")).toEqual([""]);
  });

  it("does not take the value of a flag for a verb", () => {
    expect(offered("--config", "run", "re")).toEqual(["record", "replay"]);
    expect(offered("--config", "=", "run", "re")).toEqual(["record", "replay"]);
    expect(offered("--config", "run", "replay", "--comp")).toEqual(["--compare"]);
  });

  it("offers the verbs after help", () => {
    expect(offered("help", "re")).toEqual(["record", "replay"]);
    expect(offered("help", "--")).toEqual([""]);
  });
});

describe("the man page", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/man/nri-v01-bridge.1"), "utf8");
  const [, ...sections] = page.split(/^\.S[SH] /m);
  const section = (verb: string) => sections.find((text) => text.startsWith(`${verb} `)) ?? "";

  it("says of those verbs that they take the settings which do", async () => {
    for (const verb of ["check", "doctor", "exec", "explain", "record", "replay", "simulate"]) {
      expect(section(verb), verb).toContain("It takes the settings of\n.B run\ntoo.");
    }
    for (const verb of ["conformance", "completion", "version"]) expect(section(verb), verb).not.toContain("settings");
    expect((await runProgram(["conformance", "--socket", "/x"])).code).toBe(2);
  });

  it("has the arguments with their meaning, and the exit codes of a verb's own", () => {
    expect(section("explain")).toMatch(/^\.TP\n\.I event\nan event as record writes it, /m);
    expect(section("replay")).toMatch(/^\.TP\n\.I folder\na case: /m);
    expect(section("doctor")).toContain("Exit codes: 0 nothing worse than notes; 1 warnings; 2 errors.");
    expect(section("check")).toContain("Exit codes: 0 as it should be; 1 plugins or conf.json have faults; 2 the");
  });
});
