import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { ContainerOptions, PodOptions } from "./cri-config.js";
import type { Daemon } from "./daemon.js";
import type { Need } from "./machine.js";
import { type FailedCall, PodLife } from "./pod-life.js";
import { type PluginRun, recorders, replaceFile, settleRecords, startRecords } from "./records.js";

/** Something that happens to pods, the same on every runtime. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** How often containerd 1.6 runs a plugin in it. */
  readonly runs: number;
  /** The case of the same name in fixtures/ was recorded with the same calls, so 1.6 has to send the same again. */
  readonly recorded: boolean;
  /** conf.json; without it, one recorder. */
  readonly conf?: string;
  /** What plugins do, by name: shell as plugins/recorder takes it. */
  readonly behaviour?: Readonly<Record<string, string>>;
  /** What the machine has to have to show what was recorded. */
  readonly recordedNeeds?: Need;
  readonly run: (life: PodLife) => Promise<void>;
}

/** What a scenario came to on one daemon. */
export interface ScenarioResult {
  readonly runs: readonly PluginRun[];
  readonly failedCalls: readonly FailedCall[];
}

/** A conf.json with these plugins, none with a conf of its own. */
export function confOf(...plugins: readonly string[]): string {
  return JSON.stringify({ version: "0.1", plugins: plugins.map((type) => ({ type })) });
}

/** Plays a scenario on a daemon whose v0.1 configuration is at `confFile`, and returns what the plugins saw. */
export async function playScenario(scenario: Scenario, daemon: Daemon, confFile: string): Promise<ScenarioResult> {
  const records = await startRecords(daemon, scenario.name, scenario.behaviour);
  await mkdir(dirname(daemon.path(confFile)), { recursive: true });
  await replaceFile(daemon.path(confFile), scenario.conf ?? confOf(recorders[0]));
  const life = new PodLife(daemon, confFile, records);
  await scenario.run(life);
  const runs = await settleRecords(records, scenario.runs);
  await daemon.removePods();
  return { runs, failedCalls: life.failedCalls };
}

/** One pod with one container through its whole life, which is what most scenarios are. */
export function wholeLife(
  pod: PodOptions,
  container: ContainerOptions = {},
  handler = "",
): (life: PodLife) => Promise<void> {
  return async (life) => {
    const podId = await life.runPod(pod, handler);
    await life.end(podId, await life.runContainer(podId, container));
  };
}
