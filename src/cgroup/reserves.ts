import { readFileSync } from "node:fs";

import { BridgeError } from "../errors.js";
import { parseMountinfo } from "../host/mountinfo.js";
import { type Keeper, startKeeper } from "./keeper.js";
import type { TreeFile } from "./tree.js";

/** An empty view that waits for a run. */
interface Reserve {
  readonly keeper: Keeper;
  /** The machine's mounts at the moment when its namespace was made. */
  readonly mountinfo: string;
  /** Whether new mounts reach it. */
  readonly followsMachine: boolean;
}

/** Views are made, and ended, when the run that took one has had its time: both take some of ours. */
const tidyAfterMs = 50;
/** More are not made ahead, however fast the runs follow each other. */
const maxCount = 4;

/** Empty views, made ahead. When a run has had to wait for one, there is one more from then on. */
export class Reserves {
  private readonly waiting: { readonly made: Promise<Reserve>; ready: boolean }[] = [];
  private readonly left = new Set<Keeper>();
  private timer: NodeJS.Timeout | undefined;
  private ending: Promise<undefined> = Promise.resolve(undefined);
  private closed = false;

  /** `files`: of each view; `count`: how many are to wait. */
  constructor(
    private readonly files: readonly TreeFile[],
    private count: number,
  ) {}

  /** Makes what is missing. Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) this.waiting.push(this.begin());
    await Promise.allSettled(this.waiting.map(({ made }) => made));
  }

  /**
   * An empty view. `mountinfo`: what the machine has mounted now.
   * @throws BridgeError CGROUP_VIEW when there is none and none can be made
   */
  async take(mountinfo: string): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
    this.tidySoon();
    if (!this.waiting[0]?.ready && this.count < maxCount) this.count++;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      const reserve = await next.made.catch(() => undefined);
      if (reserve === undefined) continue;
      if (reserve.keeper.isAlive() && (reserve.followsMachine || reserve.mountinfo === mountinfo))
        return reserve.keeper;
      this.leave(reserve.keeper);
    }
    return (await this.make()).keeper;
  }

  /** Gives a view up. It is ended when there is time for that. */
  leave(keeper: Keeper): void {
    this.left.add(keeper);
    if (this.closed) this.endLeft();
    else this.tidySoon();
  }

  /** Ends all that nobody uses; settles when that is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const { made } of this.waiting.splice(0)) {
      const reserve = await made.catch(() => undefined);
      if (reserve !== undefined) this.left.add(reserve.keeper);
    }
    this.endLeft();
    await this.ending;
  }

  private tidySoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.endLeft();
      void this.fill();
    }, tidyAfterMs).unref();
  }

  private endLeft(): void {
    const ends = [...this.left].map((keeper) => keeper.close());
    this.left.clear();
    // Without the results: each holds those before it.
    this.ending = Promise.all([this.ending, ...ends]).then(() => undefined);
  }

  private begin(): (typeof this.waiting)[number] {
    const waiting = { made: this.make(), ready: false };
    waiting.made.then(
      () => {
        waiting.ready = true;
      },
      // Whoever takes it sees that there is none.
      () => {},
    );
    return waiting;
  }

  private async make(): Promise<Reserve> {
    const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
    const keeper = await startKeeper(this.files);
    return { keeper, mountinfo, followsMachine: followsMachine(mountinfo) };
  }
}

/** Whether new mounts reach a namespace made before: the root mount is shared, or a slave itself. */
function followsMachine(mountinfo: string): boolean {
  return parseMountinfo(mountinfo).some(
    ({ point, optional }) => point === "/" && optional.some((field) => /^(shared|master):/.test(field)),
  );
}
