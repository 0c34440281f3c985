/** Runs work on one id after the other, and work on different ids side by side. */
export class Serial {
  private readonly tails = new Map<string, Promise<void>>();

  get busy(): boolean {
    return this.tails.size > 0;
  }

  run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(id);
    let settle = () => {};
    // There before the work begins: what that asks for in turn comes after it.
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

  /** Resolves when all work that was given so far has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.tails.values());
  }
}
