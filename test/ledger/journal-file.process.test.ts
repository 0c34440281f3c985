import { chmodSync, chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../src/ledger/directory-lock.js";
import { formatLine, parseJournal } from "../../src/ledger/journal.js";
import { type JournalFile, type JournalOptions, openJournal } from "../../src/ledger/journal-file.js";
import { Ledger, type LedgerEntry } from "../../src/ledger/ledger.js";
import { makeFolder } from "../support/places.js";
import { operate } from "./programs/operations.js";
import { buildProgram, runProgram } from "./programs/program.js";
import { collectLog, container, entriesOf, key, statesOf } from "./support.js";

/** Only root can give a file away. */
const anotherUsers: [string, (file: string) => void, string] = [
  "another user's",
  (file) => chownSync(file, 65534, 65534),
  "it belongs to user 65534",
];

describe("the journal on disk", () => {
  let folder: string;
  let log: ReturnType<typeof collectLog>;
  let journals: JournalFile[];
  let locks: DirectoryLock[];
  beforeEach(() => {
    folder = makeFolder();
    log = collectLog();
    journals = [];
    locks = [];
  });
  afterEach(async () => {
    for (const journal of journals) await journal.close();
    for (const lock of locks) await lock.release();
  });

  async function open(more: Partial<JournalOptions> = {}) {
    const directory = join(folder, "state");
    const lock = locks[0] ?? new DirectoryLock(directory);
    locks = [lock];
    const { ledger = new Ledger() } = more;
    const onLateRecovery = () => log.warn({}, "late");
    const journal = await openJournal({ ...key, ledger, directory, lock, log, retryMs: 50, onLateRecovery, ...more });
    journals.push(journal);
    return { ledger, journal };
  }

  /** What the next bridge finds. */
  const recovered = async (more: Partial<JournalOptions> = {}) => entriesOf((await open(more)).ledger);

  const files = () => readdirSync(join(folder, "state")).filter((name) => name.includes(".journal"));
  const path = () => join(join(folder, "state"), files()[0] ?? "");
  const onDisk = () => parseJournal(readFileSync(path()), key).entries;

  it("gives back what was begun, and what of it was ended", async () => {
    const { ledger, journal } = await open();
    for (const id of ["a", "b", "c", "d"]) ledger.record(container(id));
    for (const id of ["b", "c", "d"]) ledger.takeDelete(id);
    for (const id of ["c", "d"]) ledger.endDelete(id);
    ledger.forget("d");
    await new Promise((nextTurn) => setImmediate(nextTurn));
    // Not closed: a bridge that is killed closes nothing.
    const expected: LedgerEntry[] = [
      { created: container("a"), state: "open" },
      { created: container("b"), state: "rerun" },
      { created: container("c"), state: "deleted" },
    ];
    expect(await recovered()).toEqual(expected);
    expect(await recovered()).toEqual(expected);
    expect(log.lines).toEqual([]);
    expect(journal.healthy).toBe(true);
  });

  it("is another one for another runtime or socket", async () => {
    (await open()).ledger.record(container("a"));
    expect(await recovered({ runtime: "cri-o" })).toEqual([]);
    expect(await recovered({ socket: "/run/other.sock" })).toEqual([]);
    expect(await recovered()).toHaveLength(1);
    expect(log.lines).toEqual([]);
  });

  it("goes on in a line of its own behind half a line, which a kill left", async () => {
    (await open()).ledger.record(container("a"));
    writeFileSync(path(), "12345678 {", { flag: "a" });
    const { ledger } = await open();
    ledger.record(container("b"));
    // It is written anew from the next turn on.
    expect(statesOf(onDisk())).toEqual({ a: "open", b: "open" });
  });

  it("is ours alone, in a directory that is ours alone", async () => {
    (await open()).ledger.record(container("a"));
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "state")).mode & 0o777).toBe(0o700);
    expect(files()).toEqual([expect.stringMatching(/^containerd-[0-9a-f]{16}\.journal$/)]);
  });

  it("gets all that a ledger knows when that goes on with another one, beside what is there", async () => {
    (await open({ runtime: "cri-o" })).ledger.record(container("theirs"));
    const { ledger } = await open();
    for (const id of ["a", "b"]) ledger.record(container(id));
    ledger.takeDelete("b");
    const opening = open({ runtime: "cri-o", ledger });
    ledger.record(container("meanwhile"));
    ledger.endDelete("b");
    await opening;
    const all = { theirs: "open", a: "open", b: "deleted", meanwhile: "open" };
    expect(statesOf(await recovered({ runtime: "cri-o" }))).toEqual(all);
  });

  it("stays small: what is deleted and forgotten is written out of it", async () => {
    const { ledger, journal } = await open({ compactFromBytes: 8192 });
    for (let n = 0; n < 4000; n++) {
      operate(ledger, n);
      if (n % 8 === 0) await sleep(0);
    }
    expect(ledger.size).toBe(5);
    // It waits for a rewriting that has just begun.
    await journal.close();
    // All that was written is more than 400 KiB. A busy disk takes long, and what is written meanwhile is in the new file too.
    expect(statSync(path()).size).toBeLessThan(256 * 1024);
    expect(journal.bytes).toBe(statSync(path()).size);
    expect(onDisk().map(({ created: { id } }) => id)).toEqual(["c995", "c996", "c997", "c998", "c999"]);
    expect(files()).toEqual([basename(path())]);
  });

  it("is whole again at the next start when a crash has cut its last line", async () => {
    const { ledger } = await open();
    for (const id of ["a", "b"]) ledger.record(container(id));
    ledger.takeDelete("a");
    writeFileSync(path(), readFileSync(path()).subarray(0, -3));
    const before = { a: "open", b: "open" };
    expect(statesOf(await recovered())).toEqual(before);
    expect(statesOf(onDisk())).toEqual(before);
    expect(log.lines).toEqual([]);
  });

  it.each([
    ["no journal", (file: string) => writeFileSync(file, "hello\n"), "the journal has no valid line"],
    ...(process.geteuid?.() === 0 ? [anotherUsers] : []),
    ["writable for others", (file: string) => chmodSync(file, 0o666), "mode 0666 lets any user write it"],
  ])("is put aside when it is %s", async (_, spoil, reason) => {
    (await open()).ledger.record(container("a"));
    const file = path();
    spoil(file);
    const spoilt = readFileSync(file);
    const { ledger, journal } = await open();
    expect([ledger.size, journal.healthy]).toEqual([0, true]);
    expect(log.lines).toEqual([
      {
        level: "warn",
        sentence: "the bridge cannot use this journal and keeps it aside: the deletes that it lists do not run now",
        fields: { file, aside: `${file}.refused`, reason: expect.stringContaining(reason) },
      },
    ]);
    expect(readFileSync(`${file}.refused`)).toEqual(spoilt);
    ledger.record(container("b"));
    expect(await recovered()).toHaveLength(1);
  });

  it("gives what it owes at the next start when it was put aside and can be used again, once", async () => {
    const bridge = async (...ids: string[]) => {
      const { ledger, journal } = await open();
      for (const id of ids) ledger.record(container(id));
      await journal.close();
      return statesOf(entriesOf(ledger));
    };
    await bridge("a");
    const file = path();
    const before = readFileSync(file);
    writeFileSync(file, formatLine('{"type":"header","version":2}'));
    await bridge("b");
    log.lines.length = 0;
    expect(await bridge()).toEqual({ b: "open" });
    writeFileSync(`${file}.refused`, before);
    for (let start = 0; start < 2; start++) expect(await bridge()).toEqual({ a: "open", b: "open" });
    expect([files(), statesOf(onDisk())]).toEqual([[basename(file)], { a: "open", b: "open" }]);
    expect(log.lines).toMatchObject([
      { level: "warn", fields: { reason: "the journal has version 2, and this bridge reads version 1" } },
      { level: "warn", sentence: expect.stringMatching(/can use this journal again/), fields: { read: 1 } },
    ]);
  });

  it.each([
    ["a line", '"id":"b"', { a: "open", c: "open" }],
    ["its header", '"header"', { a: "open", b: "open", c: "open" }],
  ])("holds what can be read of it when a disk has spoilt %s", async (_, text, left) => {
    const { ledger } = await open();
    for (const id of ["a", "b", "c"]) ledger.record(container(id));
    const file = path();
    const spoilt = readFileSync(file);
    spoilt.writeUInt8(0, spoilt.indexOf(text));
    writeFileSync(file, spoilt);
    const next = await open();
    expect(statesOf(entriesOf(next.ledger))).toEqual(left);
    expect(log.lines).toMatchObject([
      {
        level: "warn",
        sentence: expect.stringMatching(/^the journal is damaged/),
        fields: { file, read: Object.keys(left).length },
      },
    ]);
    next.ledger.record(container("d"));
    expect(statesOf(await recovered())).toEqual({ ...left, d: "open" });
  });

  it("has an end of a delete after what is done with it, before any later line, and when it is closed", async () => {
    const { ledger, journal } = await open();
    for (const id of ["a", "b"]) {
      ledger.record(container(id));
      ledger.takeDelete(id);
    }
    const states: unknown[] = [];
    const look = () => states.push(statesOf(onDisk()));
    ledger.endDelete("a");
    look();
    ledger.record(container("c"));
    look();
    ledger.endDelete("b");
    await journal.close();
    look();
    expect(states).toEqual([
      { a: "rerun", b: "rerun" },
      { a: "deleted", b: "rerun", c: "open" },
      { a: "deleted", b: "deleted", c: "open" },
    ]);
  });

  it("is not touched while another instance has the lock, and is taken over when that one is gone", async () => {
    const other = new DirectoryLock(join(folder, "state"));
    await other.tryAcquire();
    const theirs = await open({ lock: other });
    for (const id of ["a", "b"]) theirs.ledger.record(container(id));
    theirs.ledger.takeDelete("b");
    let late = 0;
    locks = [];
    const { ledger, journal } = await open({ onLateRecovery: () => late++ });
    expect([ledger.size, journal.healthy]).toEqual([0, false]);
    expect(journal.problem).toContain("has locked");
    for (const id of ["b", "c"]) ledger.record(container(id));
    await theirs.journal.close();
    await other.release();
    while (!journal.healthy) await sleep(10);
    expect(late).toBe(1);
    const all = { a: "open", b: "open", c: "open" };
    expect([statesOf(entriesOf(ledger)), statesOf(onDisk())]).toEqual([all, all]);
    expect(log.lines.map(({ level }) => level)).toEqual(["error", "info"]);
  });

  it("holds all that a killed bridge has written, also when it was being written anew", async () => {
    const program = buildProgram("writer", folder);
    const rounds = [0, 1, 2, 3].map(async (round) => {
      const directory = join(folder, `killed-${round}`);
      const writer = runProgram(program, [directory]);
      await writer.line("1");
      await sleep(10 + Math.random() * 150);
      writer.child.kill("SIGKILL");
      await writer.ended;
      const written = Number(writer.lines.at(-1));
      const lock = new DirectoryLock(directory);
      const ledger = new Ledger();
      const journal = await openJournal({ ...key, ledger, directory, lock, log });
      // One more may be written than it could say.
      expect([stateAfter(written), stateAfter(written + 1)]).toContainEqual(statesOf(entriesOf(ledger)));
      await journal.close();
      await lock.release();
    });
    await Promise.all(rounds);
    expect(log.lines).toEqual([]);
  });

  it("is written anew with every line, although it is written to without a pause", async () => {
    const { ledger, journal } = await open();
    const before = statSync(path()).ino;
    const expected: Record<string, string> = {};
    const giveUpAt = performance.now() + 10_000;
    while (statSync(path()).ino === before && performance.now() < giveUpAt) {
      const { id } = ledger.record(container(`c${Object.keys(expected).length}`));
      expected[id] = "open";
      await new Promise((nextTurn) => setImmediate(nextTurn));
    }
    expect(statSync(path()).ino, "it was never written anew").not.toBe(before);
    expect(statesOf(onDisk())).toEqual(expected);
    expect(journal.bytes).toBe(statSync(path()).size);
  });
});

/** What is left of so many operations, told without any code of the journal. */
function stateAfter(count: number): Record<string, string> {
  const states = new Map<string, string>();
  const advance = (state: string) => (id: string) => void (states.has(id) && states.set(id, state));
  const picture = {
    record: ({ id }: { readonly id: string }) => states.set(id, "open"),
    takeDelete: advance("rerun"),
    endDelete: advance("deleted"),
    forget: (id: string) => void states.delete(id),
  };
  for (let n = 0; n < count; n++) operate(picture, n);
  return Object.fromEntries(states);
}
