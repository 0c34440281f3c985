import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compileStatic } from "../../bench/floor.js";
import type { Random } from "../e2e/testbed/chaos-random.js";
import { type NotedRun, parseNotedRuns } from "../e2e/testbed/chaos-verdict.js";
import type { TestNode } from "../robustness/support/test-node.js";

const source = resolve(import.meta.dirname, "../e2e/testbed/plugins/chaosplugin.c");

/** Which plugins there are, in the order of conf.json: a witness is the first of its phase, and behaves. */
export const plugins = ["witness", "witness-create", "shaper", "victim", "ahead", "watcher"] as const;
type PluginName = (typeof plugins)[number];

/** How the bridge is to run them. Those with moods have less time than a call, or one of them had it all. */
export const pluginConfig = {
  "witness-create": { phase: "create", cgroup: "host" },
  shaper: { phase: "create", timeoutMs: 500 },
  victim: { timeoutMs: 500 },
  ahead: { startAhead: 2, timeoutMs: 500 },
  watcher: { async: true, timeoutMs: 500 },
} as const satisfies Partial<Record<PluginName, object>>;

/** Processes that wait for their request all the time. */
export const waitingAhead = pluginConfig.ahead.startAhead;

/** What may come over a plugin, by its weight. */
const moods = [
  ...(["fail", "fail", "garbage", "garbage", "crash", "crash", "flood", "halt"] as const),
  ...(["sleep 40", "sleep 120", "sleep 300", "sleep 900", "deaf 900"] as const),
  ...(["child 200", "child 900", "daemon 600"] as const),
] as const;

/** Plugins that note each run on disk by themselves, before anything else, and then are in this mood or that. */
export class MoodyPlugins {
  /** How often which mood was put on them. */
  readonly put: Record<string, number> = {};
  readonly #directory: string;

  constructor(
    node: TestNode,
    private readonly random: Random,
  ) {
    this.#directory = join(node.folder, "chaos");
    mkdirSync(this.#directory);
    const binary = join(this.#directory, "chaosplugin");
    compileStatic(source, binary);
    for (const name of plugins) copyFileSync(binary, join(node.bin, name));
    writeFileSync(join(node.bin, "chaos.dir"), `${this.#directory}\n`);
    node.writeConf(...plugins);
  }

  /** The next run of a plugin that has moods takes it. */
  putMood(): void {
    const mood = this.random.pick(moods);
    const [name = ""] = mood.split(" ");
    this.put[name] = (this.put[name] ?? 0) + 1;
    writeFileSync(join(this.#directory, "mood.new"), mood);
    renameSync(join(this.#directory, "mood.new"), join(this.#directory, "mood"));
  }

  /** What each plugin saw. */
  noted(): Map<string, NotedRun[]> {
    const runs = new Map<string, NotedRun[]>(plugins.map((name) => [name, []]));
    const path = join(this.#directory, "runs");
    for (const run of parseNotedRuns(existsSync(path) ? readFileSync(path, "utf8") : "")) {
      runs.get(run.plugin)?.push(run);
    }
    return runs;
  }
}
