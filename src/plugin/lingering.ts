import { ownOpenFiles } from "./inherited.js";
import type { RunIo } from "./run-io.js";
import type { StartedProcess } from "./started-process.js";

/** Of the descriptors that we may have, what background processes of plugins take at most. */
const share = 1 / 4;
const mostEver = 1_024;
/** Its stdout and its stderr. */
const descriptorsEach = 2;

/** So many runs may linger. */
export function mostLingering(openFiles = ownOpenFiles()): number {
  return Math.max(4, Math.min(mostEver, Math.floor((openFiles * share) / descriptorsEach)));
}

/**
 * Runs that have ended, while a background child of theirs still holds the pipes. We read on, since it would die of SIGPIPE
 * when it prints; but a node whose plugins leave one behind for each container must not come to the end of our descriptors,
 * where nothing can be started any more. So the oldest is let go of when there are too many.
 */
export class Lingering {
  private readonly processes = new Set<StartedProcess>();

  /** `onCrowded`: told of each process whose background children are not read from any more. */
  constructor(
    private readonly most: number,
    private readonly onCrowded: (pid: number, most: number) => void,
  ) {}

  /** Pipes that somebody else may still hold are closed when he lets go of them. */
  add(process: StartedProcess, io: RunIo): void {
    process.keepAlive(false);
    this.processes.add(process);
    io.linger(() => {
      this.processes.delete(process);
      process.close();
    });
    const [oldest] = this.processes;
    if (this.processes.size <= this.most || oldest === undefined) return;
    this.onCrowded(oldest.pid, this.most);
    this.processes.delete(oldest);
    oldest.close();
  }

  close(): void {
    for (const process of this.processes) process.close();
  }
}
