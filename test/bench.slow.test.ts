import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RegisteredPlugin } from "../bench/accept.js";
import { startBridge } from "../bench/built-bridge.js";
import { ContainerLife } from "../bench/container-life.js";
import { Containers } from "../bench/containers.js";
import { startSpawnFloor } from "../bench/floor.js";
import { type Candidate, interleave, percentile, type Samples } from "../bench/measure.js";
import { installProgram } from "../bench/place.js";

/** Fewer rounds than a benchmark's, and bounds that only a mistake passes: fork instead of posix_spawn, a wait, a scan. */
const rounds = 60;
const bounds = { runOverSpawn: 4, threeOverOne: 4.5, noneOverOne: 0.8 } as const;

/** A floor whose slow runs take so many times its fastest says more of the machine than of us. */
const steady = 2;

const built = existsSync("dist/nri-v01-bridge.mjs") && existsSync("dist/koffi.node");
const hasCompiler = spawnSync("cc", ["--version"]).status === 0;

test.runIf(built && hasCompiler)(
  "plugins, one and three, and none, take their ratios of what they stand on",
  async ({ skip }) => {
    const place = installProgram();
    const containers = await Containers.open(place.directory);
    const floor = startSpawnFloor("floor", place.directory, join(place.binDir, "tiny"));
    const bridges: RegisteredPlugin[] = [];
    let samples: readonly Samples[] = [];
    try {
      const candidates: Candidate[] = [floor];
      for (const count of [0, 1, 3]) {
        const plugins = new Array<string>(count).fill("tiny");
        const bridge = await startBridge(place, { name: `b${count}`, plugins });
        bridges.push(bridge);
        candidates.push(new ContainerLife(`${count}`, bridge, containers));
      }
      samples = await interleave(candidates, { rounds, warmUp: 10, pauseMs: 1 });
    } finally {
      floor.close();
      await Promise.all(bridges.map((bridge) => bridge.close()));
      containers.close();
      place.remove();
    }

    const times = samples[0]?.times ?? [];
    const spread = percentile(times, 75) / Math.min(...times);
    if (spread > steady) skip(`the machine is too busy to be judged: posix_spawn itself varies ${spread.toFixed(1)}x`);
    const [load = 0] = loadavg();
    if (load > 2 * cpus().length) skip(`the machine is too busy to be judged: its load is ${load.toFixed(1)}`);
    // At the lower quartile: what else the machine does is above it.
    const [base = 0, none = 0, one = 0, three = 0] = samples.map((sample) => percentile(sample.times, 25));
    expect((one - none) / base).toBeLessThan(bounds.runOverSpawn);
    expect(three / one).toBeLessThan(bounds.threeOverOne);
    expect(none / one).toBeLessThan(bounds.noneOverOne);
  },
  120_000,
);
