import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../src/state/directory-lock.js";
import { recover } from "../../src/state/image.js";
import { openStore, type Store } from "../../src/state/store.js";
import { collectLog, key, remembered } from "./support.js";

/** Why no disk of a test's own can be had here; undefined when it can. */
const noMount = whyNoMount();

function whyNoMount(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), "disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", path], { stdio: "pipe" });
    execFileSync("umount", [path], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : "mount failed";
  } finally {
    rmSync(path, { recursive: true });
  }
}

describe.skipIf(noMount !== undefined)(
  `a disk in trouble${noMount === undefined ? "" : ` (skipped: ${noMount})`}`,
  () => {
    let disk: string;
    let log: ReturnType<typeof collectLog>;
    const stores: Store[] = [];
    const locks: DirectoryLock[] = [];

    beforeEach(() => {
      disk = mkdtempSync(join(tmpdir(), "disk-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
      log = collectLog();
    });
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close();
      for (const lock of locks.splice(0)) await lock.release();
      execFileSync("umount", ["-l", disk]);
      rmSync(disk, { recursive: true });
    });

    const remount = (mode: "ro" | "rw") => execFileSync("mount", ["-o", `remount,${mode},size=64k`, disk]);
    const levels = () => log.lines.map(({ level }) => level);

    async function open(name = "state"): Promise<Store> {
      const directory = join(disk, name);
      const lock = new DirectoryLock(directory);
      locks.push(lock);
      const store = await openStore({ ...key, directory, lock, log, retryMs: 30, syncDelayMs: 10 });
      stores.push(store);
      return store;
    }

    async function until(condition: () => boolean): Promise<void> {
      for (let waited = 0; waited < 5000 && !condition(); waited += 10) await sleep(10);
      expect(condition()).toBe(true);
    }

    const fill = () => {
      for (let filled = 0; ; filled++) {
        try {
          writeFileSync(join(disk, "filler"), Buffer.alloc(512), { flag: "a" });
        } catch {
          return expect(filled).toBeGreaterThan(0);
        }
      }
    };

    const idsOnDisk = (name = "state") => {
      const file = readdirSync(join(disk, name)).find((entry) => entry.endsWith(".journal")) ?? "";
      return recover(readFileSync(join(disk, name, file)), key).entries.map(({ remembered: { id } }) => id);
    };

    it("that is full does not lose what can still be read of a damaged journal", async () => {
      const store = await open();
      for (const id of ["a", "b", "c"]) store.begin(remembered(id));
      await store.close();
      await locks.pop()?.release();
      const file = readdirSync(join(disk, "state")).find((entry) => entry.endsWith(".journal")) ?? "";
      const bytes = readFileSync(join(disk, "state", file));
      bytes.writeUInt8(0, bytes.indexOf('"id":"a"'));
      writeFileSync(join(disk, "state", file), bytes);
      fill();
      for (let start = 0; start < 2; start++) {
        const next = await open();
        expect(next.recovered.map((entry) => entry.remembered.id)).toEqual(["b", "c"]);
        await next.close();
        await locks.pop()?.release();
      }
    });

    it("that is full costs nothing but the journal, which is whole again when there is room", async () => {
      const store = await open();
      store.begin(remembered("first"));
      fill();
      for (let n = 0; n < 30; n++) store.begin(remembered(`c${n}`));
      expect(store.healthy).toBe(false);
      expect(store.problem).toMatch(/full|ENOSPC|no space/);
      expect(store.size).toBe(31);
      await sleep(150);
      store.forget("c1");
      expect(levels()).toEqual(["error"]);
      // What is there is sound, and what was there before is in it.
      expect(idsOnDisk()).toContain("first");
      rmSync(join(disk, "filler"));
      await until(() => store.healthy);
      expect(levels()).toEqual(["error", "info"]);
      expect(idsOnDisk()).toHaveLength(30);
      store.begin(remembered("last"));
      expect(idsOnDisk()).toContain("last");
    });

    it("that turns read-only does the same", async () => {
      const store = await open();
      store.begin(remembered("a"));
      // No disk can be made read-only under an open file, so the next bridge finds it so.
      await store.close();
      await locks[0]?.release();
      remount("ro");
      const next = await open();
      expect(next).toMatchObject({ healthy: false, recovered: [{ stage: "open" }] });
      next.begin(remembered("b"));
      await sleep(100);
      expect(levels()).toEqual(["error"]);
      remount("rw");
      await until(() => next.healthy);
      expect(idsOnDisk()).toEqual(["a", "b"]);
      expect(levels()).toEqual(["error", "info"]);
    });

    it("that is read-only and holds nothing is no reason not to start", async () => {
      remount("ro");
      const store = await open("not/yet/there");
      store.begin(remembered("a"));
      expect(store).toMatchObject({ healthy: false, recovered: [], size: 1 });
      remount("rw");
      await until(() => store.healthy);
      expect(idsOnDisk("not/yet/there")).toEqual(["a"]);
    });
  },
);

it("a directory in a file's place is no reason not to start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "state-"));
  const directory = join(folder, "state");
  writeFileSync(directory, "");
  const log = collectLog();
  const lock = new DirectoryLock(directory);
  const store = await openStore({ ...key, directory, lock, log, retryMs: 20 });
  store.begin(remembered("a"));
  expect(store).toMatchObject({ healthy: false, recovered: [] });
  rmSync(directory);
  mkdirSync(directory, { mode: 0o755 });
  while (!store.healthy) await sleep(10);
  await store.close();
  await lock.release();
  rmSync(folder, { recursive: true });
});
