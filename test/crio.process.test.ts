import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
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
    const own = mkdtempSync(join(tmpdir(), "bridge-crio-"));
    onTestFinished(() => rmSync(own, { recursive: true }));
    writeFileSync(join(own, "bridge.yaml"), "annotations: {alias: never}\n");
    const runs = await requestsOf("--config", join(own, "bridge.yaml"));
    expect(runs).toHaveLength(4);
    for (const { request } of runs) expect(request).not.toContain('"io.kubernetes.cri.');
    expect(runs[1]?.request).toContain('"qos.class":"ls"');
  });
});
