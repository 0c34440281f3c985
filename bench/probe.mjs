// Loaded into a bridge that is measured from inside (node --import): at SIGUSR2 it writes what it knows to BENCH_PROBE.
// BENCH_BALLAST_MB makes the heap so large; BENCH_LOOP=1 has the delays of the event loop taken down.
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const { BENCH_PROBE: file, BENCH_BALLAST_MB: ballastMb = "0", BENCH_LOOP: watchLoop } = process.env;
for (const name of ["BENCH_PROBE", "BENCH_BALLAST_MB", "BENCH_LOOP"]) delete process.env[name];

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const delay = watchLoop === undefined ? undefined : monitorEventLoopDelay({ resolution: 1 });
delay?.enable();

// Small objects, as a program has them: it is their pages that a fork copies the tables of.
const ballast = [];
while (process.memoryUsage.rss() < Number(ballastMb) * 2 ** 20) {
  for (let i = 0; i < 10_000; i++) ballast.push(new Array(16).fill(i));
}

process.on("SIGUSR2", () => {
  const { active } = performance.eventLoopUtilization();
  const loopBlockedMs = delay === undefined ? 0 : delay.max / 1e6;
  delay?.reset();
  // Twice: what finalizers let go of is gone with the second. It would itself block the loop that is watched.
  for (let i = 0; i < 2 && delay === undefined; i++) gc();
  const { heapUsed, external } = process.memoryUsage();
  const text = JSON.stringify({
    activeMs: active,
    loopBlockedMs,
    heapUsed: heapUsed + external,
    ballast: ballast.length,
  });
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
});
