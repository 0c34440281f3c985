import { existsSync } from "node:fs";
import { copyFile, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Bridge } from "./bridge.js";
import type { Random } from "./chaos-random.js";
import { findProcesses, type InsideProcess } from "./chaos-remains.js";
import { type NotedRun, parseNotedRuns } from "./chaos-verdict.js";
import { mustRun, waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";
import { replaceFile } from "./records.js";
import type { RunningTarget } from "./target.js";

const source = fileURLToPath(new URL("./plugins/chaosplugin.c", import.meta.url));
const binDir = "/opt/nri/bin";

/** Runs first in every chain and is spared but for its file, so that its log is the truth. The others have bad days. */
const witness = "witness";
const victims = ["victim", "victim2"] as const;

/** What follows the witness in conf.json. */
const lists: readonly [readonly string[], ...(readonly string[])[]] = [
  [],
  ["victim"],
  ["victim2"],
  ["victim", "victim2"],
  ["victim2", "victim"],
];

/** The plugins of a chaos run on one daemon, and the mischief that is done to them. */
export class ChaosPlugins {
  /** How often which mischief was done. */
  readonly done: Record<string, number> = {};

  private constructor(
    private readonly daemon: Daemon,
    private readonly bridge: Bridge,
    private readonly confFile: string,
    private readonly random: Random,
    /** Where the plugins' log and their moods are. */
    private readonly directory: string,
  ) {}

  static async install({ daemon, bridge, confFile }: RunningTarget, random: Random): Promise<ChaosPlugins> {
    const plugins = new ChaosPlugins(daemon, bridge, confFile, random, join(daemon.directory, "chaos"));
    await mkdir(plugins.directory, { recursive: true });
    await mkdir(dirname(daemon.path(confFile)), { recursive: true });
    await mustRun("cc", ["-O1", "-o", plugins.#binary, source]);
    for (const name of [witness, ...victims]) await copyFile(plugins.#binary, plugins.#path(name));
    await writeFile(plugins.#path("chaos.dir"), `${plugins.directory}\n`);
    await plugins.swapConf();
    return plugins;
  }

  /** The witness's runs, in order. */
  async witnessed(): Promise<NotedRun[]> {
    return (await this.noted()).filter(({ plugin }) => plugin === witness);
  }

  /** All plugins' runs, in order. */
  async noted(): Promise<NotedRun[]> {
    return parseNotedRuns(await readFile(join(this.directory, "runs"), "utf8").catch(() => ""));
  }

  /** Does one thing, whichever it is. */
  async mischief(): Promise<void> {
    const kind = this.random.pick(kinds);
    this.done[kind] = (this.done[kind] ?? 0) + 1;
    await this.#mischief[kind]();
  }

  readonly #mischief: Readonly<Record<(typeof kinds)[number], () => Promise<void>>> = {
    slow: () => this.#setMood(`sleep ${this.random.between(30, 600)}`),
    deaf: () => this.#setMood("deaf 5000"),
    // Longer than the call has: the delete is answered, and its chain runs on.
    linger: () => this.#setMood(`sleep ${this.random.between(2_200, 5_000)}`, "mood-delete"),
    refuse: () => this.#setMood("fail", "mood-create"),
    fail: () => this.#setMood("fail"),
    garbage: () => this.#setMood("garbage"),
    kill: () => this.#strike("SIGKILL"),
    stop: () => this.#strike("SIGSTOP"),
    conf: () => this.swapConf(),
    replace: () => this.#replace(this.random.pick([witness, ...victims])),
    overwrite: () => this.#overwrite(this.random.pick(victims)),
  };

  /** Puts another conf.json in the place of this one. */
  async swapConf(others: readonly string[] = this.random.pick(lists)): Promise<void> {
    const { random } = this;
    const plugins = [witness, ...others].map((type) => ({ type, conf: { swap: random.between(1, 1_000_000) } }));
    await replaceFile(this.daemon.path(this.confFile), JSON.stringify({ version: "0.1", plugins }));
  }

  /** Makes the next victim in a chain of this state sleep. */
  async layTrap(state: "create" | "delete", how = "sleep 1500"): Promise<void> {
    await this.swapConf(victims);
    await this.#setMood(how, `mood-${state}`);
  }

  /** Waits until a victim sleeps in the trap, and stops it if asked to; goes on when none comes along. */
  async trapped(state: "create" | "delete", stopped = false): Promise<void> {
    const taken = () => (existsSync(join(this.directory, `mood-${state}`)) ? undefined : true);
    await waitFor("a victim's run", 10_000, taken).catch(() => undefined);
    if (stopped) await this.#signal("SIGSTOP");
  }

  /** Both, of the chains that come along. */
  async hold(state: "create" | "delete", stopped: boolean): Promise<void> {
    await this.layTrap(state);
    await this.trapped(state, stopped);
  }

  /** The next run of a victim takes the mood, or the next of a state. */
  async #setMood(mood: string, name = "mood"): Promise<void> {
    await replaceFile(join(this.directory, name), mood);
  }

  /** Makes a victim slow, and signals it from outside. */
  async #strike(signal: "SIGKILL" | "SIGSTOP"): Promise<void> {
    await this.#setMood("sleep 4000");
    await this.#signal(signal);
    await rm(join(this.directory, "mood"), { force: true });
  }

  async #signal(signal: "SIGKILL" | "SIGSTOP"): Promise<void> {
    // A victim of a bridge that was killed is nobody's any more, and must not be ended by us.
    const ofBridge = ({ command, parent }: InsideProcess) =>
      victims.some((name) => name === command) && parent === this.bridge.process?.pid;
    const struck = await waitFor("a victim's run", 3_000, () => findProcesses(this.daemon).find(ofBridge)).catch(
      () => undefined,
    );
    if (struck !== undefined) await this.daemon.namespace.run("/bin/kill", ["-s", signal.slice(3), String(struck.pid)]);
  }

  /** As an installer does: another file under the same name. */
  async #replace(name: string): Promise<void> {
    const fresh = this.#path(`.${name}.fresh`);
    await copyFile(this.#binary, fresh);
    await rename(fresh, this.#path(name));
  }

  /** As a careless one does: in place, piece by piece, while it is run or not. */
  async #overwrite(name: string): Promise<void> {
    const bytes = await readFile(this.#binary);
    // ETXTBSY when it runs at this moment: then it stays as it is.
    const file = await open(this.#path(name), "r+").catch(() => undefined);
    if (file === undefined) return;
    const half = Math.floor(bytes.length / 2);
    await file.truncate(0);
    await file.write(bytes, 0, half, 0);
    await sleep(this.random.between(0, 60));
    await file.write(bytes, half, bytes.length - half, half);
    await file.close();
  }

  get #binary(): string {
    return join(this.directory, "chaosplugin");
  }

  #path(name: string): string {
    return join(this.daemon.path(binDir), name);
  }
}

/** What is done, by its weight: some cost the node two seconds each. */
const kinds = [
  ...(["slow", "slow", "slow", "fail", "garbage", "kill", "kill", "stop", "deaf", "linger", "refuse"] as const),
  ...(["conf", "conf", "replace", "replace", "overwrite"] as const),
] as const;
