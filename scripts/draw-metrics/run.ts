import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Deadline } from "../../src/base/deadline.js";
import { readCase } from "../../src/tools/replay/case.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import type { RuntimePlugin } from "../../src/tools/runtime/runtime-plugin.js";
import { getPage } from "../../test/observe/scrape.js";
import { startProgram } from "../../test/support/program.js";
import { parseScrape, type Scrape } from "./series.js";

export interface Run {
  readonly scrapes: readonly Scrape[];
  readonly events: number;
  readonly failed: number;
}

/** Seconds, and the pods that are created in each: quiet, a rollout, a few, and nothing but the ends of pods. */
const phases = [
  { seconds: 8, podsPerSecond: 1 },
  { seconds: 8, podsPerSecond: 3 },
  { seconds: 6, podsPerSecond: 0.5 },
  { seconds: 6, podsPerSecond: 2 },
] as const;

/** One of a few runs fails, by number and not by chance: the plugin says so, or prints half a result. */
const flakyPlan = `read
run n=$(cat "$0.count" 2>/dev/null || echo 0); echo $((n + 1)) >"$0.count"
run if [ $((n % 19)) = 9 ]; then answer 'out of luck'; elif [ $((n % 37)) = 24 ]; then printf '{'; else answer ''; fi
`;

/** Lets the built program run three plugins for pods that come and go, and asks it for its metrics each second. */
export async function playRun(): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "bridge-draw-"));
  const socketPath = join(folder, "nri.sock");
  const runtime = await createRuntime({ socketPath, name: "containerd", version: "v1.7.24" });
  const running = start(folder, socketPath);
  try {
    const plugin = await runtime.accept(Deadline.after(30_000));
    const scraper = scrapeEverySecond({ socketPath: join(folder, "metrics.sock") });
    const outcomes = await playPods(plugin);
    await sleep(2000);
    return { ...outcomes, scrapes: await scraper.end() };
  } finally {
    running.child.kill("SIGTERM");
    await running.ended;
    await runtime.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(folder: string, socketPath: string) {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  symlinkSync(resolve("legacy-plugins/labels"), join(bin, "labels"));
  for (const name of ["slow", "flaky"]) symlinkSync(resolve("legacy-plugins/noop"), join(bin, name));
  writeFileSync(join(bin, "slow.plan"), "read\nwait 0.03\nanswer\n");
  writeFileSync(join(bin, "flaky.plan"), flakyPlan);
  const conf = { version: "0.1", plugins: ["labels", "slow", "flaky"].map((type) => ({ type })) };
  writeFileSync(join(folder, "conf.json"), JSON.stringify(conf));
  const where = ["--socket", socketPath, "--conf", join(folder, "conf.json"), "--bin-dir", bin];
  const config = join(folder, "bridge.yaml");
  writeFileSync(config, `state: memory\nmetrics: {listen: "unix:${folder}/metrics.sock"}\n`);
  const how = ["--config", config, "--permissions", "trust", "--log-level", "error"];
  return startProgram(["run", ...where, ...how], process.env, 120_000);
}

/** Starts pods at the rates of the phases, and waits for the end of all. */
async function playPods(plugin: RuntimePlugin): Promise<Pick<Run, "events" | "failed">> {
  const lives: Promise<PodLife>[] = [];
  for (const { seconds, podsPerSecond } of phases) {
    for (let pod = 0; pod < seconds * podsPerSecond; pod++) {
      // From 3 to 8 s, not all alike.
      lives.push(playPod(plugin, 3000 + ((lives.length * 1700) % 5000)));
      await sleep(1000 / podsPerSecond);
    }
  }
  const ended = await Promise.all(lives);
  const sum = (key: keyof PodLife) => ended.reduce((total, life) => total + life[key], 0);
  return { events: sum("events"), failed: sum("failed") };
}

interface PodLife {
  readonly events: number;
  readonly failed: number;
}

const recorded = readCase(resolve("fixtures/cases/basic-hostnet"));
const stopContainer = recorded.events.findIndex(({ method }) => method === "StopContainer");

/** The recorded events of one pod with ids of its own. What comes after a failed create is its removal, as with containerd. */
async function playPod(plugin: RuntimePlugin, livesMs: number): Promise<PodLife> {
  const fresh = new Map<string, string>();
  let [events, failed] = [0, 0];
  let doomed = false;
  for (const [at, { method, payload, metadata }] of recorded.events.entries()) {
    if (doomed && at < stopContainer) continue;
    if (at === stopContainer && !doomed) await sleep(livesMs);
    const { error } = await plugin.raw(method, withFreshIds(payload, fresh), { metadata });
    events += 1;
    if (error === undefined) continue;
    failed += 1;
    doomed = true;
  }
  return { events, failed };
}

/** Ids are as long as the recorded ones: the rest of the message stays as it is, byte for byte. */
function withFreshIds(payload: Uint8Array, fresh: Map<string, string>): Uint8Array {
  const text = Buffer.from(payload).toString("latin1");
  const replaced = text.replace(/[0-9a-f]{64}/g, (id) => {
    const its = fresh.get(id) ?? randomBytes(32).toString("hex");
    fresh.set(id, its);
    return its;
  });
  return Buffer.from(replaced, "latin1");
}

/** Scrapes until it is told to end. */
function scrapeEverySecond(where: { readonly socketPath: string }) {
  const startedAt = performance.now();
  const scrapes: Scrape[] = [];
  let wanted = true;
  async function scrape() {
    while (wanted) {
      const seconds = (performance.now() - startedAt) / 1000;
      const { text } = await getPage(where, "/metrics");
      scrapes.push({ seconds, samples: parseScrape(text) });
      await sleep(Math.max(0, startedAt + scrapes.length * 1000 - performance.now()));
    }
  }
  const scraping = scrape();
  return {
    async end(): Promise<readonly Scrape[]> {
      wanted = false;
      await scraping;
      return scrapes;
    },
  };
}
