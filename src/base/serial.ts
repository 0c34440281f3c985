/** Runs the work for one id in the order in which it was given, one piece at a time; work for different ids overlaps. */
export class Serial {
  private readonly tails = new Map<string, Promise<void>>();

  get busy(): boolean {
    return this.tails.size > 0;
  }

  run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(id);
    let settle = () => {};
    // The tail is set before the work begins, so that work which `work` itself gives for this id runs after it.
    const tail = new Promise<void>((resolve) => {
      settle = resolve;
    });
    this.tails.set(id, tail);
    const ended = () => {
      if (this.tails.get(id) === tail) this.tails.delete(id);
      settle();
    };
    const done = before === undefined ? work() : before.then(work);
    done.then(ended, ended);
    return done;
  }

  /** Resolves when all work that was given before this call has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.tails.values());
  }
}
