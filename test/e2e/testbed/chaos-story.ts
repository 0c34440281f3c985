import { setTimeout as sleep } from "node:timers/promises";
import { readJournalsIn, stateDirectory } from "./bridge-state.js";
import type { ChaosKubelet } from "./chaos-kubelet.js";
import type { ChaosPlugins } from "./chaos-plugins.js";
import type { Random } from "./chaos-random.js";
import { waitFor } from "./command.js";
import type { RunningTarget } from "./target.js";

/** A time in which the runtime had no bridge. */
export interface Outage {
  readonly why: "bridge killed" | "containerd restarted" | "bridge dropped";
  readonly fromMs: number;
  untilMs: number;
}

/** What the journal said when a bridge was killed. */
export interface Killed {
  /** Whose delete had begun and not ended: it may run twice. */
  readonly deleting: readonly string[];
  /** Whose create was attempted, and their delete not delivered. */
  readonly owed: readonly string[];
}

/** So many more pods may start while there is no bridge; the others wait, to be served. */
const podsWithoutBridge = 4;

/** What happens to one daemon while its pods come and go. */
export class ChaosStory {
  readonly outages: Outage[] = [];
  readonly kills: Killed[] = [];
  #finished = 0;
  #allowance = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(
    private readonly target: RunningTarget,
    private readonly plugins: ChaosPlugins,
    private readonly kubelet: ChaosKubelet,
    private readonly random: Random,
  ) {}

  get containerdRestarts(): number {
    return this.outages.filter(({ why }) => why === "containerd restarted").length;
  }

  /** Plays all of it; rejects when a pod cannot be torn down, or the bridge does not come back. */
  async play(pods: number, parallel: number): Promise<void> {
    const plot = [
      () => this.#killBridge(),
      () => this.#restartContainerd("SIGTERM"),
      () => this.#killBridge(() => this.plugins.hold("delete", false)),
      () => this.#restartContainerd("SIGKILL"),
      () => this.#killBridge(() => this.plugins.hold("create", true)),
    ];
    const misdeeds = this.#doMischief();
    // What it rejects with is told at the end, by awaiting it.
    misdeeds.catch(() => undefined);
    let left = pods;
    const worker = async () => {
      while (left-- > 0) {
        await waitFor("the bridge", 60_000, () => (this.#allowance-- > 0 ? true : undefined));
        await this.kubelet.runPod();
        this.#finished++;
      }
    };
    const workers = Array.from({ length: parallel }, worker);
    const twists = (async () => {
      for (const [index, twist] of plot.entries()) {
        const due = Math.round((pods * (index + 1)) / (plot.length + 1));
        await waitFor("the pods", 120_000, () => (this.#finished >= due ? true : undefined));
        await twist();
      }
    })();
    try {
      await Promise.all([...workers, twists]);
    } finally {
      this.#over = true;
      await misdeeds;
    }
  }

  async #doMischief(): Promise<void> {
    while (!this.#over) {
      await this.plugins.mischief();
      await sleep(this.random.between(50, 600));
    }
  }

  /** SIGKILL, at any moment or at a chosen one; then a pause, and it is started again. */
  async #killBridge(atMoment = async () => {}): Promise<void> {
    const { daemon, bridge } = this.target;
    await atMoment();
    await this.#outage("bridge killed", async () => {
      await bridge.stop("SIGKILL");
      const left = readJournalsIn(daemon.path(stateDirectory));
      const ids = (wanted: readonly string[]) =>
        left.filter(({ stage }) => wanted.includes(stage)).map(({ remembered }) => remembered.id);
      this.kills.push({ deleting: ids(["rerun"]), owed: ids(["open", "rerun"]) });
      await sleep(this.random.between(0, 2_500));
      await bridge.start();
    });
  }

  /**
   * containerd 2.1 leaves a sandbox running whose create a plugin failed, and forgets it until it starts again
   * (containerd#13355): nothing else can tear those down.
   */
  async uncoverLeaks(): Promise<void> {
    if (this.target.runtime === "v2") await this.#restartContainerd("SIGTERM");
  }

  /** With the pods that are up at that moment; the bridge finds the new one by itself. */
  async #restartContainerd(signal: NodeJS.Signals): Promise<void> {
    const { daemon, bridge } = this.target;
    await this.#outage("containerd restarted", async () => {
      const since = daemon.log().length;
      await daemon.restart(signal);
      await bridge.waitUntilRegistered(since, 60_000);
    });
  }

  async #outage(why: Outage["why"], happen: () => Promise<void>): Promise<void> {
    const outage = { why, fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY };
    this.outages.push(outage);
    this.#allowance = podsWithoutBridge;
    await happen();
    outage.untilMs = Date.now();
    this.#allowance = Number.POSITIVE_INFINITY;
  }
}
