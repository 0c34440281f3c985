/** Runs work on one id after the other, and work on different ids side by side. */
export class Serial {
  private readonly tails = new Map<string, Promise<unknown>>();

  run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(id);
    const done = before === undefined ? work() : before.then(work, work);
    this.tails.set(id, done);
    const forget = () => {
      if (this.tails.get(id) === done) this.tails.delete(id);
    };
    done.then(forget, forget);
    return done;
  }

  /** Resolves when all work that was given so far has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.tails.values());
  }
}
