import { fchmodSync, ftruncateSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * The journal on disk: lines are appended to it, and now and then it is written anew. Appending is one write(2) into the
 * page cache, which outlives us, also when we are killed; `sync` makes it outlive the machine.
 */
export class JournalFile {
  private handle: FileHandle | undefined;
  private bytes = 0;
  /** What was appended while the file is being written anew, for the new one. */
  private meanwhile: string | undefined;

  constructor(readonly path: string) {}

  /** Bytes of the file. */
  get size(): number {
    return this.bytes;
  }

  /**
   * Goes on with the file as it is up to so many bytes, or begins one with this text: nothing of it waits for a disk.
   * @throws the system's error
   */
  async resume(bytes: number, text: string): Promise<void> {
    const handle = await open(this.path, "a", 0o600);
    try {
      fchmodSync(handle.fd, 0o600);
      ftruncateSync(handle.fd, bytes);
      this.bytes = bytes + this.write(handle, Buffer.from(text));
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.handle = handle;
  }

  /** @throws the system's error; the file then ends before the line, and takes no more until it is written anew */
  append(line: string): void {
    if (this.meanwhile !== undefined) this.meanwhile += line;
    if (this.handle === undefined) return;
    const bytes = Buffer.from(line);
    try {
      this.write(this.handle, bytes);
    } catch (error) {
      this.cutBack();
      throw error;
    }
    this.bytes += bytes.length;
  }

  /** Resolves when everything that was appended before is on the disk. @throws the system's error */
  async sync(): Promise<void> {
    await this.handle?.datasync();
  }

  /**
   * Puts a new file in the place of the old one, whole or not at all: whatever happens meanwhile, one of the two is
   * there. What is appended in the meantime is in both.
   *
   * @param parts what the file amounts to at the moment of the call
   * @returns the bytes of the new file
   * @throws the system's error; the old file is as it was
   */
  async rewrite(parts: readonly string[]): Promise<number> {
    const path = `${this.path}.new`;
    this.meanwhile = "";
    let fresh: FileHandle | undefined;
    try {
      await rm(path, { force: true });
      fresh = await open(path, "wx", 0o600);
      let written = 0;
      for (let first = 0; first < parts.length; first += partsAtOnce) {
        written += await writeWhole(fresh, parts.slice(first, first + partsAtOnce).join(""));
      }
      for (let look = 1; look <= looks; look++) {
        await fresh.datasync();
        const rest = this.takeMeanwhile();
        if (rest === "") break;
        // Under events without a pause there is always a rest: the last one's way to the disk is that of any line.
        if (look < looks) written += await writeWhole(fresh, rest);
        else written += this.write(fresh, Buffer.from(rest));
      }
      // Nothing was appended since the last look, and nothing can be until this turn of the event loop ends.
      renameSync(path, this.path);
      this.replaceBy(fresh, written);
      fresh = undefined;
      await this.sync();
      await syncDirectory(dirname(this.path));
      return written;
    } finally {
      this.meanwhile = undefined;
      await fresh?.close();
      if (fresh !== undefined) await rm(path, { force: true }).catch(() => {});
    }
  }

  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    await handle?.close();
  }

  private takeMeanwhile(): string {
    const lines = this.meanwhile ?? "";
    this.meanwhile = "";
    return lines;
  }

  private replaceBy(fresh: FileHandle, bytes: number): void {
    const old = this.handle;
    this.handle = fresh;
    this.bytes = bytes;
    // Its name is gone and its bytes are in the new file: how closing it ends is of no interest.
    old?.close().catch(() => {});
  }

  private write(handle: FileHandle, bytes: Uint8Array): number {
    if (writeSync(handle.fd, bytes) < bytes.length) throw new Error("the disk is full");
    return bytes.length;
  }

  /** Takes back half a line, so that a restart finds the file sound; where that fails too, its checksum tells. */
  private cutBack(): void {
    const { handle } = this;
    this.handle = undefined;
    if (handle === undefined) return;
    try {
      ftruncateSync(handle.fd, this.bytes);
    } catch {
      // The disk takes nothing at all.
    }
    handle.close().catch(() => {});
  }
}

/** So often what was appended meanwhile is waited for until it is on the disk. */
const looks = 4;

/** So many pieces are joined in one turn of the event loop: some hundred kilobytes. */
const partsAtOnce = 256;

/** @returns the bytes that were written */
async function writeWhole(file: FileHandle, text: string): Promise<number> {
  const { bytesWritten } = await file.write(text);
  if (bytesWritten < Buffer.byteLength(text)) throw new Error("the disk is full");
  return bytesWritten;
}

/** Makes a rename outlive a crash of the machine. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
