import { chmodSync, chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../src/state/directory-lock.js";
import { recover } from "../../src/state/image.js";
import type { Recovered } from "../../src/state/journal.js";
import { createMemoryStore, openStore, type Store, type StoreOptions } from "../../src/state/store.js";
import { operate } from "./programs/operations.js";
import { buildProgram, runProgram } from "./programs/program.js";
import { collectLog, key, remembered, TemporaryFolder } from "./support.js";

describe("the journal on disk", () => {
  let folder: TemporaryFolder;
  let log: ReturnType<typeof collectLog>;
  let stores: Store[];
  let locks: DirectoryLock[];
  beforeEach(() => {
    folder = new TemporaryFolder();
    log = collectLog();
    stores = [];
    locks = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.close();
    for (const lock of locks) await lock.release();
    folder.remove();
  });

  async function open(more: Partial<StoreOptions> = {}): Promise<Store> {
    const directory = folder.at("state");
    const lock = locks[0] ?? new DirectoryLock(directory);
    locks = [lock];
    const store = await openStore({ ...key, directory, lock, log, retryMs: 50, ...more });
    stores.push(store);
    return store;
  }

  const journals = () => readdirSync(folder.at("state")).filter((name) => name.includes(".journal"));
  const journal = () => join(folder.at("state"), journals()[0] ?? "");
  const onDisk = () => recover(readFileSync(journal()), key).entries;

  it("gives back what was begun, and what of it was ended", async () => {
    const store = await open();
    expect(store.recovered).toEqual([]);
    for (const id of ["a", "b", "c", "d"]) store.begin(remembered(id));
    store.deleteBegun("b");
    store.deleteBegun("c");
    store.deleteDone("c");
    store.deleteBegun("d");
    store.deleteDone("d");
    store.forget("d");
    // Not closed: a bridge that is killed closes nothing.
    const expected: Recovered[] = [
      { remembered: remembered("a"), stage: "open" },
      { remembered: remembered("b"), stage: "rerun" },
      { remembered: remembered("c"), stage: "deleted" },
    ];
    expect((await open()).recovered).toEqual(expected);
    expect((await open()).recovered).toEqual(expected);
    expect(log.lines).toEqual([]);
    expect(store).toMatchObject({ healthy: true, size: 3 });
  });

  it("is ours alone, in a directory that is ours alone", async () => {
    const store = await open();
    store.begin(remembered("a"));
    expect(statSync(journal()).mode & 0o777).toBe(0o600);
    expect(statSync(folder.at("state")).mode & 0o777).toBe(0o700);
    expect(journals()).toEqual([expect.stringMatching(/^containerd-[0-9a-f]{16}\.journal$/)]);
  });

  it("is another one for another runtime or socket", async () => {
    (await open()).begin(remembered("a"));
    expect((await open({ runtime: "cri-o" })).recovered).toEqual([]);
    expect((await open({ socket: "/run/other.sock" })).recovered).toEqual([]);
    expect((await open()).recovered).toHaveLength(1);
  });

  it("stays small: what is deleted and forgotten is written out of it", async () => {
    const store = await open({ compactFromBytes: 8192 });
    for (let n = 0; n < 4000; n++) {
      operate(store, n);
      if (n % 8 === 0) await sleep(0);
    }
    expect(store.size).toBe(5);
    // It waits for a rewriting that has just begun.
    await store.close();
    // All that was written is over a megabyte. When the last rewriting began, more may have been open than is now.
    expect(statSync(journal()).size).toBeLessThan(64 * 1024);
    expect(store.bytes).toBe(statSync(journal()).size);
    expect(onDisk().map(({ remembered: { id } }) => id)).toEqual(["c995", "c996", "c997", "c998", "c999"]);
    expect(readdirSync(folder.at("state")).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  it("goes to the disk by itself", async () => {
    const store = await open({ syncDelayMs: 10 });
    store.begin(remembered("a"));
    await sleep(100);
    await Promise.all([store.sync(), store.sync(), store.sync()]);
    expect(store.healthy).toBe(true);
  });

  it("begins anew after a cut at any byte, with all that was before it", async () => {
    const store = await open();
    const steps = [
      () => store.begin(remembered("a")),
      () => store.begin(remembered("b")),
      () => store.deleteBegun("a"),
      () => store.deleteDone("a"),
      () => store.forget("a"),
      () => store.begin(remembered("c")),
      () => store.deleteBegun("c"),
    ];
    const ends: number[] = [];
    const before: (readonly Recovered[])[] = [];
    for (const step of steps) {
      step();
      ends.push(store.bytes);
      before.push(onDisk());
    }
    const bytes = readFileSync(journal());
    const header = bytes.indexOf("\n") + 1;
    const wrong: number[] = [];
    for (let cut = header; cut <= bytes.length; cut++) {
      const whole = ends.findLastIndex((end) => end <= cut);
      const { entries } = recover(bytes.subarray(0, cut), key);
      if (!isDeepStrictEqual(entries, before[whole] ?? [])) wrong.push(cut);
    }
    expect(wrong).toEqual([]);
    // What is cut on the disk is whole again after the next start.
    writeFileSync(journal(), bytes.subarray(0, bytes.length - 3));
    expect((await open()).recovered).toEqual(before.at(-2));
    expect(onDisk()).toEqual(before.at(-2));
    expect(log.lines).toEqual([]);
  });

  it.each([
    [
      "damaged in its first line",
      (path: string) => writeFileSync(path, `x${readFileSync(path, "utf8")}`),
      "its header",
    ],
    ["no journal", (path: string) => writeFileSync(path, "hello\n"), "damaged from its beginning"],
    ["writable for others", (path: string) => chmodSync(path, 0o666), "can be written by others than its owner"],
  ])("is put aside when it is %s", async (_, spoil, reason) => {
    (await open()).begin(remembered("a"));
    const path = journal();
    spoil(path);
    const spoilt = readFileSync(path);
    const store = await open();
    expect(store).toMatchObject({ recovered: [], healthy: true });
    expect(log.lines).toEqual([
      {
        level: "warn",
        sentence: "the journal cannot be used and was put aside: the bridge starts without a past",
        fields: { file: path, aside: `${path}.refused`, reason: expect.stringContaining(reason) },
      },
    ]);
    expect(readFileSync(`${path}.refused`)).toEqual(spoilt);
    store.begin(remembered("b"));
    expect((await open()).recovered).toHaveLength(1);
  });

  it("holds what can be read of it when a disk has spoilt a line", async () => {
    const store = await open();
    for (const id of ["a", "b", "c"]) store.begin(remembered(id));
    const path = journal();
    const spoilt = readFileSync(path);
    spoilt.writeUInt8(0, spoilt.indexOf('"id":"b"'));
    writeFileSync(path, spoilt);
    const next = await open();
    expect(next.recovered.map((entry) => entry.remembered.id)).toEqual(["a", "c"]);
    expect(log.lines).toMatchObject([
      {
        level: "warn",
        sentence: expect.stringMatching(/^the journal is damaged/),
        fields: { aside: `${path}.refused` },
      },
    ]);
    expect(readFileSync(`${path}.refused`)).toEqual(spoilt);
    next.begin(remembered("d"));
    expect((await open()).recovered).toHaveLength(3);
  });

  it.skipIf(process.geteuid?.() !== 0)("is put aside when it is another user's", async () => {
    (await open()).begin(remembered("a"));
    chownSync(journal(), 65534, 65534);
    expect((await open()).recovered).toEqual([]);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { reason: "is owned by user 65534" } }]);
  });

  it("is not touched while another instance has the lock, and is taken over when that one is gone", async () => {
    const other = new DirectoryLock(folder.at("state"));
    await other.tryAcquire();
    const theirs = await open({ lock: other });
    theirs.begin(remembered("a"));
    theirs.begin(remembered("b"));
    const late: Recovered[] = [];
    locks = [];
    const store = await open({ onLateRecovery: (recovered) => late.push(...recovered) });
    expect(store).toMatchObject({ healthy: false, recovered: [] });
    expect(store.problem).toContain("has locked");
    store.begin(remembered("b"));
    store.begin(remembered("c"));
    await theirs.close();
    await other.release();
    while (!store.healthy) await sleep(10);
    expect(late.map(({ remembered: { id } }) => id)).toEqual(["a"]);
    expect(
      onDisk()
        .map(({ remembered: { id } }) => id)
        .toSorted(),
    ).toEqual(["a", "b", "c"]);
    expect(log.lines.map(({ level }) => level)).toEqual(["error", "info"]);
  });

  it("holds all that a killed bridge has written, also when it was being written anew", async () => {
    const program = buildProgram("writer", folder.path);
    const rounds = [0, 1, 2, 3].map(async (round) => {
      const directory = folder.at(`killed-${round}`);
      const writer = runProgram(program, [directory]);
      await writer.line("1");
      await sleep(10 + Math.random() * 150);
      writer.child.kill("SIGKILL");
      await writer.ended;
      const written = Number(writer.lines.at(-1));
      const lock = new DirectoryLock(directory);
      const store = await openStore({ ...key, directory, lock, log });
      // One more may be written than it could say.
      expect([stateAfter(written), stateAfter(written + 1)]).toContainEqual(summary(store.recovered));
      await store.close();
      await lock.release();
    });
    await Promise.all(rounds);
    expect(log.lines).toEqual([]);
  });
});

it("the store of `state: memory` keeps nothing and is never in trouble", async () => {
  const store = createMemoryStore();
  store.begin(remembered("a"));
  await store.sync();
  expect(store).toMatchObject({ recovered: [], healthy: true, size: 0 });
  await store.close();
});

function summary(recovered: readonly Recovered[]): Record<string, string> {
  return Object.fromEntries(recovered.map(({ remembered: { id }, stage }) => [id, stage]));
}

/** What is left of so many operations, told without any code of the journal. */
function stateAfter(count: number): Record<string, string> {
  const stages: Record<string, string> = {};
  for (let n = 0; n < count; n++) {
    operate(
      {
        begin: ({ id }) => {
          stages[id] = "open";
        },
        deleteBegun: (id) => {
          if (stages[id] !== undefined) stages[id] = "rerun";
        },
        deleteDone: (id) => {
          if (stages[id] !== undefined) stages[id] = "deleted";
        },
        forget: (id) => {
          Reflect.deleteProperty(stages, id);
        },
      },
      n,
    );
  }
  return stages;
}
