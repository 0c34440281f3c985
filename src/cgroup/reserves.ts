import { readFileSync } from "node:fs";

import { BridgeError } from "../errors.js";
import { type Keeper, startKeeper } from "./keeper.js";
import type { TreeFile } from "./tree.js";

/** A process that went into a view ahead: the legacy room's WaitingProcess. */
export interface Enterer {
  /** Ends it, when it waits. Settles when it is gone. */
  end(): Promise<void>;
}

/** An empty view: what a run is made in. */
export interface Room<Process extends Enterer> {
  readonly keeper: Keeper;
  readonly enterer: Process | undefined;
}

interface Reserve<Process extends Enterer> extends Room<Process> {
  /** The machine's mounts at the moment when its namespace was made. */
  readonly mountinfo: string;
  /** Whether new mounts reach it. */
  readonly followsMachine: boolean;
}

export interface ReservesOptions<Process extends Enterer> {
  readonly files: readonly TreeFile[];
  /** Starts a process that enters the namespace of a keeper and waits there. Never rejects. */
  readonly enter: ((keeper: number) => Promise<Process | undefined>) | undefined;
  /** How many are to wait. */
  readonly count: number;
}

/** Rooms are made, and ended, when the run that took one has had its time: both take some of ours. */
const tidyAfterMs = 50;
/** More are not made ahead, however fast the runs follow each other. */
const maxCount = 4;

/** Empty views, made ahead. When a run has had to wait for one, there is one more from then on. */
export class Reserves<Process extends Enterer> {
  private readonly waiting: { readonly made: Promise<Reserve<Process>>; ready: boolean }[] = [];
  private readonly left = new Set<Room<Process>>();
  private timer: NodeJS.Timeout | undefined;
  private ending: Promise<undefined> = Promise.resolve(undefined);
  private count: number;
  private closed = false;

  constructor(private readonly options: ReservesOptions<Process>) {
    this.count = options.count;
  }

  /** Makes what is missing. Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) this.waiting.push(this.begin());
    await Promise.allSettled(this.waiting.map(({ made }) => made));
  }

  /**
   * A room to be filled. `mountinfo`: what the machine has mounted now.
   * @throws BridgeError CGROUP_VIEW when there is none and none can be made
   */
  async take(mountinfo: string): Promise<Room<Process>> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
    this.tidySoon();
    if (!this.waiting[0]?.ready && this.count < maxCount) this.count++;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      const reserve = await next.made.catch(() => undefined);
      if (reserve === undefined) continue;
      if (reserve.keeper.isAlive() && (reserve.followsMachine || reserve.mountinfo === mountinfo)) return reserve;
      this.leave(reserve);
    }
    return this.make();
  }

  /** Gives a room up, with what is in it. It is ended when there is time for that. */
  leave(room: Room<Process>): void {
    this.left.add(room);
    if (this.closed) this.endLeft();
    else this.tidySoon();
  }

  /** Ends all that nobody uses; settles when that is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const { made } of this.waiting.splice(0)) {
      const reserve = await made.catch(() => undefined);
      if (reserve !== undefined) this.left.add(reserve);
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
    const ends = [...this.left].flatMap(({ keeper, enterer }) => [keeper.close(), enterer?.end()]);
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

  private async make(): Promise<Reserve<Process>> {
    const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
    const keeper = await startKeeper(this.options.files);
    const enterer = await this.options.enter?.(keeper.pid);
    return { keeper, enterer, mountinfo, followsMachine: followsMachine(mountinfo) };
  }
}

/** Whether new mounts reach a namespace made before: the root mount is shared, or a slave itself. */
function followsMachine(mountinfo: string): boolean {
  return mountinfo.split("\n").some((line) => {
    const fields = line.split(" ");
    return (
      fields[4] === "/" && fields.slice(6, fields.indexOf("-", 6)).some((field) => /^(shared|master):/.test(field))
    );
  });
}
