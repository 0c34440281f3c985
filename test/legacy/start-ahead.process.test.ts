import { spawn } from "node:child_process";
import { appendFileSync, chmodSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";

import { StartAhead, type StartAheadOptions } from "../../src/legacy/start-ahead.js";
import type { Log } from "../../src/logger.js";
import { buildProgram } from "./build-program.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { children, endProcess, isAlive, until, zombies } from "./processes.js";
import { type RunOptions, run, spawners } from "./spawners.js";

/** Says its pid when it has read its request. */
const waiter = '#!/bin/sh\nread -r request\necho "$$ $request"\n';

describe.each(spawners)("processes started ahead by the $name spawner", ({ create, source }) => {
  function setUp(script = waiter, options?: StartAheadOptions) {
    const lines: string[] = [];
    const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
    const log: Log = { debug() {}, info: write, warn: write, error: write };
    const spawner = new StartAhead(create(), log, { proofMs: 30, ...options });
    onTestFinished(() => spawner.close());
    const path = installFile(createDirectory(), "plugin", script);
    const ours = () => children(process.pid).filter((pid) => commandLine(pid).includes(path));
    return {
      lines,
      path,
      spawner,
      /** The pids of those that wait. */
      ours,
      invoke: (changes: Partial<RunOptions> = {}) =>
        run(spawner, { path, guarded: path, startAhead: 1, stdin: "hello\n", ...changes }),
      async rearm(count = 1) {
        spawner.rearm();
        expect(await until(() => ours().length === count)).toBe(true);
        // Until it reads its stdin.
        await sleep(50);
        return ours();
      },
    };
  }

  function commandLine(pid: number): string {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1");
    } catch {
      return "";
    }
  }

  it("serve the runs after the first, each one, in order, and are no survivors", async () => {
    const { invoke, rearm, ours } = setUp();
    const first = await invoke();
    expect(ours()).toEqual([]);
    for (let i = 0; i < 3; i++) {
      const [waiting] = await rearm();
      const result = await invoke();
      expect(result).toMatchObject({ pid: waiting, text: `${waiting} hello\n`, exitCode: 0, survivors: [] });
      expect(result.durationMs).toBeLessThan(1_000);
    }
    expect(first.text).toBe(`${first.pid} hello\n`);
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it("are not replaced before the chain's owner says so, and serve one run each", async () => {
    const { invoke, rearm } = setUp();
    await invoke({ startAhead: 2 });
    const waiting = await rearm(2);
    const pids = [];
    for (let i = 0; i < 3; i++) pids.push((await invoke({ startAhead: 2 })).pid);
    expect(pids.slice(0, 2).sort()).toEqual(waiting.sort());
    expect(waiting).not.toContain(pids[2]);
  });

  it("can be wanted before there was a run", async () => {
    const { spawner, path, invoke, rearm } = setUp();
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
    spawner.want({ path, guarded: path, argv0: path, args: ["invoke"], env, cwd: "/" }, 1);
    const [waiting] = await rearm();
    expect((await invoke()).pid).toBe(waiting);
  });

  it("are not used by a run that does not ask for them", async () => {
    const { invoke, rearm } = setUp();
    await invoke();
    const [waiting] = await rearm();
    expect((await invoke({ startAhead: 0 })).pid).not.toBe(waiting);
  });

  it("keep to the limits of the run, with a request larger than a pipe", async () => {
    const { invoke, rearm } = setUp("#!/bin/sh\nread -r first\necho $first >&2\nwc -c\nsleep 30\n");
    const stdin = `line\n${"x".repeat(300_000)}`;
    const started = invoke({ stdin, terminateMs: 400 });
    await started;
    const [waiting] = await rearm();
    const result = await invoke({ stdin, terminateMs: 400 });
    expect(result).toMatchObject({
      pid: waiting,
      timedOut: true,
      signal: "SIGTERM",
      lines: ["line"],
      text: "300000\n",
    });
    expect(result.durationMs).toBeLessThan(1_500);
  });

  it("are ended by a run that wants none any more, and left alone by one besides", async () => {
    const { invoke, rearm, ours } = setUp();
    await invoke();
    const [waiting = 0] = await rearm();
    const besides = await invoke({ startAhead: undefined, env: { TRACEPARENT: "00-1" } });
    expect(besides.exitCode).toBe(0);
    expect(besides.pid).not.toBe(waiting);
    expect(await rearm()).toEqual([waiting]);
    expect((await invoke()).pid).toBe(waiting);
    const [next = 0] = await rearm();
    await invoke({ startAhead: 0 });
    expect(await until(() => !isAlive(next))).toBe(true);
    await sleep(50);
    expect(ours()).toEqual([]);
  });

  it("are ended when the plugin is found at another path", async () => {
    const { invoke, rearm, path, ours } = setUp();
    await invoke({ argv0: "plugin" });
    const [waiting = 0] = await rearm();
    const elsewhere = installFile(createDirectory(), "plugin", waiter);
    expect(await invoke({ argv0: "plugin", path: elsewhere })).toMatchObject({ exitCode: 0 });
    expect(await until(() => !isAlive(waiting))).toBe(true);
    await sleep(50);
    expect(ours()).toEqual([]);
    expect(path).not.toBe(elsewhere);
  });

  it("are one plugin's first entry's where conf.json has it twice", async () => {
    const { invoke, rearm } = setUp();
    await invoke({ conf: "1" });
    await invoke({ conf: "2" });
    for (let n = 0; n < 2; n++) {
      const [waiting] = await rearm();
      expect((await invoke({ conf: "1" })).pid).toBe(waiting);
      expect(await invoke({ conf: "2" })).toMatchObject({ exitCode: 0 });
    }
  });

  it.each<[string, Partial<RunOptions>]>([
    ["its conf", { conf: '{"a":2}' }],
    ["argv[0]", { argv0: "other" }],
    ["the arguments", { args: ["invoke", "more"] }],
    ["the environment", { env: { PATH: "/usr/bin:/bin", NEW: "1" } }],
    ["the working directory", { cwd: "/tmp" }],
    ["who is trusted", { guarded: null }],
  ])("are not used when %s changed", async (_, changes) => {
    const { invoke, rearm } = setUp();
    await invoke();
    const [waiting = 0] = await rearm();
    const result = await invoke(changes);
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.pid).not.toBe(waiting);
    if (changes.argv0 === undefined) expect(await until(() => !isAlive(waiting))).toBe(true);
  });

  it.each([
    ["edited in place", (path: string) => appendFileSync(path, "echo new\n")],
    ["replaced", (path: string) => renameSync(installFile(createDirectory(), "next", `${waiter}echo new\n`), path)],
  ])("are ended, not used, when the binary was %s", async (_, change) => {
    const { invoke, rearm, path } = setUp();
    await invoke();
    const [waiting = 0] = await rearm();
    change(path);
    expect((await invoke()).text).toMatch(/ hello\nnew\n$/);
    expect(await until(() => !isAlive(waiting))).toBe(true);
    const [next] = await rearm();
    expect(await invoke()).toMatchObject({ pid: next, text: `${next} hello\nnew\n` });
  });

  it.each([
    ["ends", "exit 0", "it ended before"],
    ["prints", "echo early; cat", "it printed something before"],
    ["prints on stderr", "echo early >&2; cat", "it printed something before"],
  ])("a plugin that %s without its request is not started ahead any more", async (_, script, why) => {
    const { invoke, spawner, lines, ours, path } = setUp(`#!/bin/sh\n${script}\n`);
    await invoke();
    spawner.rearm();
    expect(await until(() => lines.length > 0 && ours().length === 0)).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^a plugin cannot be started ahead/)]);
    expect(lines[0]).toContain(why);
    spawner.rearm();
    await sleep(100);
    expect(ours()).toEqual([]);
    expect(lines.length).toBe(1);
    expect(await invoke()).toMatchObject({ exitCode: 0 });
    installFile(join(path, ".."), "plugin", `${waiter}# newer\n`);
    spawner.rearm();
    expect(await until(() => ours().length === 1)).toBe(true);
  });

  it.each([
    ["closes its stdin", ""],
    ["closes its stdin after a while", "sleep 0.2\n"],
  ])("a plugin that %s is not started ahead any more, and none is left", async (_, first) => {
    const { invoke, spawner, lines, ours } = setUp(`#!/bin/sh\n${first}exec 0<&-\nsleep 60\n`);
    const stdin = "hello\n";
    await invoke({ stdin, terminateMs: 50 });
    spawner.rearm();
    expect(await until(() => ours().length === 1)).toBe(true);
    const [waiting = 0] = ours();
    await sleep(400);
    const result = await invoke({ stdin, terminateMs: 50 });
    expect(result.pid).not.toBe(waiting);
    expect(await until(() => ours().length === 0)).toBe(true);
    expect(lines).toEqual([expect.stringContaining("it does not read its stdin")]);
    spawner.rearm();
    await sleep(100);
    expect(ours()).toEqual([]);
  });

  it("one that does not look at its stdin is never used, however soon the next request comes", async () => {
    const script = "#!/bin/sh\nbegan=$(date +%s%N)\nsleep 0.3\necho $began\n";
    const { invoke, spawner, lines } = setUp(script, { proofMs: 1_000 });
    for (let n = 0; n < 4; n++) {
      const before = BigInt(Date.now()) * 1_000_000n;
      expect(BigInt((await invoke()).text)).toBeGreaterThanOrEqual(before);
      spawner.rearm();
      await sleep(100);
    }
    expect(lines).toEqual([expect.stringContaining("before it got a request")]);
  });

  it("a binary that was seen to wait is trusted from then on, one put in its place is not", async () => {
    const { invoke, spawner, ours, path } = setUp(waiter, { proofMs: 400 });
    await invoke();
    spawner.rearm();
    expect(await until(() => ours().length === 1)).toBe(true);
    const [first] = ours();
    expect((await invoke()).pid).not.toBe(first);
    await sleep(500);
    expect((await invoke()).pid).toBe(first);
    spawner.rearm();
    expect(await until(() => ours().length === 1)).toBe(true);
    const [second] = ours();
    expect((await invoke()).pid).toBe(second);
    appendFileSync(path, "# another\n");
    spawner.rearm();
    expect(await until(() => ours().length === 1)).toBe(true);
    const [third] = ours();
    expect((await invoke()).pid).not.toBe(third);
  });

  it("one that somebody killed is not used, and comes again", async () => {
    const { invoke, rearm, lines } = setUp();
    await invoke();
    const [waiting = 0] = await rearm();
    endProcess(waiting);
    // It is dead, and we are in the same turn: nobody has been told of it yet.
    while (isAlive(waiting));
    const result = await invoke();
    expect(result).toMatchObject({ exitCode: 0, text: `${result.pid} hello\n` });
    expect(result.pid).not.toBe(waiting);
    await rearm();
    expect(lines).toEqual([]);
  });

  /** Who can write a plugin's directory can have anything started as root. */
  describe("of a plugin that others can write", () => {
    const fault = (path: string) => `${dirname(path)}: mode 0777 lets everybody write it`;

    it.each<[string, Partial<RunOptions>]>([
      ["a run is refused", {}],
      ["a run besides is refused", { startAhead: undefined, env: { TRACEPARENT: "00-1" } }],
    ])("are ended when %s, and started again when it is mended; said once", async (_, changes) => {
      const { invoke, rearm, spawner, path, ours, lines } = setUp();
      await invoke();
      const [waiting = 0] = await rearm();
      chmodSync(dirname(path), 0o777);
      const refusal = expect.stringContaining(fault(path));
      for (let n = 0; n < 2; n++) {
        expect(await invoke(changes)).toMatchObject({ started: false, pid: 0, startError: { refusal } });
        expect(await until(() => !isAlive(waiting))).toBe(true);
        spawner.rearm();
        await sleep(50);
        expect(ours()).toEqual([]);
      }
      expect(lines).toEqual([expect.stringMatching(/^a plugin cannot be started ahead/)]);
      expect(lines[0]).toContain(fault(path));
      chmodSync(dirname(path), 0o755);
      const [next] = await rearm();
      expect((await invoke()).pid).toBe(next);
      chmodSync(dirname(path), 0o777);
      await invoke();
      expect(lines.length).toBe(2);
    });

    it("are ended without any event, and none is started of what was put there", async () => {
      const { invoke, rearm, path, ours, lines } = setUp(waiter, { renewEveryMs: 20 });
      const ran = join(createDirectory(), "ran");
      await invoke({ startAhead: 2 });
      await rearm(2);
      chmodSync(dirname(path), 0o777);
      expect(await until(() => ours().length === 0)).toBe(true);
      renameSync(installFile(createDirectory(), "next", `#!/bin/sh\n: >${ran}\n${waiter}`), path);
      await sleep(100);
      expect(ours()).toEqual([]);
      expect(() => readFileSync(ran)).toThrow("ENOENT");
      expect(lines).toEqual([expect.stringContaining(fault(path))]);
    });

    it("are not there when the file was put there before the first look", async () => {
      const { invoke, rearm, path, ours } = setUp(waiter, { renewEveryMs: 20 });
      const ran = join(createDirectory(), "ran");
      await invoke();
      await rearm();
      chmodSync(dirname(path), 0o777);
      renameSync(installFile(createDirectory(), "next", `#!/bin/sh\n: >${ran}\n${waiter}`), path);
      expect(await until(() => ours().length === 0)).toBe(true);
      await sleep(100);
      expect(() => readFileSync(ran)).toThrow("ENOENT");
    });
  });

  it("are replaced when they have waited long, by others and not more", async () => {
    const { invoke, rearm, ours } = setUp(waiter, { maxAgeMs: 600, renewEveryMs: 50 });
    await invoke({ startAhead: 2 });
    const first = await rearm(2);
    expect(await until(() => ours().length === 2 && !ours().some((pid) => first.includes(pid)))).toBe(true);
    await sleep(100);
    expect(ours().length).toBe(2);
  });

  it("are ended when conf.json has their plugin no more, and with the spawner", async () => {
    const { invoke, rearm, spawner, path, ours } = setUp();
    await invoke();
    const [one = 0] = await rearm();
    spawner.rearm(() => [path]);
    await sleep(50);
    expect(isAlive(one)).toBe(true);
    spawner.rearm(() => ["another"]);
    expect(await until(() => !isAlive(one))).toBe(true);
    await invoke();
    const [two = 0] = await rearm();
    await spawner.close();
    expect(isAlive(two)).toBe(false);
    expect(ours()).toEqual([]);
  });

  it("end with a program that is killed: their stdin ends", async () => {
    const directory = createDirectory();
    const path = installFile(directory, "plugin", waiter);
    const program = buildProgram(
      `
        import { StartAhead } from "./legacy/start-ahead.js";
        const spawner = new StartAhead(${source}, { debug() {}, info() {}, warn() {}, error() {} });
        spawner.want({ path: ${JSON.stringify(path)}, guarded: null, argv0: "plugin", args: ["invoke"], env: {}, cwd: "/" }, 3);
        spawner.rearm();
        setInterval(() => {}, 1000);
      `,
      directory,
    );
    const bridge = spawn(process.execPath, [program], { stdio: ["ignore", "ignore", "inherit"] });
    onTestFinished(() => void bridge.kill("SIGKILL"));
    let waiting: number[] = [];
    const areThere = () => {
      waiting = children(bridge.pid ?? 0).filter((pid) => commandLine(pid).includes(path));
      return waiting.length === 3;
    };
    expect(await until(areThere)).toBe(true);
    await sleep(50);
    bridge.kill("SIGKILL");
    expect(await until(() => !waiting.some(isAlive))).toBe(true);
  });

  it("one that ignores SIGTERM is ended with the spawner too, and its stdin does not end before", async () => {
    const seen = join(createDirectory(), "seen");
    const { invoke, rearm, spawner } = setUp(
      `#!/bin/sh\ntrap '' TERM\nread -r request || echo "end of data" >${seen}\necho x\n`,
    );
    await invoke();
    const [waiting = 0] = await rearm();
    await spawner.close();
    expect(isAlive(waiting)).toBe(false);
    expect(() => readFileSync(seen)).toThrow("ENOENT");
  });
});
