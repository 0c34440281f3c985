import { appendFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectory } from "../files.js";

/**
 * Writes files one after another, so that nobody who records waits for a disk. What is asked for past the limit is not
 * written, and after the first fault nothing is.
 */
export class FileQueue {
  private tail: Promise<void> = Promise.resolve();
  private readonly rewriting = new Set<string>();
  private left: number;
  private fault: unknown;

  /**
   * @param limitBytes of all files together
   * @param onFault told once: the disk is full, or the folder cannot be written
   */
  constructor(
    limitBytes: number,
    private readonly onFault: (error: unknown) => void,
  ) {
    this.left = limitBytes;
  }

  /** Whether so many bytes more are within the limit; if so, they are taken from it. */
  take(bytes: number): boolean {
    if (this.fault !== undefined || bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  append(path: string, bytes: Uint8Array | string): void {
    this.add(path, () => appendFile(path, bytes, { mode: 0o600 }));
  }

  write(path: string, bytes: Uint8Array | string): void {
    this.add(path, () => writeFile(path, bytes, { mode: 0o600 }));
  }

  /** Puts a file in the place of the one before, whole, with the content of the moment when its turn comes. */
  rewrite(path: string, content: () => string): void {
    if (this.rewriting.has(path)) return;
    this.rewriting.add(path);
    this.add(path, async () => {
      this.rewriting.delete(path);
      await writeFile(`${path}.new`, content(), { mode: 0o600 });
      await rename(`${path}.new`, path);
    });
  }

  /** Resolves when everything so far is written. */
  async flush(): Promise<void> {
    await this.tail;
  }

  private add(path: string, work: () => Promise<unknown>): void {
    this.tail = this.tail.then(async () => {
      if (this.fault !== undefined) return;
      try {
        makeDirectory(dirname(path), 0o700);
        await work();
      } catch (error) {
        this.fault = error;
        this.onFault(error);
      }
    });
  }
}
