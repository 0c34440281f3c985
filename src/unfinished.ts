import type { Circumstances } from "./state/memory.js";
import type { Subject } from "./translate/to-v01.js";

/** A create that is not looked at yet. */
export interface UnseenCreate {
  readonly subject: Subject;
  readonly circumstances: Circumstances;
}

/**
 * What is begun and not done, beside the memory: it outlives a bridge that is built anew, as at a reload or a new connection,
 * and says how the bridge's own end concerns it.
 */
export class Unfinished {
  /** Creates that no plugin ran for, by id: they are looked at when their turn comes or something happens to their subject. */
  readonly creates = new Map<string, UnseenCreate>();
  /** What the runtime's list made to do: it waits until the answer to Synchronize is sent, and live events come first. */
  afterSynchronize = async (): Promise<void> => {};
  /** The ids of what is removed and whose process is watched until it has ended. */
  readonly leaving = new Set<string>();
  /** The latest ids that were removed: the runtime sends a StopContainer beside all else, so that it may come after. */
  readonly removed = new Set<string>();
  /** We are asked to end: deletes that no call waits for are left to the next bridge. */
  stopping = false;
  private readonly works = new Set<Promise<unknown>>();

  /** Takes note of work of many steps that no call waits for, and gives it back. */
  work<T>(work: Promise<T>): Promise<T> {
    this.works.add(work);
    const ended = () => this.works.delete(work);
    work.then(ended, ended);
    return work;
  }

  /** Resolves when all such work that was begun so far has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.works);
  }

  /** What still runs is ended by us: that is not how a delete ends, so the next bridge delivers it again. */
  abandoned = false;
}
