import { existsSync, fchmodSync, ftruncateSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorText } from "../errors.js";
import { readRegularFile } from "../files.js";
import type { Log } from "../logger.js";
import { canonicalSocket, copyAside, journalPath, prepareDirectory, setAside, whyUntrusted } from "./directory.js";
import type { DirectoryLock } from "./directory-lock.js";
import { formatHeader, type JournalKey, lineEnd, parseJournal } from "./journal.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

export interface JournalOptions extends JournalKey {
  /** Takes over what an earlier bridge left, and is written from then on. */
  readonly ledger: Ledger;
  readonly directory: string;
  readonly lock: DirectoryLock;
  readonly log: Log;
  /** Called when the journal could not be read or locked at first, and the ledger has now taken over what is in it. */
  readonly onLateRecovery?: () => void;
  /** Called once, when the directory is ours alone. */
  readonly onLocked?: () => void;
  /** Between a write and its way to the disk, in milliseconds: crashes of the machine cost that much. */
  readonly syncDelayMs?: number;
  /** Between two tries to write again after a failure, in milliseconds. */
  readonly retryMs?: number;
  /** A file below this is never written anew, in bytes. */
  readonly compactFromBytes?: number;
}

/**
 * Opens the journal of a runtime for the ledger. A disk that cannot be used is never an error: the journal says that it is not
 * healthy, the bridge serves on, and the ledger is written when the disk is back.
 */
export async function openJournal(options: JournalOptions): Promise<JournalFile> {
  const journal = new JournalFile({ ...options, socket: canonicalSocket(options.socket) });
  await journal.open();
  return journal;
}

/** A file is written anew when it is so many times as long as what it amounted to at the last time. */
const growth = 4;
/** Hundreds of thousands of pods: what is longer is none of ours. */
const maxJournalBytes = 512 * 1024 * 1024;

/**
 * The journal of one runtime on the disk. No call fails or waits: what a disk does not take is the journal's trouble, never
 * an event's.
 */
export class JournalFile {
  /** Why what happens now would not be there after a crash; undefined when it would. */
  problem: string | undefined;
  private readonly file: LineFile;
  private readonly path: string;
  /** The journal that was there has been read, or there was none. */
  private read = false;
  /** How much of the file that was there to go on with, 0 when there is none; and what ends its last line. */
  private there = { bytes: 0, end: "" };
  private opened = false;
  /** What the file does not have yet when it is opened: the ledger may know more than it. */
  private news = "";
  private closed = false;
  private rewriting: Promise<void> | undefined;
  private syncing: Promise<void> | undefined;
  private syncTimer: NodeJS.Timeout | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private compactAtBytes = 0;

  constructor(private readonly options: JournalOptions) {
    this.path = journalPath(options.directory, options);
    this.file = new LineFile(this.path);
  }

  /** A runtime waits meanwhile: nothing here waits for a disk to be done with writing. */
  async open(): Promise<void> {
    const { ledger } = this.options;
    this.news = ledger.lines().join("");
    ledger.attach(this);
    await this.restore(() => this.resume());
    this.opened = true;
    this.news = "";
    if (this.healthy && !this.closed) void this.rewrite();
  }

  get healthy(): boolean {
    return this.problem === undefined;
  }

  /** Bytes of the file. */
  get bytes(): number {
    return this.file.size;
  }

  append(line: string): void {
    if (this.closed) return;
    if (!this.opened) this.news += line;
    try {
      this.file.append(line);
    } catch (error) {
      this.fail(error);
    }
    this.syncTimer ??= setTimeout(() => void this.sync(), this.options.syncDelayMs ?? 500).unref();
    if (this.opened && this.healthy) this.compactIfLong();
  }

