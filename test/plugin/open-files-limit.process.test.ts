import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { createFfiSpawner } from "../../src/plugin/ffi-spawner.js";
import { startingOpenFilesLimit } from "../../src/plugin/inherited.js";
import { createDirectory } from "./plugin-directory.js";
import { sh } from "./spawners.js";

const parent = 77;

function createProc(own: string, parents?: string): string {
  const root = createDirectory();
  for (const [name, limit] of [
    ["self", own],
    [String(parent), parents],
  ]) {
    if (limit === undefined) continue;
    mkdirSync(join(root, `${name}`));
    const [soft = "", hard = ""] = limit.split(":");
    const line = `Max open files            ${soft.padEnd(20)} ${hard.padEnd(20)} files     \n`;
    writeFileSync(join(root, `${name}`, "limits"), `Limit  Soft Limit  Hard Limit  Units\n${line}`);
  }
  return root;
}

describe("the limit of open files that we were started with", () => {
  it.each([
    ["a shell's", "4096:4096", "1024:4096", { soft: 1024n, hard: 4096n }],
    ["a shell's own, raised", "20000:20000", "20000:20000", undefined],
    ["systemd's default", "524288:524288", "1024:1073741816", { soft: 1024n, hard: 524288n }],
    ["set in the unit", "65536:65536", "1024:1073741816", undefined],
    ["unlimited parent", "1048576:1048576", "unlimited:unlimited", { soft: 1024n, hard: 1048576n }],
    ["of an unknown parent", "524288:524288", undefined, { soft: 1024n, hard: 524288n }],
    ["not raised by Node", "1024:4096", "1024:4096", undefined],
  ])("%s", (_, own, parents, expected) => {
    expect(startingOpenFilesLimit(createProc(own, parents), parent)).toEqual(expected);
  });

  it("is the plugin's, and ours is as before", async () => {
    const before = readFileSync("/proc/self/limits", "latin1");
    const hard = BigInt(/^Max open files +\d+ +(\d+)/m.exec(before)?.[1] ?? 0);
    const spawner = createFfiSpawner(openNative(), { soft: 500n, hard });
    onTestFinished(() => spawner.close());
    const { text } = await sh(spawner, "ulimit -Sn; ulimit -Hn");
    expect(text).toBe(`500\n${hard}\n`);
    expect(readFileSync("/proc/self/limits", "latin1")).toBe(before);
  });

  it("is the plugin's too when we have more descriptors open than that", async () => {
    const spawner = createFfiSpawner(openNative(), { soft: 20n, hard: 1000n });
    onTestFinished(() => spawner.close());
    expect((await sh(spawner, "sleep 0.05; ulimit -Sn")).text).toBe("20\n");
  });
});
