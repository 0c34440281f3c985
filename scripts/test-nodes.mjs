// The tests of what depends on Node, with each of the Nodes in nodes.mjs: the recorded cases and what else must not change, FFI,
// how plugins are started, and the command line.
//
//   node scripts/test-nodes.mjs [MAJOR...] [VITEST'S OPTIONS]
import { spawnSync } from "node:child_process";
import { accessSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findNode, nodes } from "./nodes.mjs";

const folders = ["test/frozen", "test/host", "test/plugin", "test/cli"];
// A folder that is not there would be a filter that nothing matches.
for (const folder of folders) accessSync(new URL(`../${folder}`, import.meta.url));
const projects = ["pure", "process", "clock"].flatMap((name) => ["--project", name]);
const vitest = new URL("../node_modules/vitest/vitest.mjs", import.meta.url).pathname;

const args = process.argv.slice(2);
const given = args.filter((arg) => arg in nodes);
const majors = given.length > 0 ? given : Object.keys(nodes);
// The reports are ours: one for each Node, and where one is asked for, all of them in one.
const [, wanted] = args.map((arg) => arg.split("--outputFile.json=")).find((parts) => parts.length === 2) ?? [];
const options = args.filter((arg) => !given.includes(arg) && !/^--(reporter|outputFile)\b/.test(arg));

const results = mkdtempSync(join(tmpdir(), "bridge-nodes-"));
const runs = [];
try {
  for (const major of majors) {
    const node = findNode(major);
    const report = join(results, `${major}.json`);
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    console.log(`\n== Node ${nodes[major]}`);
    const began = performance.now();
    const { status } = spawnSync(node, [vitest, "run", ...projects, ...reporters, ...options, ...folders], {
      stdio: "inherit",
      // What says `#!/usr/bin/env node` gets this one too.
      env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
    });
    const seconds = Math.round((performance.now() - began) / 1000);
    runs.push({ major, status, seconds, ...readReport(report) });
  }
} finally {
  rmSync(results, { recursive: true, force: true });
}
if (wanted !== undefined) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const testResults = runs.flatMap((run) => run.testResults);
  const all = { numPassedTests: sum("numPassedTests"), numFailedTests: sum("numFailedTests"), testResults };
  writeFileSync(wanted, JSON.stringify(all));
}
console.log();
for (const { major, numPassedTests, numFailedTests, seconds } of runs) {
  console.log(`Node ${nodes[major]}: ${numPassedTests} passed, ${numFailedTests} failed, ${seconds} s`);
}
process.exitCode = runs.every(({ status }) => status === 0) ? 0 : 1;

/** A run that wrote no report failed as a whole. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, testResults: [] };
  }
}
