import { execFileSync } from "node:child_process";
import { closeSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Something for plugins to wait at until the test says so, however long that takes: a named pipe that nobody writes to. The
 * folder's end is its end.
 */
export class Gate {
  private readonly path: string;
  private readonly descriptor: number;
  private isOpen = false;

  constructor(folder: string, name: string) {
    this.path = join(folder, name);
    rmSync(this.path, { force: true });
    execFileSync("mkfifo", [this.path]);
    // While it is open for writing here, a reader waits.
    this.descriptor = openSync(this.path, "r+");
  }

  /** A command of the shell that waits until the gate is open; once it is, it passes at once. */
  get wait(): string {
    return `read -r _ <'${this.path}'`;
  }

  /** Lets pass who waits and who comes later. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    writeFileSync(`${this.path}.open`, "");
    renameSync(`${this.path}.open`, this.path);
    closeSync(this.descriptor);
  }
}
