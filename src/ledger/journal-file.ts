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
  /** The ledger that takes over the entries of an earlier bridge. The journal file gets each of its later changes. */
  readonly ledger: Ledger;
  readonly directory: string;
  readonly lock: DirectoryLock;
  readonly log: Log;
  /**
   * Called when the ledger takes over an earlier bridge's entries late, because the bridge could not read or lock the journal at
   * first.
   */
  readonly onLateRecovery?: () => void;
  /** Called when this bridge has locked the state directory. */
  readonly onLocked?: () => void;
  /** The time between a failure and the next try to use the disk, in milliseconds; 5,000 when undefined. */
  readonly retryMs?: number;
  /** The bridge does not compact a file of fewer bytes than this; 256 KiB when undefined. */
  readonly compactFromBytes?: number;
}

/**
 * Opens the journal of a runtime for the ledger. A disk that cannot be used is never an error: the journal is then not `healthy`,
 * the bridge goes on, and the journal writes the ledger when the disk works again.
 */
export async function openJournal(options: JournalOptions): Promise<JournalFile> {
  const journal = new JournalFile({ ...options, socket: canonicalSocket(options.socket) });
  await journal.open();
  return journal;
}

/** The bridge compacts a file that has grown to this many times its length after the last compaction. */
const growth = 4;
/** The most bytes of a journal: hundreds of thousands of pods. A longer file is not a journal of the bridge. */
const maxJournalBytes = 256 * 1024 * 1024;
/** Compaction writes the file in pieces of this many characters, so that each turn of the event loop stays short. */
const charactersAtOnce = 64 * 1024;

/**
 * The journal of one runtime on the disk. The bridge appends lines, and now and then compacts the file: it writes a new one from
 * the ledger. Appending is one write(2) into the page cache, which outlives the bridge, also when it is killed. A crash of the
 * machine, which ends all containers, loses what the kernel has not written yet. No method throws or waits because the disk fails:
 * a disk must not make an event fail.
 */
export class JournalFile {
  /** Why a crash of the bridge would lose the changes that the ledger records now; undefined when it would not. */
  problem: string | undefined;
  /** The length of the file in bytes. */
  bytes = 0;
  private readonly path: string;
  /** The path to which the bridge moves a journal that it cannot use. */
  private readonly aside: string;
  private handle: FileHandle | undefined;
  /** The lines appended while the file is opened or compacted, for the new file; undefined at other times. */
  private meanwhile: string | undefined;
  /** Lines that the bridge writes together with the next line, or in the next turn of the event loop. */
  private late = "";
  /** Whether the bridge has read the journal of an earlier bridge, or found none. */
  private read = false;
  /** The line end that the last line of the earlier bridge's file lacks; "" when it lacks none. */
  private end = "";
  /**
   * A journal that was moved aside and that the ledger has now taken over: the bridge removes it once its entries are in the file.
   */
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

  /** Locks and reads the journal. A runtime waits for this, so nothing here waits until the disk has written data. */
  async open(): Promise<void> {
    const { ledger } = this.options;
    // The ledger may have recorded creates before the file is open.
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
      // The file may now end in half a line; a reader notices by the checksum.
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

  /**
   * Locks the directory, reads the file into the ledger and writes the ledger to the file: at the start, and at each retry after a
   * failure.
   */
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

  /** Opens the existing file and appends to it. */
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
    // The last entry of an id holds: those of the journal are newer than those of a journal that was moved aside.
    const entries = [this.aside, this.path].flatMap((file) => this.readTrusted(file));
    this.read = true;
    if (this.options.ledger.adopt(entries) && this.opened) this.options.onLateRecovery?.();
  }

  /**
   * The entries of a journal. The bridge moves a journal that it cannot use aside, replacing one moved aside before, and takes no
   * entry from it. Each start reads the one moved aside again: an operator may have corrected its owner and mode, or the bridge may
   * be back at the version that wrote it. Pods and containers that have ended in the meantime may then get a second delete; without
   * this, those that ended while no bridge ran would get none.
   *
   * @throws the system's error when the journal cannot be read
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
        log.warn(
          fields,
          "the bridge can use this journal again, which it had kept aside: it delivers the deletes that the journal lists",
        );
        return entries;
      }
      this.end = content.subarray(-1).toString() === "\n" ? "" : "\n";
      if (isDamaged) log.warn(fields, "the journal is damaged: the bridge uses the lines that it can read");
      return entries;
    } catch (error) {
      if (file !== aside) {
        if (!(error instanceof BridgeError)) throw error;
        renameSync(file, aside);
        this.takenOver = undefined;
      }
      const fields = { file, reason: errorText(error), aside };
      log.warn(
        fields,
        "the bridge cannot use this journal and keeps it aside: the deletes that it lists do not run now",
      );
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
        // The bridge may have appended much during the compaction.
        if (this.healthy && !this.closed) this.compactIfLong();
      });
    return this.rewriting;
  }

  /**
   * Replaces the file by a new one with the present ledger, by a rename: a crash leaves the old file or the new one, whole. A line
   * appended in the meantime is in both files. It follows the ledger's lines in the new file, and the last line of an id holds.
   *
   * @throws the system's error; the old file is then unchanged
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
      // From here to the rename there is no `await`, so nothing can be appended in between.
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

  /** Makes `handle` the journal's open file, or leaves it without one. Errors of closing the previous file do not matter. */
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
      const sentence = "the bridge goes on without its journal: a crash would lose deletes that plugins have to get";
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

/** The journal's path: it shows the runtime's name, and its digest differs for each runtime and socket. */
function journalPath(directory: string, { runtime, socket }: JournalKey): string {
  const digest = createHash("sha256").update(`${runtime}\0${socket}`).digest("hex").slice(0, 16);
  return join(directory, `${runtime.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}-${digest}.journal`);
}

/** A socket's path with links in its directory resolved, such as `/var/run`: two paths of one socket give one key. */
function canonicalSocket(path: string): string {
  return attempt(() => join(realpathSync(dirname(path)), basename(path))) ?? path;
}

/** Writes the text before it returns. @returns the number of bytes written @throws Error when the disk takes fewer */
function writeAll({ fd }: FileHandle, text: string): number {
  const bytes = Buffer.from(text);
  if (writeSync(fd, bytes) < bytes.length) throw new Error("the disk is full");
  return bytes.length;
}

/**
 * Writes the text without blocking the event loop.
 * @returns the number of bytes written
 * @throws Error when the disk takes fewer
 */
async function writeWhole(file: FileHandle, text: string): Promise<number> {
  const { bytesWritten } = await file.write(text);
  if (bytesWritten < Buffer.byteLength(text)) throw new Error("the disk is full");
  return bytesWritten;
}
