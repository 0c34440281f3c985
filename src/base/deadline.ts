/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

export const monotonicClock: Clock = () => performance.now();

/** The point in time at which the waiting for a piece of work ends. */
export class Deadline {
  private constructor(
    private readonly atMs: number,
    private readonly clock: Clock,
  ) {}

  /** A deadline `ms` milliseconds from now; a deadline after Infinity never passes. */
  static after(ms: number, clock: Clock = monotonicClock): Deadline {
    return new Deadline(clock() + ms, clock);
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.atMs - this.clock());
  }

  get expired(): boolean {
    return this.remainingMs() === 0;
  }

  /** A deadline that passes `marginMs` milliseconds earlier than this deadline. */
  minus(marginMs: number): Deadline {
    return new Deadline(this.atMs - marginMs, this.clock);
  }

  /** A deadline `ms` milliseconds from now, but no later than this deadline. */
  within(ms: number): Deadline {
    return new Deadline(Math.min(this.atMs, this.clock() + ms), this.clock);
  }
}

/** The longest delay of a Node timer, in milliseconds; with a longer delay Node fires the timer at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Calls `ring` once, when the deadline has passed; never for a deadline of Infinity. @returns a function that cancels the alarm */
export function alarm(deadline: Deadline, ring: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    const leftMs = deadline.remainingMs();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    timer = setTimeout(() => (deadline.expired ? ring() : wait()), Math.min(Math.ceil(leftMs), maxTimerMs));
  };
  wait();
  return () => clearTimeout(timer);
}

/** The outcome of the work, or that of `late()` where the deadline passes first; the work's later outcome is ignored. */
export async function within<T>(deadline: Deadline, work: Promise<T>, late: () => T | Promise<T>): Promise<T> {
  let cancel = () => {};
  const passed = new Promise<T>((resolve) => {
    cancel = alarm(deadline, () => resolve(late()));
  });
  try {
    return await Promise.race([work, passed]);
  } finally {
    cancel();
  }
}

const unitsMs: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration as Go writes it: `2s`, `1m30s`, `500ms`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/([\d.]+)(\D+)/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitsMs[unit ?? ""] ?? 0), 0);
}
