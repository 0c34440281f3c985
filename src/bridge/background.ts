import type { EventInfo } from "./call-time.js";

/** Between two tries to deliver what waits for conf.json, in milliseconds. */
const retryMs = 5_000;

/** Work that no call waits for, and how the end of the bridge ends it. It outlives a bridge that is built anew. */
export class BackgroundWork {
  /** The work that the runtime's list made: it waits until the answer to Synchronize is sent, and live events come first. */
  afterSynchronize: (() => Promise<void>) | undefined;
  /** We are asked to end: deletes that no call waits for are left to the next bridge. */
  stopping = false;
  /** The bridge ends the runs that are left: a delete is not done by that, and the next bridge delivers it again. */
  abandoned = false;
  /** By id, the deletes that run, wait for their turn or for those of a pod's containers; they may run on past their call's answer. */
  readonly deleting = new Map<string, Promise<unknown>>();
  /** Deletes by id that no call waits for, and that cannot be delivered while conf.json cannot be read. */
  readonly waiting = new Map<string, EventInfo["event"]>();
  private retryTimer: NodeJS.Timeout | undefined;
  private readonly works = new Set<Promise<void>>();

  /** Takes note of work of many steps, and gives it back. */
  track(work: Promise<void>): Promise<void> {
    this.works.add(work);
    const ended = () => void this.works.delete(work);
    work.then(ended, ended);
    return work;
  }

  /** Does this in a while, and nothing else that was to be done then: it is of the bridge that was built last. */
  retryLater(retry: () => void): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(retry, retryMs).unref();
  }

  /** Resolves when all such work that was begun so far has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.works);
  }
}
