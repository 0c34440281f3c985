import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { jsonLines, runCommandLine } from "./support/command-line.js";

const folder = resolve(import.meta.dirname, "../fixtures/crio/systemd-pod");
const plugins = resolve(import.meta.dirname, "../legacy-plugins");

it("a pod of CRI-O is told to plugins as its bundles say, with containerd's names beside CRI-O's", async () => {
  const expected = readdirSync(`${folder}/expected/runs`)
    .toSorted()
    .map((file) => readFileSync(`${folder}/expected/runs/${file}`, "utf8"));
  expect(expected).toHaveLength(4);
  const { code, stdout, stderr } = await runCommandLine(["replay", folder, "--json", "--bin-dir", plugins]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(jsonLines(stdout).flatMap(({ type, request }) => (type === "run" ? [request] : []))).toEqual(expected);
});
