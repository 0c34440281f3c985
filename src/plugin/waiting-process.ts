import { readlinkSync } from "node:fs";

import { errorCode } from "./go-errors.js";
import { ProcessGroup } from "./process-group.js";
import type { SpawnOptions, SpawnResult, WaitingProcess } from "./spawner.js";
import type { StartedProcess } from "./started-process.js";
import type { Exit } from "./supervise.js";

/** Between SIGTERM and SIGKILL of one that is not needed any more. */
const endGraceMs = 200;

/** One that is just ending has no stdin either: it has so long to do that, before it is taken for one that closed it. */
const lastBreathMs = 100;

/** A process that waits for its request, watched for doing anything else. */
export class StartedAhead implements WaitingProcess {
  state: WaitingProcess["state"] = "waiting";
  readonly over: Promise<WaitingProcess["state"]>;
  private settle: (state: WaitingProcess["state"]) => void = () => {};
  /** While it is being ended. */
  private ending: Promise<void> | undefined;

  constructor(
    private readonly process: StartedProcess,
    readonly startedAt: number,
    private readonly finish: (options: SpawnOptions) => Promise<SpawnResult>,
  ) {
    this.over = new Promise((resolve) => {
      this.settle = resolve;
    });
    process.keepAlive(false);
    process.stdio.stdout.read(() => this.onOutput());
    process.stdio.stderr.read(() => this.onOutput());
    void process.exited.then((exit) => this.onExit(exit));
  }

  get pid(): number {
    return this.process.pid;
  }

  hand(options: SpawnOptions): Promise<SpawnResult> | null {
    if (!this.listens()) return null;
    if (!this.process.stdio.send(options.stdin)) {
      this.beginDeaf();
      return null;
    }
    this.leave("used");
    this.process.keepAlive(true);
    return this.finish(options);
  }

  listens(): boolean {
    if (this.state !== "waiting" || this.process.hasEnded()) return false;
    try {
      readlinkSync(`/proc/${this.pid}/fd/0`);
      return true;
    } catch (thrown) {
      // What we may not look at is what it seems.
      if (errorCode(thrown) !== "ENOENT") return true;
      this.beginDeaf();
      return false;
    }
  }

  async end(): Promise<void> {
    if (this.state === "waiting") {
      this.leave("killed");
      this.ending = this.stop();
    }
    await this.ending;
  }

  private onOutput(): void {
    if (this.state !== "waiting") return;
    this.leave("spoke");
    this.ending = this.stop();
  }

  private onExit({ signal }: Exit): void {
    if (this.state !== "waiting") return;
    this.leave(signal === null ? "ended" : "killed");
    this.letGo();
  }

  private beginDeaf(): void {
    this.state = "deaf";
    this.ending = this.endDeaf();
  }

  /** Nobody reads its stdin: it has closed it, or is ending in this moment. */
  private async endDeaf(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), lastBreathMs);
    });
    const exit = await Promise.race([this.process.exited, patience]);
    clearTimeout(timer);
    if (exit === undefined) {
      this.leave("deaf");
      await this.stop();
      return;
    }
    this.leave(exit.signal === null ? "ended" : "killed");
    this.letGo();
  }

  /** Its stdin stays open meanwhile: an end of the data would be a request to it. */
  private async stop(): Promise<void> {
    const group = new ProcessGroup(this.process.pid);
    group.terminate();
    const timer = setTimeout(() => group.kill(), endGraceMs);
    await this.process.exited;
    clearTimeout(timer);
    group.killRest();
    this.letGo();
  }

  private letGo(): void {
    const { stdio } = this.process;
    stdio.closeStdin();
    stdio.stdout.close();
    stdio.stderr.close();
    this.process.close();
  }

  private leave(state: WaitingProcess["state"]): void {
    this.state = state;
    this.settle(state);
  }
}
