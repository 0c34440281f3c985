import type { Deadline } from "../deadline.js";
import type { AnonymousPipe } from "./anonymous-pipe.js";

/** The pipes of one run. */
export interface StdioPipes {
  readonly stdin: AnonymousPipe;
  readonly stdout: AnonymousPipe;
  readonly stderr: AnonymousPipe;
}

/** Kept ready for the next runs; more is closed when it comes back. */
const maxIdle = 48;
/** Fewer than two runs need are replenished before they are asked for. */
const minIdle = 6;
/** A burst of runs is not to start a shell each. */
const maxFills = 2;
/** A source that failed is asked again this often before those who wait fail. */
const maxAttempts = 3;
/** The longest that setTimeout knows. */
const maxTimerMs = 2 ** 31 - 1;

interface Borrower {
  readonly resolve: (pipes: StdioPipes) => void;
  readonly reject: (reason: unknown) => void;
}

/** Pipes that are used again and again, because making them takes a process. */
export class PipePool {
  private readonly idle: AnonymousPipe[] = [];
  private readonly waiting = new Set<Borrower>();
  private fills = 0;
  private failures = 0;
  private closed = false;

  constructor(private readonly createPipes: () => Promise<AnonymousPipe[]>) {
    this.replenish();
  }

  /** Three empty pipes. Rejects when none can be had on this machine, or not in time. */
  async lend(deadline: Deadline): Promise<StdioPipes> {
    if (this.closed) throw new Error("the spawner is closed");
    const ready = this.take();
    if (ready !== null) return ready;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<StdioPipes>((resolve, reject) => {
        const borrower = { resolve, reject };
        this.waiting.add(borrower);
        this.replenish();
        timer = setTimeout(
          () => {
            this.waiting.delete(borrower);
            reject(new Error("none came in time"));
          },
          Math.min(deadline.remainingMs(), maxTimerMs),
        );
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes back a pipe that is empty and that nobody else holds. */
  giveBack(pipe: AnonymousPipe): void {
    if (this.closed || this.idle.length >= maxIdle) {
      pipe.close();
      return;
    }
    this.idle.push(pipe);
    const [borrower] = this.waiting;
    if (borrower === undefined) return;
    const pipes = this.take();
    if (pipes === null) return;
    this.waiting.delete(borrower);
    borrower.resolve(pipes);
  }

  close(): void {
    this.closed = true;
    for (const pipe of this.idle.splice(0)) pipe.close();
    this.failAll(new Error("the spawner is closed"));
  }

  private take(): StdioPipes | null {
    if (this.idle.length < 3) return null;
    const [stdin, stdout, stderr] = this.idle.splice(-3);
    this.replenish();
    return stdin && stdout && stderr ? { stdin, stdout, stderr } : null;
  }

  private replenish(): void {
    const wanted = this.waiting.size * 3 + minIdle - this.idle.length;
    if (this.closed || wanted <= 0 || this.fills >= maxFills) return;
    this.fills++;
    this.createPipes().then(
      (pipes) => {
        this.fills--;
        this.failures = 0;
        for (const pipe of pipes) this.giveBack(pipe);
        this.replenish();
      },
      (reason: unknown) => {
        this.fills--;
        // When nobody waits, the next run asks again.
        if (this.waiting.size === 0) return;
        if (++this.failures >= maxAttempts) this.failAll(reason);
        else this.replenish();
      },
    );
  }

  private failAll(reason: unknown): void {
    this.failures = 0;
    for (const { reject } of this.waiting) reject(reason);
    this.waiting.clear();
  }
}
