import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../src/ledger/directory-lock.js";
import { parseJournal } from "../../src/ledger/journal.js";
import { type JournalFile, openJournal } from "../../src/ledger/journal-file.js";
import { Ledger } from "../../src/ledger/ledger.js";
import { collectLog, container, entriesOf, key, statesOf } from "./support.js";

/** Whether a test can have a disk of its own here. */
const probe = mkdtempSync(join(tmpdir(), "disk-"));
const canMount = spawnSync("mount", ["-t", "tmpfs", "tmpfs", probe]).status === 0;
if (canMount) execFileSync("umount", [probe]);
rmSync(probe, { recursive: true });

describe.skipIf(!canMount)("a disk in trouble", () => {
  let disk: string;
  let log: ReturnType<typeof collectLog>;
  const journals: JournalFile[] = [];
  const locks: DirectoryLock[] = [];

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), "disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    log = collectLog();
  });
  afterEach(async () => {
    for (const journal of journals.splice(0)) await journal.close();
    for (const lock of locks.splice(0)) await lock.release();
    execFileSync("umount", ["-l", disk]);
    rmSync(disk, { recursive: true });
  });

  const remount = (mode: "ro" | "rw") => execFileSync("mount", ["-o", `remount,${mode},size=64k`, disk]);
  const levels = () => log.lines.map(({ level }) => level);

  async function open() {
    const directory = join(disk, "state");
    const lock = new DirectoryLock(directory);
    locks.push(lock);
    const ledger = new Ledger();
    const journal = await openJournal({ ...key, ledger, directory, lock, log, retryMs: 30 });
    journals.push(journal);
    return { ledger, journal };
  }

  const isHealthy = (journal: JournalFile) =>
    expect.poll(() => journal.healthy, { interval: 10, timeout: 5_000 }).toBe(true);

  const fill = () => {
    for (let filled = 0; ; filled++) {
      try {
        writeFileSync(join(disk, "filler"), Buffer.alloc(512), { flag: "a" });
      } catch {
        return expect(filled).toBeGreaterThan(0);
      }
    }
  };

  const path = () =>
    join(disk, "state", readdirSync(join(disk, "state")).find((entry) => entry.endsWith(".journal")) ?? "");

  const idsOnDisk = () => {
    const { entries, isDamaged } = parseJournal(readFileSync(path()), key);
    // Half a line may be the last one.
    expect(isDamaged).toBe(false);
    return entries.map(({ created: { id } }) => id);
  };

  it("that is full costs nothing but the journal, which is whole again when there is room", async () => {
    const { ledger, journal } = await open();
    ledger.record(container("first"));
    fill();
    for (let n = 0; n < 30; n++) ledger.record(container(`c${n}`));
    expect(journal.healthy).toBe(false);
    expect(journal.problem).toMatch(/full|ENOSPC|no space/);
    expect(ledger.size).toBe(31);
    await sleep(150);
    ledger.skipDelete("c1");
    ledger.forget("c1");
    expect(levels()).toEqual(["error"]);
    // What is there is sound, and what was there before is in it.
    expect(idsOnDisk()).toContain("first");
    rmSync(join(disk, "filler"));
    await isHealthy(journal);
    expect(levels()).toEqual(["error", "info"]);
    expect(idsOnDisk()).toHaveLength(30);
    ledger.record(container("last"));
    expect(idsOnDisk()).toContain("last");
  });

  it("that turns read-only does the same", async () => {
    const { ledger, journal } = await open();
    ledger.record(container("a"));
    // No disk can be made read-only under an open file, so the next bridge finds it so.
    await journal.close();
    await locks[0]?.release();
    remount("ro");
    const next = await open();
    expect([next.journal.healthy, statesOf(entriesOf(next.ledger))]).toEqual([false, { a: "open" }]);
    next.ledger.record(container("b"));
    await sleep(100);
    expect(levels()).toEqual(["error"]);
    remount("rw");
    await isHealthy(next.journal);
    expect(idsOnDisk()).toEqual(["a", "b"]);
    expect(levels()).toEqual(["error", "info"]);
  });
});
