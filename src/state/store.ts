import { existsSync } from "node:fs";
import { errorText } from "../errors.js";
import { readRegularFile } from "../files.js";
import type { Log } from "../logger.js";
import { canonicalSocket, copyAside, journalPath, prepareDirectory, setAside, whyUntrusted } from "./directory.js";
import type { DirectoryLock } from "./directory-lock.js";
import { Image, type JournalKey, recover } from "./image.js";
import { type Journal, noJournal, type Recovered } from "./journal.js";
import { JournalFile } from "./journal-file.js";
import type { Remembered } from "./memory.js";

/** The journal of one runtime, open for writing; see Journal for what is written. */
export interface Store extends Journal {
  /** What an earlier bridge left; with `rerun` where its delete had begun and not ended. */
  readonly recovered: readonly Recovered[];
  /** Whether what happens now will be there after a crash. */
  readonly healthy: boolean;
  /** Why it is not healthy; undefined when it is. */
  readonly problem: string | undefined;
  /** How many pods and containers it holds. */
  readonly size: number;
  /** Bytes of its file. */
  readonly bytes: number;
  /** Resolves when all that was written before outlives a crash of the machine. Never rejects. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface StoreOptions extends JournalKey {
  readonly directory: string;
  readonly lock: DirectoryLock;
  readonly log: Log;
  /** Gets what was recovered later, when the journal could not be read or locked at first. */
  readonly onLateRecovery?: (recovered: readonly Recovered[]) => void;
  /** Called once, when the directory is ours alone. */
  readonly onLocked?: () => void;
  /** Between a write and its way to the disk, in milliseconds: crashes of the machine cost that much. */
  readonly syncDelayMs?: number;
  /** Between two tries to write again after a failure, in milliseconds. */
  readonly retryMs?: number;
  /** A file below this is never written anew, in bytes. */
  readonly compactFromBytes?: number;
}

/** The store of `state: memory`: nothing outlives us. */
export function createMemoryStore(): Store {
  const nothing = async () => {};
  const facts = { recovered: [], healthy: true, problem: undefined, size: 0, bytes: 0 };
  return { ...noJournal, ...facts, sync: nothing, close: nothing };
}

/**
 * Opens the journal of a runtime and reads what an earlier bridge left in it. A disk that cannot be used is never an
 * error: the store says that it is not healthy, the bridge serves on, and the journal is written when the disk is back.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = new FileStore({ ...options, socket: canonicalSocket(options.socket) });
  await store.open();
  return store;
}

/** A file is written anew when it is so many times as long as what it amounted to at the last time. */
const growth = 4;
/** Hundreds of thousands of pods: what is longer is none of ours. */
const maxJournalBytes = 512 * 1024 * 1024;
const lineEnd = 0x0a;

class FileStore implements Store {
  recovered: readonly Recovered[] = [];
  problem: string | undefined;
  private readonly image: Image;
  private readonly file: JournalFile;
  private readonly path: string;
  /** The journal that was there has been read, or there was none. */
  private read = false;
  /** How much of the file that was there to go on with, 0 when there is none; and what ends its last line. */
  private there = { bytes: 0, end: "" };
  private opened = false;
  private closed = false;
  private rewriting: Promise<void> | undefined;
  private syncing: Promise<void> | undefined;
  private syncTimer: NodeJS.Timeout | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private compactAtBytes = 0;

  constructor(private readonly options: StoreOptions) {
    this.path = journalPath(options.directory, options);
    this.image = new Image(options);
    this.file = new JournalFile(this.path);
  }

  /** A runtime waits meanwhile: nothing here waits for a disk to be done with writing. */
  async open(): Promise<void> {
    await this.restore(() => this.resume());
    this.opened = true;
    if (this.healthy && !this.closed) void this.rewrite();
  }

  get healthy(): boolean {
    return this.problem === undefined;
  }

  get size(): number {
    return this.image.size;
  }

  get bytes(): number {
    return this.file.size;
  }

  begin(remembered: Remembered): void {
    this.append(this.image.begin(remembered));
  }

  deleteBegun(id: string): void {
    this.append(this.image.deleteBegun(id));
  }

  deleteDone(id: string): void {
    this.append(this.image.deleteDone(id));
  }

  forget(id: string): void {
    this.append(this.image.forget(id));
  }

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

  private append(line: string): void {
    if (line === "" || this.closed) return;
    try {
      this.file.append(line);
    } catch (error) {
      this.fail(error);
    }
    this.syncTimer ??= setTimeout(() => void this.sync(), this.options.syncDelayMs ?? 500).unref();
    if (this.healthy) this.compactIfLong();
  }

  /** Brings file and image together: at the start, and when a disk may be back. */
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
    try {
      await this.file.resume(this.there.bytes, this.there.bytes === 0 ? this.image.text() : this.there.end);
    } catch (error) {
      this.fail(error);
    }
  }

  private readOnce(): void {
    if (this.read) return;
    const recovered = this.image.adopt(this.readJournal());
    this.read = true;
    this.recovered = recovered;
    if (this.opened && recovered.length > 0) this.options.onLateRecovery?.(recovered);
  }

  /** What the file holds; one that cannot be used is put aside, and nothing of it is believed. */
  private readJournal(): readonly Recovered[] {
    const { path } = this;
    let reason = whyUntrusted(path);
    if (reason === undefined) {
      if (!existsSync(path)) return [];
      const bytes = readRegularFile(path, maxJournalBytes);
      try {
        const { entries, soundBytes, damage } = recover(bytes, this.options);
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

  private rewrite(): Promise<void> {
    this.rewriting ??= this.rewriteNow();
    return this.rewriting;
  }

  private async rewriteNow(): Promise<void> {
    try {
      const bytes = await this.file.rewrite(this.image.parts());
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
