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
/** A source that failed is asked again this often before a run fails. */
const maxAttempts = 3;

/** Pipes that are used again and again, because making them takes a process. */
export class PipePool {
  private readonly idle: AnonymousPipe[] = [];
  private readonly waiting: Array<{ resolve: (pipes: StdioPipes) => void; reject: (reason: unknown) => void }> = [];
  private fills = 0;
  private failures = 0;
  private closed = false;

  constructor(private readonly createPipes: () => Promise<AnonymousPipe[]>) {
    this.replenish();
  }

  /** Three empty pipes. Rejects when no pipes can be had on this machine. */
  lend(): Promise<StdioPipes> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.serve();
    });
  }

  /** Takes back a pipe that is empty and that nobody else holds. */
  giveBack(pipe: AnonymousPipe): void {
    if (this.closed || this.idle.length >= maxIdle) pipe.close();
    else this.idle.push(pipe);
    this.serve();
  }

  close(): void {
    this.closed = true;
    for (const pipe of this.idle.splice(0)) pipe.close();
    this.fail(new Error("the pipes are closed"));
  }

  private serve(): void {
    for (;;) {
      const request = this.waiting[0];
      if (request === undefined || this.idle.length < 3) break;
      this.waiting.shift();
      const [stdin, stdout, stderr] = this.idle.splice(-3);
      if (stdin !== undefined && stdout !== undefined && stderr !== undefined)
        request.resolve({ stdin, stdout, stderr });
    }
    this.replenish();
  }

  private replenish(): void {
    const wanted = this.waiting.length * 3 + minIdle - this.idle.length;
    if (this.closed || wanted <= 0 || this.fills >= maxFills) return;
    this.fills++;
    this.createPipes().then(
      (pipes) => {
        this.fills--;
        this.failures = 0;
        for (const pipe of pipes) this.giveBack(pipe);
      },
      (reason: unknown) => {
        this.fills--;
        // Nobody waits: the next run asks again.
        if (this.waiting.length === 0) return;
        if (++this.failures >= maxAttempts) this.fail(reason);
        else this.replenish();
      },
    );
  }

  private fail(reason: unknown): void {
    this.failures = 0;
    for (const request of this.waiting.splice(0)) request.reject(reason);
  }
}
