import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { startingOpenFilesLimit } from "../../src/plugin/inherited.js";
import { buildProgram } from "./build-program.js";
import { createDirectory } from "./plugin-directory.js";
import { ffiStarter, sh, spawners } from "./spawners.js";

/** Runs a program that may have few descriptors, and gives what it prints. */
function runWithFew(descriptors: number, source: string) {
  const program = buildProgram(source, createDirectory());
  const limited = ["-c", `ulimit -n ${descriptors}; exec "$0" "$1"`, process.execPath, program];
  const { stdout, stderr } = spawnSync("/bin/sh", limited, { encoding: "utf8", timeout: 20_000 });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe.each(spawners)("descriptors of the $name spawner", ({ name, source }) => {
  it("those that a program was started with are handed on to no plugin, and it ends when it has nothing to do", async () => {
    // No close: what is held between runs must not keep the program alive.
    const program = `const { stdout } = await run(${source}, { path: "/bin/ls", args: ["/proc/self/fd"] });
      process.stdout.write(stdout);`;
    const path = buildProgram(program, createDirectory());
    const stray = openSync("/dev/null", "r");
    onTestFinished(() => closeSync(stray));
    // 3 to 29 are inherited, as by a runtime that forgot to mark them.
    const stdio = ["ignore", "pipe", "inherit", ...Array.from({ length: 27 }, () => stray)] as const;
    const child = spawn(process.execPath, [path], { stdio: [...stdio] });
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    const code = await new Promise((resolved) => child.once("close", resolved));
    expect(text.trim().split("\n")).toEqual(["0", "1", "2", "3"]);
    expect(code).toBe(0);
  });

  it("without any, a run is a start error, and the next one goes when there are some", () => {
    const { before, after, codes } = runWithFew(
      64,
      `
      import { closeSync, openSync, readdirSync } from "node:fs";
      const spawner = ${source};
      const start = () => run(spawner, { path: "/bin/true" });
      const count = () => readdirSync("/proc/self/fd").length;
      await start();
      await sleep(20);
      const before = count();
      const codes = new Set();
      for (let spare = 0; spare < 12; spare++) {
        const held = [];
        for (let n = 0; n < 3; n++) {
          // Also what the run before has let go of.
          try { for (;;) held.push(openSync("/dev/null", "r")); } catch {}
          for (let n = 0; n < spare; n++) closeSync(held.pop());
          const result = await start();
          codes.add(result.started ? "exit " + result.exitCode : result.startError.code);
          await sleep(5);
        }
        for (const descriptor of held) closeSync(descriptor);
        await start();
        await sleep(20);
      }
      console.log(JSON.stringify({ before, after: count(), codes: [...codes].sort() }));
      await spawner.close();
    `,
    );
    expect(after).toBe(before);
    expect(codes).toEqual(["EMFILE", "exit 0"]);
  });

  it.runIf(name === "ffi")("are not used up by plugins' background processes; the youngest may still print", () => {
    // So many runs have more descriptors than there are.
    const { codes, left, told, lines } = runWithFew(
      300,
      `
      const told = [];
      options.log = { warn: ({ most }) => told.push(most) };
      const spawner = ${source};
      const shell = (script) => run(spawner, { path: "/bin/sh", args: ["-c", script] });
      const codes = new Set();
      const left = [];
      for (let n = 0; n < 150; n++) {
        const result = await shell("trap '' PIPE; sleep 60 & echo hi");
        codes.add(result.started ? "exit " + result.exitCode : JSON.stringify(result.startError));
        if (result.leftGroup !== null) left.push(result.leftGroup);
      }
      await shell("(sleep 0.3; echo late >&2) & echo hi");
      for (let n = 0; n < 500 && lines.length === 0; n++) await sleep(10);
      console.log(JSON.stringify({ codes: [...codes], left: left.length, told, lines }));
      for (const group of left) process.kill(-group, "SIGKILL");
      await spawner.close();
    `,
    );
    expect({ codes, left, told, lines }).toEqual({ codes: ["exit 0"], left: 150, told: [128], lines: ["late"] });
  });
});

const limit = (soft: bigint, hard: bigint) => ({ soft, hard });
const systemds = limit(1024n, 1073741816n);

describe("the limit of open files that we were started with", () => {
  it.each([
    ["a shell's", limit(4096n, 4096n), limit(1024n, 4096n), limit(1024n, 4096n)],
    ["a shell's own, raised", limit(20000n, 20000n), limit(20000n, 20000n), undefined],
    ["systemd's default", limit(524288n, 524288n), systemds, limit(1024n, 524288n)],
    ["set in the unit", limit(65536n, 65536n), systemds, undefined],
    ["of an unknown parent", limit(1048576n, 1048576n), null, limit(1024n, 1048576n)],
    ["not raised by Node", limit(1024n, 4096n), limit(1024n, 4096n), undefined],
  ])("%s", (_, own, parents, expected) => expect(startingOpenFilesLimit(own, parents)).toEqual(expected));

  it("is the plugin's, and not ours", async () => {
    const before = readFileSync("/proc/self/limits", "latin1");
    const spawner = ffiStarter({}, openNative(), { soft: 20n, hard: 1000n });
    onTestFinished(() => spawner.close());
    // It is set when the process has begun.
    expect((await sh(spawner, "sleep 0.05; ulimit -Sn; ulimit -Hn")).text).toBe("20\n1000\n");
    expect(readFileSync("/proc/self/limits", "latin1")).toBe(before);
  });
});
