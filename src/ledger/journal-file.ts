import { existsSync, fchmodSync, ftruncateSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BridgeError, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import {
  asideOf,
  canonicalSocket,
  copyAside,
  journalPath,
  prepareDirectory,
  setAside,
  whyUntrusted,
} from "./directory.js";
import type { DirectoryLock } from "./directory-lock.js";
import { formatHeader, type JournalKey, lineEnd, parseJournal, type Recovery } from "./journal.js";
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
/** One that was put aside is read beside it, while a runtime waits. */
const maxAsideBytes = 64 * 1024 * 1024;

/**
 * The journal of one runtime on the disk: lines are appended to it, and now and then it is written anew. Appending is one
 * write(2) into the page cache, which outlives us, also when we are killed; `sync` makes it outlive the machine. No call fails
 * or waits: what a disk does not take is the journal's trouble, never an event's.
 */
export class JournalFile {
  /** Why what happens now would not be there after a crash; undefined when it would. */
  problem: string | undefined;
  /** Bytes of the file. */
  bytes = 0;
  private readonly path: string;
  private handle: FileHandle | undefined;
  /** What was appended while the file is being opened or written anew, for the new one. */
  private meanwhile: string | undefined;
  /** The journal that was there has been read, or there was none. */
  private read = false;
  /** How much of the file that was there to go on with, 0 when there is none; and what ends its last line. */
  private there = { bytes: 0, end: "" };
  /** A journal that was put aside and has been taken over now: it goes when its lines are in the file. */
  private takenOver: string | undefined;
  private opened = false;
  private closed = false;
  private rewriting: Promise<void> | undefined;
  private syncing: Promise<void> | undefined;
  private syncTimer: NodeJS.Timeout | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private compactAtBytes = 0;

  constructor(private readonly options: JournalOptions) {
    this.path = journalPath(options.directory, options);
  }

  /** A runtime waits meanwhile: nothing here waits for a disk to be done with writing. */
  async open(): Promise<void> {
    const { ledger } = this.options;
    // The ledger may know more than the file.
    this.meanwhile = ledger.lines().join("");
    ledger.attach(this);
    await this.restore(() => this.resume());
    this.opened = true;
    this.meanwhile = undefined;
    if (this.healthy && !this.closed) void this.rewrite();
  }

  get healthy(): boolean {
    return this.problem === undefined;
  }

  append(line: string): void {
    if (this.closed) return;
    if (this.meanwhile !== undefined) this.meanwhile += line;
    try {
      if (this.handle !== undefined) this.bytes += writeAll(this.handle, line);
    } catch (error) {
      this.cutBack();
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
    this.syncing = this.handle?.datasync().catch((error) => this.fail(error));
    await this.syncing;
    this.syncing = undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retryTimer);
    await this.rewriting;
    await this.sync();
    const { handle } = this;
    this.handle = undefined;
    await handle?.close();
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
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.path, "a", 0o600);
      fchmodSync(handle.fd, 0o600);
      ftruncateSync(handle.fd, bytes);
      this.bytes = bytes + writeAll(handle, bytes === 0 ? this.parts().join("") : end + this.meanwhile);
      this.handle = handle;
    } catch (error) {
      await handle?.close();
      this.fail(error);
    }
  }

  private readOnce(): void {
    if (this.read) return;
    const aside = this.readAside();
    // What the journal says of an id is later.
    const isNew = [this.readJournal(), aside].map((entries) => this.options.ledger.adopt(entries));
    this.read = true;
    if (this.opened && isNew.includes(true)) this.options.onLateRecovery?.();
  }

  /**
   * What a journal holds that was put aside, where it can be used now: its owner and mode were set right, or it is of the
   * version that this bridge has again. What has ended in the meantime may get a second delete, where without it all that
   * ended unseen would get none.
   */
  private readAside(): readonly LedgerEntry[] {
    const { log } = this.options;
    const file = asideOf(this.path);
    try {
      const read = this.readTrusted(file, maxAsideBytes);
      if (read === undefined) return [];
      const { entries } = read;
      this.takenOver = file;
      log.warn({ file, read: entries.length }, "a journal that was put aside can be used now: its deletes are owed");
      return entries;
    } catch (error) {
      const fields = { file, reason: errorText(error) };
      log.warn(fields, "a journal that was put aside cannot be used: the deletes that it owes are not delivered");
      return [];
    }
  }

  /** What the file holds; one that cannot be used is put aside, and nothing of it is believed. */
  private readJournal(): readonly LedgerEntry[] {
    const { path } = this;
    const { log } = this.options;
    try {
      const read = this.readTrusted(path, maxJournalBytes);
      if (read === undefined) return [];
      const { bytes, entries, passedOver, soundBytes, damage } = read;
      if (damage === "middle") this.tellOfDamage(entries.length);
      if (passedOver > 0) {
        const fields = { file: path, lines: passedOver };
        log.warn(fields, "lines of the journal are not known to this version: they are passed over and dropped");
      }
      const spoilt = damage === "middle" && bytes.at(-1) !== lineEnd;
      this.there = { bytes: damage === "middle" ? bytes.length : soundBytes, end: spoilt ? "\n" : "" };
      return entries;
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      const fields = { file: path, reason: errorText(error), aside: setAside(path) };
      this.takenOver = undefined;
      log.warn(fields, "the journal cannot be used and was put aside: the deletes that it owes are not delivered");
      return [];
    }
  }

  /**
   * Undefined when there is no such file.
   * @throws BridgeError STATE when it cannot be used; the system's error when it cannot be read
   */
  private readTrusted(path: string, mostBytes: number): (Recovery & { readonly bytes: Buffer }) | undefined {
    const fault = whyUntrusted(path);
    if (fault !== undefined) throw new BridgeError("STATE", fault);
    if (!existsSync(path)) return undefined;
    const bytes = readRegularFile(path, mostBytes);
    return { bytes, ...parseJournal(bytes, this.options) };
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
      const bytes = await this.replace(this.parts());
      this.compactAtBytes = Math.max(this.options.compactFromBytes ?? 256 * 1024, bytes * growth);
      if (this.takenOver !== undefined) await rm(this.takenOver, { force: true });
      this.takenOver = undefined;
      this.succeed();
    } catch (error) {
      this.fail(error);
    }
    this.rewriting = undefined;
    // Much may have been written in the meantime.
    if (this.healthy && !this.closed) this.compactIfLong();
  }

  /**
   * Puts a new file in the place of the old one, whole or not at all: whatever happens meanwhile, one of the two is
   * there. What is appended in the meantime is in both.
   *
   * @param parts what the file amounts to at the moment of the call
   * @returns the bytes of the new file
   * @throws the system's error; the old file is as it was
   */
  private async replace(parts: readonly string[]): Promise<number> {
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
        else written += writeAll(fresh, rest);
      }
      // Nothing was appended since the last look, and nothing can be until this turn of the event loop ends.
      renameSync(path, this.path);
      this.replaceBy(fresh, written);
      fresh = undefined;
      await this.handle?.datasync();
      await syncDirectory(dirname(this.path));
      return written;
    } finally {
      this.meanwhile = undefined;
      await fresh?.close();
      if (fresh !== undefined) await rm(path, { force: true }).catch(() => {});
    }
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

  private compactIfLong(): void {
    if (this.bytes >= this.compactAtBytes) void this.rewrite();
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
    this.retryTimer ??= setTimeout(() => {
      this.retryTimer = undefined;
      void this.restore();
    }, this.options.retryMs ?? 5_000).unref();
  }
}

/** So often what was appended meanwhile is waited for until it is on the disk. */
const looks = 4;

/** So many pieces are joined in one turn of the event loop: some hundred kilobytes. */
const partsAtOnce = 256;

/** At once. @returns the bytes that were written */
function writeAll({ fd }: FileHandle, text: string): number {
  const bytes = Buffer.from(text);
  if (writeSync(fd, bytes) < bytes.length) throw new Error("the disk is full");
  return bytes.length;
}

/** Without keeping events waiting. @returns the bytes that were written */
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
