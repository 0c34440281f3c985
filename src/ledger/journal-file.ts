import { createHash } from "node:crypto";
import { existsSync, fchmodSync, fstatSync, realpathSync, renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { attempt, BridgeError, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { prepareDirectory, whyUntrusted } from "./directory.js";
import type { DirectoryLock } from "./directory-lock.js";
import { formatHeader, type JournalKey, parseJournal } from "./journal.js";
import type { Ledger, LedgerEntry } from "./ledger.js";

export interface JournalOptions extends JournalKey {
  /** Takes over what an earlier bridge left, and is written from then on. */
  readonly ledger: Ledger;
  readonly directory: string;
  readonly lock: DirectoryLock;
  readonly log: Log;
  /** Called when the journal could not be read or locked at first, and the ledger has now taken over what is in it. */
  readonly onLateRecovery?: () => void;
  /** Called when the directory is ours alone. */
  readonly onLocked?: () => void;
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

/** A file is written anew when it is this many times as long as after the last time. */
const growth = 4;
/** Hundreds of thousands of pods: what is longer is none of ours. */
const maxJournalBytes = 256 * 1024 * 1024;
/** Characters of the lines that are made in one turn of the event loop. */
const charactersAtOnce = 64 * 1024;

/**
 * The journal of one runtime on the disk: lines are appended to it, and now and then it is written anew. Appending is one
 * write(2) into the page cache, which outlives us, also when we are killed; a crash of the machine, which ends all containers,
 * costs what the kernel has not written yet. No call fails or waits: what a disk does not take is never an event's trouble.
 */
export class JournalFile {
  /** Why what happens now would not be there after a crash; undefined when it would. */
  problem: string | undefined;
  /** Bytes of the file. */
  bytes = 0;
  private readonly path: string;
  /** Where a journal is put that cannot be used. */
  private readonly aside: string;
  private handle: FileHandle | undefined;
  /** Lines that were appended while the file is opened or written anew, for the new one. */
  private meanwhile: string | undefined;
  /** What is appended with the next line. */
  private late = "";
  /** The journal that was there has been read, or there was none. */
  private read = false;
  /** The end of the last line of the file that was there. */
  private end = "";
  /** A journal that was put aside and has been taken over now: it goes when its lines are in the file. */
  private takenOver: string | undefined;
  private opened = false;
  private closed = false;
  private rewriting: Promise<void> | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private compactAtBytes = 0;

  constructor(private readonly options: JournalOptions) {
    this.path = journalPath(options.directory, options);
    this.aside = `${this.path}.refused`;
  }

  /** A runtime waits meanwhile: nothing here waits for a disk to be done with writing. */
  async open(): Promise<void> {
    const { ledger } = this.options;
    // The ledger may know more than the file.
    this.meanwhile = [...ledger.lines()].join("");
    ledger.attach(this);
    await this.restore(() => this.resume());
    this.opened = true;
    this.meanwhile = undefined;
    if (this.healthy && !this.closed) void this.rewrite();
  }

  get healthy(): boolean {
    return this.problem === undefined;
  }

  append(line: string, isLate = false): void {
    if (isLate && this.late === "") setImmediate(() => this.append(""));
    const lines = this.late + line;
    this.late = isLate ? lines : "";
    if (!isLate && !this.closed && lines !== "") this.write(lines);
  }

  private write(line: string): void {
    if (this.meanwhile !== undefined) this.meanwhile += line;
    try {
      if (this.handle !== undefined) this.bytes += writeAll(this.handle, line);
    } catch (error) {
      // Half a line may be there: its checksum tells.
      this.useHandle(undefined);
      this.fail(error);
    }
    if (this.opened && this.healthy) this.compactIfLong();
  }

  async close(): Promise<void> {
    this.append("");
    this.closed = true;
    clearTimeout(this.retryTimer);
    await this.rewriting;
    await this.handle?.close();
    this.handle = undefined;
  }

  /** Brings file and ledger together: at the start, and when a disk may be back. */
  private async restore(write = () => this.rewrite()): Promise<void> {
    const { directory, lock, onLocked } = this.options;
    const outcome = await lock.tryAcquire();
    if (this.closed) return;
    if (outcome.kind === "taken") return this.fail(new Error(`${outcome.holder} has locked ${directory}`));
    try {
      prepareDirectory(directory);
      if (outcome.kind === "held") onLocked?.();
      this.readOnce();
    } catch (error) {
      return this.fail(error);
    }
    if (outcome.kind === "unavailable") return this.fail(new Error(outcome.reason));
    await write();
  }

  /** Goes on with the file that is there. */
  private async resume(): Promise<void> {
    try {
      const handle = await open(this.path, "a", 0o600);
      this.useHandle(handle);
      fchmodSync(handle.fd, 0o600);
      this.bytes = fstatSync(handle.fd).size;
      const start = this.bytes === 0 ? formatHeader(this.options) : this.end;
      this.bytes += writeAll(handle, start + this.meanwhile);
    } catch (error) {
      this.useHandle(undefined);
      this.fail(error);
    }
  }

  private readOnce(): void {
    if (this.read) return;
    // The journal's line of an id is later than that of a journal that was moved aside.
    const entries = [this.aside, this.path].flatMap((file) => this.readTrusted(file));
    this.read = true;
    if (this.options.ledger.adopt(entries) && this.opened) this.options.onLateRecovery?.();
  }

  /**
   * The content of a journal. One that cannot be used is moved aside, in the place of an earlier one, and nothing of it is used. Each
   * start reads it: its owner and mode may have been set right, or it is of the version that this bridge has again. What has
   * ended in the meantime may get a second delete then, where without it all that ended unseen would get none.
   *
   * @throws the system's error when it cannot be read
   */
  private readTrusted(file: string): readonly LedgerEntry[] {
    const { aside } = this;
    const { log } = this.options;
    if (!existsSync(file)) return [];
    try {
      const fault = whyUntrusted(file);
      if (fault !== null) throw new BridgeError("STATE", fault);
      const content = readRegularFile(file, maxJournalBytes);
      const { entries, isDamaged } = parseJournal(content, this.options);
      const fields = { file, read: entries.length };
      if (file === aside) {
        this.takenOver = file;
        log.warn(fields, "a journal that was moved aside is usable again: the bridge owes its deletes");
        return entries;
      }
      this.end = content.subarray(-1).toString() === "\n" ? "" : "\n";
      if (isDamaged) log.warn(fields, "journal damaged: using the lines that can be read");
      return entries;
    } catch (error) {
      if (file !== aside) {
        if (!(error instanceof BridgeError)) throw error;
        renameSync(file, aside);
        this.takenOver = undefined;
      }
      const fields = { file, reason: errorText(error), aside };
      log.warn(fields, "journal unusable, moved aside: deletes owed from before are lost");
      return [];
    }
  }

  private rewrite(): Promise<void> {
    this.rewriting ??= this.replace()
      .then(() => {
        if (!this.healthy) this.options.log.info({ file: this.path }, "the bridge can write the journal again");
        this.problem = undefined;
      })
      .catch((error) => this.fail(error))
      .then(() => {
        this.rewriting = undefined;
        // Much may have been written in the meantime.
        if (this.healthy && !this.closed) this.compactIfLong();
      });
    return this.rewriting;
  }

  /**
   * Puts a new file in the place of the old one, whole or not at all: whatever happens meanwhile, one of the two is
   * there. What is appended in the meantime is in both, and the last word of an id holds: it may be later than its lines here.
   *
   * @throws the system's error; the old file is as it was
   */
  private async replace(): Promise<void> {
    const path = `${this.path}.new`;
    let fresh: FileHandle | undefined;
    try {
      await rm(path, { force: true });
      fresh = await open(path, "wx", 0o600);
      this.meanwhile = "";
      let bytes = 0;
      let text = formatHeader(this.options);
      for (const lines of this.options.ledger.lines()) {
        text += lines;
        if (text.length < charactersAtOnce) continue;
        bytes += await writeWhole(fresh, text);
        text = "";
      }
      bytes += await writeWhole(fresh, text);
      await fresh.datasync();
      // From here on nothing can be appended until this turn of the event loop ends.
      bytes += writeAll(fresh, this.meanwhile);
      renameSync(path, this.path);
      this.useHandle(fresh);
      fresh = undefined;
      this.bytes = bytes;
      this.compactAtBytes = Math.max(this.options.compactFromBytes ?? 256 * 1024, bytes * growth);
      if (this.takenOver !== undefined) await rm(this.takenOver, { force: true });
      this.takenOver = undefined;
    } finally {
      this.meanwhile = undefined;
      await fresh?.close();
      if (fresh !== undefined) await rm(path, { force: true }).catch(() => {});
    }
  }

  /** From now on this is the file, if there is one. How closing the one before ends is of no interest. */
  private useHandle(handle: FileHandle | undefined): void {
    this.handle?.close().catch(() => {});
    this.handle = handle;
  }

  private compactIfLong(): void {
    if (this.bytes >= this.compactAtBytes) void this.rewrite();
  }

  private fail(error: unknown): void {
    const text = errorText(error);
    if (this.healthy) {
      const sentence = "cannot write the journal: the bridge goes on, and a crash would lose the deletes that it owes";
      this.options.log.error({ file: this.path, error: text }, sentence);
    }
    this.problem = text;
    if (this.closed) return;
    this.retryTimer ??= setTimeout(() => {
      this.retryTimer = undefined;
      void this.restore();
    }, this.options.retryMs ?? 5_000).unref();
  }
}

/** The journal's path: readable as far as it goes, and another one for each runtime and socket. */
function journalPath(directory: string, { runtime, socket }: JournalKey): string {
  const digest = createHash("sha256").update(`${runtime}\0${socket}`).digest("hex").slice(0, 16);
  return join(directory, `${runtime.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}-${digest}.journal`);
}

/** A socket's path without the links on the way to it, as `/var/run` is one: two names of one socket are one key. */
function canonicalSocket(path: string): string {
  return attempt(() => join(realpathSync(dirname(path)), basename(path))) ?? path;
}

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
