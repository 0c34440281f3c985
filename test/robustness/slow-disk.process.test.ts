import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { logLines } from "./support/log-lines.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

const hasCompiler = spawnSync("cc", ["--version"]).status === 0;

/** A disk that needs seconds to have written anything for good, as one does under heavy load. */
function compileSlowDisk(folder: string): string {
  const library = join(folder, "slow-disk.so");
  const source = join(folder, "slow-disk.c");
  writeFileSync(
    source,
    "#include <unistd.h>\nint fsync(int f){return sleep(3)*0;}\nint fdatasync(int f){return sleep(3)*0;}\n",
  );
  execFileSync("cc", ["-shared", "-fPIC", "-o", library, source]);
  return library;
}

it.skipIf(!hasCompiler)("a slow disk keeps no call waiting: neither the registration nor an event", async () => {
  const own: Record<string, string> = {};
  const node = new TestNode({ own });
  own.LD_PRELOAD = compileSlowDisk(node.folder);
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  for (let n = 1; n <= 3; n++) {
    const { error, durationMs } = await plugin.call("RunPodSandbox", { pod: nthPod(n) });
    expect(error).toBeUndefined();
    expect(durationMs).toBeLessThan(1_000);
  }
  // It survives a kill -9, if not yet the machine's end.
  program.child.kill("SIGKILL");
  await program.ended;
  expect(readJournalsIn(join(node.folder, "state"))).toHaveLength(3);
  expect(logLines(program).filter(({ level }) => level === "error")).toEqual([]);
});
