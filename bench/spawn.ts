import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { Deadline } from "../src/base/deadline.js";
import { silentLog } from "../src/base/logger.js";
import { openNative } from "../src/host/native.js";
import { createFfiSpawner } from "../src/plugin/ffi-spawner.js";
import { createPortableSpawner } from "../src/plugin/portable-spawner.js";
import type { Spawner, SpawnOptions } from "../src/plugin/spawner.js";
import { StartAhead } from "../src/plugin/start-ahead.js";
import { createFloor, installTiny } from "./floor.js";
import { type Candidate, interleave } from "./measure.js";
import { formatTable, type Report, toRows, writeJson } from "./report.js";

/** Ways of running a plugin, compared with posix_spawn of the same plugin from C. As large as a request of containerd 1.6. */
const requestBytes = 1_700;
const floorName = "posix_spawn from C";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "400" },
    json: { type: "string" },
    sources: { type: "string", default: "bench" },
  },
});
const rounds = Number(values.rounds);
const sources = resolve(values.sources);
const directory = mkdtempSync(join(tmpdir(), "nri-bench-"));
const native = openNative();
const artefact = relative(process.cwd(), native.artefact);
const portable = createPortableSpawner();
const ffi = createFfiSpawner(native);
// What waits here waits for its stdin: that is known.
const startAhead = new StartAhead(createFfiSpawner(native), silentLog, { proofMs: 0 });

function toCandidate(name: string, path: string, spawner: Spawner, options: Partial<SpawnOptions> = {}): Candidate {
  const env = { PATH: "/usr/bin:/bin" };
  const stdin = new Uint8Array(requestBytes).fill(120);
  return {
    name,
    async run() {
      const result = await spawner.run({
        path,
        argv0: "plugin",
        args: ["invoke"],
        env,
        cwd: "/",
        guarded: null,
        stdin,
        terminateAt: Deadline.after(10_000),
        killAt: Deadline.after(10_000),
        limits: { stdoutBytes: 1 << 20, stderrLines: 10 },
        onStderrLine: () => {},
        killChildren: false,
        ...options,
      });
      if (result.exitCode !== 0) throw new Error(`${name}: ${JSON.stringify(result)}`);
      return undefined;
    },
  };
}

/** A process started ahead, and time for it to come to its read. */
function toAhead(name: string, path: string, settleMs: number): Candidate {
  return {
    ...toCandidate(name, path, startAhead, { startAhead: 1 }),
    async settle() {
      startAhead.rearm();
      await sleep(settleMs);
    },
  };
}

async function compare(title: string, path: string, count: number, settleMs: number): Promise<Report> {
  const floor = createFloor(floorName, sources, directory, requestBytes, [path, "invoke"]);
  const viaFfi = toCandidate("ffi", path, ffi);
  const viaFork: Candidate = {
    ...toCandidate("portable", path, portable),
    // A fork leaves all our memory write-protected: who comes next would pay for that.
    async settle() {
      for (let i = 0; i < 3; i++) await viaFfi.run();
    },
  };
  const ahead = toAhead("ffi, started ahead", path, settleMs);
  const candidates = [...(floor === undefined ? [] : [floor]), viaFfi, ahead, viaFork];
  const samples = await interleave(candidates, { rounds: count, warmUp: Math.ceil(count / 10), pauseMs: 2 });
  floor?.close();
  const report = { title, artefact, rows: toRows(samples, floor === undefined ? "ffi" : floorName) };
  console.log(`${formatTable(report)}\n`);
  return report;
}

const reports: Report[] = [];
const tiny = installTiny(sources, directory);
const megabytes = () => Math.round(process.memoryUsage.rss() / 2 ** 20);
reports.push(await compare(`tiny plugin, bridge of ${megabytes()} MB`, tiny, rounds, 5));

const python = ["/usr/bin/python3", "/usr/local/bin/python3"].find(existsSync);
if (python !== undefined) {
  const script = join(directory, "python");
  const text = `#!${python}\nimport json, sys\nsys.stdin.read()\nprint('{"version":"0.1","error":""}')\n`;
  writeFileSync(script, text, { mode: 0o755 });
  reports.push(await compare(`Python plugin, bridge of ${megabytes()} MB`, script, Math.ceil(rounds / 5), 60));
}

// Small objects, as a program has them: it is their pages that a fork copies the tables of.
const ballast: unknown[] = [];
while (megabytes() < 450) for (let i = 0; i < 10_000; i++) ballast.push(new Array(16).fill(i));
reports.push(await compare(`tiny plugin, bridge of ${megabytes()} MB`, tiny, rounds, 5));
if (ballast.length === 0) throw new Error("unreachable: keeps the ballast alive");

if (values.json !== undefined) writeJson(values.json, { reports });
await Promise.all([portable, ffi, startAhead].map((spawner) => spawner.close()));
rmSync(directory, { recursive: true, force: true });
