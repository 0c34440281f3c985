import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommandLine } from "./support/command-line.js";

const folder = resolve(import.meta.dirname, "../fixtures/crio/systemd-pod");
const plugins = resolve(import.meta.dirname, "../legacy-plugins");

async function requestsOf(...flags: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await runCommandLine(["replay", folder, "--json", "--bin-dir", plugins, ...flags]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => line.type === "run");
}

describe("a pod of CRI-O", () => {
  it("is told to plugins as its bundles say, with containerd's names beside CRI-O's", async () => {
    const expected = readdirSync(`${folder}/expected/runs`)
      .toSorted()
      .map((file) => readFileSync(`${folder}/expected/runs/${file}`, "utf8"));
    expect(expected).toHaveLength(4);
    expect((await requestsOf()).map((run) => run.request)).toEqual(expected);
  });

  it("keeps to CRI-O's own names where asked to", async () => {
    const runs = await requestsOf("--annotations-alias", "never");
    expect(runs).toHaveLength(4);
    for (const { request } of runs) expect(request).not.toContain('"io.kubernetes.cri.');
    expect(runs[1]?.request).toContain('"qos.class":"ls"');
  });
});