  /** Resolves when all that was written before outlives a crash of the machine. Never rejects. */
  async sync(): Promise<void> {
    clearTimeout(this.syncTimer);
    this.syncTimer = undefined;
    // One at a time: what was written while one runs needs another.
    while (this.syncing !== undefined) await this.syncing;
    this.syncing = this.file.sync().catch((error) => this.fail(error));
    await this.syncing;
    this.syncing = undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retryTimer);
    await this.rewriting;
    await this.sync();
    await this.file.close();
  }

  /** Brings file and ledger together: at the start, and when a disk may be back. */
  private async restore(write = () => this.rewrite()): Promise<void> {
    const { directory, lock } = this.options;
    const outcome = await lock.tryAcquire();
    if (this.closed) return;
    if (outcome.kind === "taken") return this.fail(new Error(`${outcome.holder} has locked ${directory}`));
    try {
      prepareDirectory(directory);
      if (outcome.kind === "held" && !this.read) this.options.onLocked?.();
      this.readOnce();
    } catch (error) {
      return this.fail(error);
    }
    if (outcome.kind === "unavailable") return this.fail(new Error(outcome.reason));
    await write();
  }

  /** Goes on with the file that is there. */
  private async resume(): Promise<void> {
    const { bytes, end } = this.there;
    try {
      await this.file.resume(bytes, () => (bytes === 0 ? this.parts().join("") : end + this.news));
    } catch (error) {
      this.fail(error);
    }
  }

  private readOnce(): void {
    if (this.read) return;
    const isNew = this.options.ledger.adopt(this.readJournal());
    this.read = true;
    if (this.opened && isNew) this.options.onLateRecovery?.();
  }

  /** What the file holds; one that cannot be used is put aside, and nothing of it is believed. */
  private readJournal(): readonly LedgerEntry[] {
    const { path } = this;
    let reason = whyUntrusted(path);
    if (reason === undefined) {
      if (!existsSync(path)) return [];
      const bytes = readRegularFile(path, maxJournalBytes);
      try {
        const { entries, soundBytes, damage } = parseJournal(bytes, this.options);
        if (damage === "middle") this.tellOfDamage(entries.length);
        const spoilt = damage === "middle" && bytes.at(-1) !== lineEnd;
        this.there = { bytes: damage === "middle" ? bytes.length : soundBytes, end: spoilt ? "\n" : "" };
        return entries;
      } catch (error) {
        reason = errorText(error);
      }
    }
    const fields = { file: path, reason, aside: setAside(path) };
    this.options.log.warn(fields, "the journal cannot be used and was put aside: the bridge starts without a past");
    return [];
  }

  /** The file stays until a new one is whole: its lines are all that there is. */
  private tellOfDamage(read: number): void {
    const fields = { file: this.path, read, aside: copyAside(this.path) };
    this.options.log.warn(fields, "the journal is damaged: what can be read of it holds, and a copy was put aside");
  }

  private parts(): string[] {
    return [formatHeader(this.options), ...this.options.ledger.lines()];
  }

  private rewrite(): Promise<void> {
    this.rewriting ??= this.rewriteNow();
    return this.rewriting;
  }

  private async rewriteNow(): Promise<void> {
    try {
      const bytes = await this.file.rewrite(this.parts());
      this.compactAtBytes = Math.max(this.options.compactFromBytes ?? 256 * 1024, bytes * growth);
      this.succeed();
    } catch (error) {
      this.fail(error);
    }
    this.rewriting = undefined;
    // Much may have been written in the meantime.
    if (this.healthy && !this.closed) this.compactIfLong();
  }

  private compactIfLong(): void {
    if (this.file.size >= this.compactAtBytes) void this.rewrite();
  }

  private retry(): void {
    this.retryTimer = undefined;
    void this.restore();
  }

  private succeed(): void {
    if (this.problem === undefined) return;
    this.problem = undefined;
    this.options.log.info({ file: this.path }, "the journal is written again");
  }

  private fail(error: unknown): void {
    const before = this.problem;
    this.problem = errorText(error);
    if (before === undefined) {
      this.options.log.error(
        { file: this.path, error: this.problem },
        "the journal cannot be written: the bridge serves on, and a crash would lose what it remembers",
      );
    }
    if (this.closed) return;
    this.retryTimer ??= setTimeout(() => this.retry(), this.options.retryMs ?? 5_000).unref();
  }
}

/**
 * A file that lines are appended to, and that is written anew now and then. Appending is one write(2) into the page cache,
 * which outlives us, also when we are killed; `sync` makes it outlive the machine.
 */
export class LineFile {
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
   * Goes on with the file as it is up to so many bytes, or begins one: nothing of it waits for a disk.
   * @param text what comes after them, asked for when the file is open
   * @throws the system's error
   */
  async resume(bytes: number, text: () => string): Promise<void> {
    const handle = await open(this.path, "a", 0o600);
    try {
      fchmodSync(handle.fd, 0o600);
      ftruncateSync(handle.fd, bytes);
      this.bytes = bytes + this.write(handle, Buffer.from(text()));
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
