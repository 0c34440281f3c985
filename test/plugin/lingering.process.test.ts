import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

import { mostLingering } from "../../src/plugin/lingering.js";
import { buildProgram } from "./build-program.js";
import { createDirectory } from "./plugin-directory.js";

it.each([
  [256, 32],
  [1_024, 128],
  [1_048_576, 1_024],
  [20, 4],
])("of %i descriptors, %i runs may linger", (openFiles, most) => {
  expect(mostLingering(openFiles)).toBe(most);
});

describe.each([
  "createFfiSpawner(openNative(), undefined, undefined, crowded)",
  "createPortableSpawner(undefined, crowded)",
])("background processes of plugins by %s", (source) => {
  it("do not use up our descriptors; the youngest may still print", () => {
    // So many runs have far more descriptors than there are.
    const program = buildProgram(
      `
          import { Deadline } from "./base/deadline.js";
          const told = [];
          const crowded = (pid) => told.push(pid);
          const spawner = ${source};
          const lines = [];
          const run = (script) => spawner.run({
            path: "/bin/sh", argv0: "sh", args: ["-c", script], env: { PATH: "/usr/bin:/bin" }, cwd: "/", guarded: null,
            stdin: Buffer.from("x"), terminateAt: Deadline.after(10000), killAt: Deadline.after(11000),
            limits: { stdoutBytes: 100, stderrLines: 5 }, onStderrLine: (line) => lines.push(line), killChildren: false,
          });
          const codes = new Set();
          const left = [];
          const script = "trap '' PIPE; sleep 60 & echo hi";
          for (let n = 0; n < 60; n++) {
            const result = await run(script);
            codes.add(result.started ? "exit " + result.exitCode : JSON.stringify(result.startError));
            left.push(...result.survivors);
          }
          await run("(sleep 0.3; echo late >&2) & echo hi");
          for (let n = 0; n < 500 && lines.length === 0; n++) await new Promise((resolve) => setTimeout(resolve, 10));
          console.log(JSON.stringify({ codes: [...codes], left: left.length, told: told.length, lines }));
          for (const pid of left) process.kill(pid, "SIGKILL");
          await spawner.close();
        `,
      createDirectory(),
    );
    const { stdout, stderr } = spawnSync("/bin/sh", ["-c", `ulimit -n 64; exec "$0" "$1"`, process.execPath, program], {
      encoding: "utf8",
      timeout: 15_000,
    });
    expect(stderr).toBe("");
    const { codes, left, told, lines } = JSON.parse(stdout);
    expect(codes).toEqual(["exit 0"]);
    // As many as are found in the time that there is for it.
    expect(left).toBeGreaterThan(50);
    expect(told).toBeGreaterThan(40);
    expect(lines).toEqual(["late"]);
  });
});
