import { spawnSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { afterTurn, createLog, createNodeLog, type LogDestination } from "../../src/observe/log.js";
import { openJournal, openLogDestination, openLogFile } from "../../src/observe/log-destination.js";
import { makeFolder } from "../support/places.js";
import { program } from "../support/program.js";

const folder = makeFolder(afterAll);

function lines(): LogDestination & { readonly all: string[] } {
  const all: string[] = [];
  return { all, write: (line) => void all.push(line) };
}

/** A busy machine needs longer than the second that is usual. */
const patience = { timeout: 5_000 };

describe("the log", () => {
  it("writes at the process's end what waits for the next turn", () => {
    const to = lines();
    const others = process.listeners("exit");
    const waiting = afterTurn(to);
    waiting.write("why it ended\n");
    expect(to.all).toEqual([]);
    for (const atExit of process.listeners("exit").filter((listener) => !others.includes(listener))) {
      atExit.call(process, 0);
    }
    expect(to.all).toEqual(["why it ended\n"]);
    waiting.close?.();
  });

  it("writes one JSON object a line: level, time, fields and a constant sentence", () => {
    const to = lines();
    createLog("info", to).info({ id: "c1", big: 2n ** 62n }, "plugin ran");
    expect(to.all).toHaveLength(1);
    expect(JSON.parse(to.all[0] ?? "")).toMatchObject({ level: "info", id: "c1", msg: "plugin ran" });
  });

  it.each([["conf"], ["env"], ["environment"]])("never shows a %s, at the top or one level down", (key) => {
    const to = lines();
    createLog("info", to).info({ [key]: "s3cret", plugin: { [key]: "s3cret" }, plugins: [{ conf: "s3cret" }] }, "x");
    expect(to.all[0]).not.toContain("s3cret");
    expect(to.all[0]).toContain("[redacted]");
  });
});

describe("a log file", () => {
  const long = `${"x".repeat(98)}\n`;

  it("keeps a limited size: the full file takes the place of the one before it", () => {
    const path = join(folder, "bridge.log");
    const file = openLogFile(path, 1000);
    for (let at = 0; at < 100; at++) file.write(long);
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1000);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("that was moved away with another in its place goes on in that one", () => {
    const path = join(folder, "replaced.log");
    const file = openLogFile(path, 1000);
    for (let at = 0; at < 10; at++) file.write(long);
    renameSync(path, `${path}.1`);
    closeSync(openSync(path, "w"));
    file.write(long);
    expect(readFileSync(path, "utf8")).toBe(long);
    expect(statSync(`${path}.1`).size).toBe(990);
  });

  it("that cannot be rotated grows, holds one descriptor, and is rotated when that goes again", () => {
    const path = join(folder, "blocked.log");
    const file = openLogFile(path, 1000);
    const before = readdirSync("/proc/self/fd").length;
    // A directory does not give way to a file.
    mkdirSync(`${path}.1`);
    for (let at = 0; at < 35; at++) file.write(long);
    expect(statSync(path).size).toBe(35 * 99);
    rmdirSync(`${path}.1`);
    for (let at = 0; at < 3; at++) file.write(long);
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    expect(statSync(`${path}.1`).size).toBe(35 * 99);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  it.skipIf(process.getuid?.() !== 0)("costs lines and no exception on a full disk", () => {
    const full = openLogFile("/dev/full");
    expect(() => full.write("lost\n")).not.toThrow();
  });
});

describe("the journal", () => {
  /** As journald: it ends its side of each stream at once (stdout_stream_install), and reads what comes. */
  async function listen(name: string) {
    const path = join(folder, name);
    const streams: Socket[] = [];
    const journal = { path, received: "", streams };
    const server = createServer({ allowHalfOpen: true }, (stream) => {
      streams.push(stream);
      stream.on("error", () => {}).end();
      stream.setEncoding("utf8").on("data", (text) => {
        journal.received += text;
      });
    });
    await new Promise<void>((ready) => server.listen(path, ready));
    onTestFinished(() => {
      for (const stream of streams) stream.destroy();
      server.close();
    });
    return journal;
  }

  it("is told who we are, then lines with their severity, also those from before it was connected", async () => {
    const there = await listen("journal");
    const instead = lines();
    const journal = openJournal(there.path, () => instead);
    const log = createLog("debug", journal);
    log.warn({}, "early");
    await expect.poll(() => there.received.includes("early"), patience).toBe(true);
    // By now the end of its side has been seen.
    await new Promise((wait) => setTimeout(wait, 50));
    log.error({}, "later");
    await expect.poll(() => there.received.includes("later") || instead.all.length > 0, patience).toBe(true);
    expect(instead.all).toEqual([]);
    // systemd's stdout stream: identifier, unit id, priority, level prefix, forward to syslog, kmsg, console.
    expect(there.received).toMatch(
      /^nri-v01-bridge\n\n6\n1\n0\n0\n0\n<4>\{"level":"warn".*\n<3>\{"level":"error".*\n$/,
    );
  });

  it("gives way to the fallback when it goes, with the lines that did not reach it", async () => {
    const there = await listen("journal-that-goes");
    const instead = lines();
    const journal = openJournal(there.path, () => instead);
    journal.write('{"level":"info","msg":"first"}\n');
    await expect.poll(() => there.received.includes("first"), patience).toBe(true);
    for (const stream of there.streams) stream.destroy();
    await new Promise((wait) => setTimeout(wait, 20));
    for (const msg of ["second", "third"]) journal.write(`{"level":"info","msg":"${msg}"}\n`);
    await expect.poll(() => instead.all.length === 2, patience).toBe(true);
    expect(instead.all.join("")).toMatch(/"second".*\n.*"third"/);
  });
});

describe("standard error that is the journal", () => {
  // As systemd says it: the device and inode of the stream.
  const { dev, ino } = fstatSync(2);

  it.each([
    [
      "json",
      `${dev}:${ino}`,
      /^<6>\{"level":"info".*\n<4>\{"level":"warn".*\n<3>\{"level":"error".*\n<7>\{"level":"debug".*\n$/,
    ],
    ["text", `${dev}:${ino}`, /^<6>one\n<4>two\n<3>three\n<7>four\n$/],
    ["json", `${dev}:${ino + 1}`, /^\{"level":"info".*\n\{/],
  ] as const)("has the severity before each line: %s %s", async (format, stream, expected) => {
    const to = lines();
    const log = createNodeLog({ JOURNAL_STREAM: stream }, () => to);
    log.use({ level: "debug", format, output: "auto" });
    log.info({}, "one");
    log.warn({}, "two");
    log.error({}, "three");
    log.debug({}, "four");
    await new Promise((turn) => setImmediate(turn));
    expect(to.all.join("")).toMatch(expected);
  });

  it("tells an error that ends the program as one", () => {
    const path = join(folder, "journal-of-an-end");
    const stderr = openSync(path, "w");
    const its = statSync(path);
    const env = { ...process.env, JOURNAL_STREAM: `${its.dev}:${its.ino}` };
    spawnSync(process.execPath, [program, "run", "--config", "/nowhere.yaml"], {
      stdio: ["ignore", "ignore", stderr],
      env,
    });
    closeSync(stderr);
    expect(readFileSync(path, "utf8")).toMatch(/^<3>nri-v01-bridge: .*nowhere.*\n$/);
  });
});

describe("where the log goes", () => {
  const settings = { level: "info", format: "json", output: "auto" } as const;
  const text = (path: string) => readFileSync(path, "utf8");
  const nextTurn = () => new Promise((turn) => setImmediate(turn));

  /** A log whose `auto` is a file: standard error is a test's own. */
  function nodeLog(name: string) {
    const auto = join(folder, name);
    const open = (output: string) => (output === "auto" ? openLogFile(auto) : openLogDestination(output));
    return { auto, log: createNodeLog({}, open) };
  }

  it("is settled after the first lines: they wait, whatever their level, and then go there", async () => {
    const { auto, log } = nodeLog("early");
    log.info({}, "first");
    log.debug({}, "not told");
    await nextTurn();
    log.use(settings);
    log.info({}, "second");
    await nextTurn();
    expect(text(auto)).toMatch(/^[^\n]*"first"[^\n]*\n[^\n]*"second"[^\n]*\n$/);
  });

  it("keeps the latest failure for the status, whatever is written, without secrets", () => {
    const { log } = nodeLog("failures");
    log.use({ ...settings, level: "silent" });
    expect(log.lastFailure).toBeNull();
    log.conceal([{ conf: '{"token": "s3cr3t-w0rd"}' }]);
    log.warn({ error: "it said s3cr3t-w0rd" }, "plugin failed");
    log.warn({}, "no failure");
    log.info({ error: "no failure either" }, "stopped");
    expect(log.lastFailure).toEqual({ at: expect.stringMatching(/Z$/), text: "plugin failed: it said xxxxxxxxxxx" });
    // status.json says with it how a bridge ended.
    expect(log.masked("it said s3cr3t-w0rd")).toBe("it said xxxxxxxxxxx");
    log.error({}, "the end");
    expect(log.lastFailure).toMatchObject({ text: "the end" });
  });

  it("changes with the settings, and the old place says where it goes on", async () => {
    const { auto, log } = nodeLog("moved-to");
    const file = join(folder, "configured.log");
    log.use(settings);
    log.info({}, "first");
    log.use({ ...settings, output: file, level: "debug", format: "text" });
    log.debug({}, "second");
    log.use({ ...settings, output: file, level: "debug", format: "text" });
    await nextTurn();
    expect(text(auto)).toMatch(new RegExp(`"first".*\\n.*"output":"${file}".*\\n$`));
    expect(text(file)).toMatch(/^\S+ DEBUG second\n$/);
  });

  it("is what `auto` is when the file cannot be written, and says why: a node never runs the bridge blind", async () => {
    const { auto, log } = nodeLog("instead");
    writeFileSync(join(folder, "no-directory"), "");
    log.use({ ...settings, output: join(folder, "no-directory/bridge.log") });
    log.info({}, "heard");
    await nextTurn();
    expect(text(auto)).toMatch(/"level":"error".*no-directory.*\n.*"heard"/);
  });
});
