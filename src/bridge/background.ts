import type { EventInfo } from "./call-time.js";

/** The time between two attempts to deliver the deletes that wait for conf.json, in milliseconds. */
const retryMs = 5_000;

/** The work that no call waits for, and how far the end of the process has come. A new bridge after a reload takes it over. */
export class BackgroundWork {
  /** The work that follows from the runtime's list; it starts after the answer to Synchronize, and live events come first. */
  afterSynchronize: (() => Promise<void>) | undefined;
  /** The process is about to end: the bridge leaves the deletes that no call waits for to the next bridge. */
  stopping = false;
  /**
   * The process kills the plugins that still run. Their deletes do not count as delivered, and the next bridge delivers them again.
   */
  abandoned = false;
  /**
   * The deletes, by id, that run, wait for their turn, or wait for the deletes of the pod's containers. A delete may run on after
   * the answer to its call.
   */
  readonly deleting = new Map<string, Promise<unknown>>();
  /** The deletes, by id, that no call waits for and that the bridge cannot deliver until conf.json is readable again. */
  readonly waiting = new Map<string, EventInfo["event"]>();
  private retryTimer: NodeJS.Timeout | undefined;
  private readonly works = new Set<Promise<void>>();

  /** Adds this work to the work that `idle` waits for, and returns it. */
  track(work: Promise<void>): Promise<void> {
    this.works.add(work);
    const ended = () => void this.works.delete(work);
    work.then(ended, ended);
    return work;
  }

  /** Calls `retry` after `retryMs`, in place of an earlier `retry` that still waits, so that the latest bridge does the work. */
  retryLater(retry: () => void): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(retry, retryMs).unref();
  }

  /** Resolves when all work that `track` has taken so far has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.works);
  }
}
