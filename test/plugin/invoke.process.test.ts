import { closeSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { planCall, planPlugin } from "../../src/bridge/call-time.js";
import { createEnvironment } from "../../src/plugin/environment.js";
import { Installs, type InvokeContext, type InvokePolicy, invokePlugin } from "../../src/plugin/invoke.js";
import { createFinder } from "../../src/plugin/lookup.js";
import { readCases } from "../support/recorded-cases.js";
import { createDirectory, installFile, installNoop } from "./plugin-directory.js";
import { ffiStarter, spawnerForFile } from "./spawners.js";

const settings = { replyMarginMs: 200, killAfterMs: 100 };
const request = '{"version":"0.1","state":"create","id":"x","spec":{"resources":null}}';

// What each spawner does of this is told by spawner-*.test.ts: the rest is above them.
describe("invokePlugin", () => {
  const spawner = spawnerForFile(ffiStarter);

  interface Changes {
    readonly plugin?: string;
    readonly callMs?: number;
    readonly timeoutMs?: number;
    readonly policy?: Partial<InvokePolicy>;
    readonly context?: Partial<InvokeContext>;
  }

  function invoke(directory: string, { plugin = "plugin", callMs = 30_000, timeoutMs, policy, context }: Changes = {}) {
    const path = "/usr/bin:/bin";
    return invokePlugin(
      {
        plugin,
        state: "create",
        request,
        time: planPlugin(planCall(callMs, "plugin_request_timeout sets the limit", settings), timeoutMs ?? null),
        policy: {
          ...{ exitStatus: "ignore", limits: { stdoutBytes: 4096, stderrLines: 10 }, killChildren: false },
          ...policy,
        },
      },
      {
        spawner,
        find: createFinder({ pluginDirs: [directory], path, lookup: "plugin-dirs-first", types: "any" }),
        installs: new Installs(0),
        permissions: "strict",
        environmentFor: () =>
          createEnvironment({ base: { PATH: path }, pluginDirs: [directory], pass: "all", set: {} }),
        ...context,
      },
    );
  }

  function withPlan(...plan: string[]): string {
    const directory = createDirectory();
    installNoop(directory, "plugin", plan);
    return directory;
  }

  const resultOf = (error: string) => `run printf '{"error":"${error}","metadata":{"a":"b"}}'`;

  it("hands over the request and reads the result", async () => {
    const directory = createDirectory();
    installNoop(directory, "saver", [`save ${directory}/request.json`, "stderr a line", "answer"]);
    const lines: string[] = [];
    const context = { onStderrLine: (plugin: string, line: string) => lines.push(`${plugin}: ${line}`) };
    const outcome = await invoke(directory, { plugin: "saver", context });
    expect(outcome).toEqual({
      plugin: "saver",
      path: join(directory, "saver"),
      state: "create",
      request,
      exitCode: 0,
      signal: null,
      stdout: '{"plugin":"saver","version":"0.1","error":"","metadata":{"by":"saver"}}',
      stdoutBytes: expect.any(Uint8Array),
      stderr: ["a line"],
      outcome: "ok",
      error: null,
      hint: null,
      leftGroup: null,
      result: { plugin: "saver", version: "0.1", error: "", metadata: { by: "saver" } },
      durationMs: expect.any(Number),
    });
    expect(lines).toEqual(["saver: a line"]);
    expect(readFileSync(join(directory, "request.json"), "utf8")).toBe(request);
  });

  it.each([
    ["exits with 0", [resultOf("")], "ignore", "ok", null],
    ["exits with 3", [resultOf(""), "exit 3"], "ignore", "ok", null],
    ["dies by a signal after its result", [resultOf(""), "kill KILL"], "ignore", "ok", null],
    ["exits with 3, taken seriously", [resultOf(""), "exit 3"], "strict", "reported", /^exit code: 3, although/],
    ["dies by a signal, taken seriously", [resultOf(""), "kill KILL"], "strict", "reported", /^ended by SIGKILL/],
    ["reports an error", [resultOf("boom"), "exit 1"], "ignore", "reported", /^boom$/],
    ["prints nothing", [], "ignore", "bad-output", /^failed to unmarshal plugin output: .*: output: <empty>$/],
    ["prints no JSON", ["stdout hello", "exit 2"], "ignore", "bad-output", /: output: "hello\\n" exit code: 2$/],
    ["dies by a signal without a result", ["kill TERM"], "ignore", "killed", /output: <empty> exit code: -1$/],
    ["prints too much", ["flood stdout"], "ignore", "output-too-large", /^printed more than 4096 bytes on stdout/],
  ] as const)("of one that %s", async (_, plan, exitStatus, outcome, error) => {
    const run = await invoke(withPlan(...plan), { policy: { exitStatus } });
    expect(run.outcome).toBe(outcome);
    if (error === null) expect(run.error).toBeNull();
    else expect(run.error).toMatch(error);
    expect(run.result === undefined).toBe(error !== null);
  });

  it("keeps bytes that are no UTF-8", async () => {
    const run = await invoke(withPlan('printf {"plugin":"\\377"}'));
    expect(run.result?.plugin).toBe("\ufffd");
    expect(run.stdout).toBe('{"plugin":"\ufffd"}');
    expect([...run.stdoutBytes]).toContain(0xff);
  });

  it.each([
    ["the call's", { callMs: 800 }, "plugin_request_timeout", 500],
    ["its own", { timeoutMs: 300 }, "timeoutMs", 300],
  ])("says whose limit ended one that hangs: %s", async (_, changes, remedy, ms) => {
    const run = await invoke(withPlan("wait 30"), changes);
    expect(run).toMatchObject({ outcome: "timed-out", signal: "SIGTERM", error: expect.stringContaining(remedy) });
    expect(run.error).toMatch(new RegExp(`^did not end within ${ms} ms`));
    expect(run.durationMs).toBeLessThan(1_500);
  });

  it("a result that was printed before the limit is none, unless the plugin ends by itself", async () => {
    expect(await invoke(withPlan("answer", "wait 30"), { timeoutMs: 300 })).toMatchObject({ outcome: "timed-out" });
    const obeys = withPlan("run trap 'step answer; exit 0' TERM; sleep 30 & wait");
    expect(await invoke(obeys, { timeoutMs: 300 })).toMatchObject({ outcome: "ok" });
  });

  it.each([
    ["no shebang", "echo {}\n", "exec format error", /shebang|#!/],
    ["a missing interpreter", "#!/no/such\n", "no such file or directory", /interpreter/],
  ])("of a file with %s", async (_, text, words, hint) => {
    const directory = createDirectory();
    const path = installFile(directory, "plugin", text);
    const run = await invoke(directory);
    expect(run).toMatchObject({ outcome: "not-executable", error: `fork/exec ${path}: ${words}` });
    expect(run.hint).toMatch(hint);
  });

  describe("an installer", () => {
    const script = '#!/bin/sh\necho "{}"\n';

    /** A plugin that has run once, and how often it is looked for. */
    async function installed(installs = new Installs()) {
      const directory = createDirectory();
      const path = installFile(directory, "plugin", script);
      const finder = createFinder({ pluginDirs: [directory], path: "", lookup: "plugin-dirs-first", types: "any" });
      let tries = 0;
      const find = (type: string) => {
        tries++;
        return finder(type);
      };
      const run = (callMs = 30_000, context: Partial<InvokeContext> = {}) =>
        invoke(directory, { callMs, context: { find, installs, ...context } });
      expect(await run()).toMatchObject({ outcome: "ok" });
      return { path, run, tries: () => tries - 1 };
    }

    const late = (work: () => void) => setTimeout(work, 300);

    it.each<[string, (path: string) => void]>([
      [
        "writes its file",
        (path) => {
          const writer = openSync(path, "r+");
          late(() => closeSync(writer));
        },
      ],
      [
        "has removed its file and copies another",
        (path) => {
          rmSync(path);
          late(() => writeFileSync(path, script, { mode: 0o755 }));
        },
      ],
      [
        "has not installed its interpreter yet",
        (path) => {
          writeFileSync(path, `#!${path}.sh\necho "{}"\n`);
          late(() => symlinkSync("/bin/sh", `${path}.sh`));
        },
      ],
    ])("that %s is waited for", async (_, change) => {
      const { path, run, tries } = await installed();
      change(path);
      expect(await run()).toMatchObject({ outcome: "ok" });
      // 5, 10, 20, 40 and then 50 ms between them.
      expect(tries()).toBeGreaterThan(3);
      expect(tries()).toBeLessThan(15);
    });

    it("that is not done in the call's time is a failure in 1.6's words, and no more waited for when it never ends", async () => {
      const { path, run, tries } = await installed(new Installs(100));
      const writer = openSync(path, "r+");
      onTestFinished(() => closeSync(writer));
      const failure = { outcome: "not-executable", error: `fork/exec ${path}: text file busy` };
      expect(await run(600)).toMatchObject(failure);
      const before = tries();
      expect(before).toBeGreaterThan(1);
      await sleep(100);
      expect(await run(30_000)).toMatchObject(failure);
      expect(tries()).toBe(before + 1);
    });

    it("is no reason to wait for a plugin that has never been there", async () => {
      const { run, tries } = await installed();
      const find = createFinder({ pluginDirs: ["/none"], path: "", lookup: "plugin-dirs-first", types: "any" });
      expect(await run(30_000, { find, installs: new Installs() })).toMatchObject({
        outcome: "not-found",
        durationMs: 0,
      });
      expect(tries()).toBe(0);
    });
  });

  const recorded = readCases().flatMap(({ name, errors }) =>
    errors.flatMap(({ details }) => {
      const [, error] = /^nri invoke: plugin: recorder: (failed .*)$/.exec(details) ?? [];
      return error === undefined ? [] : [{ name, error }];
    }),
  );

  it.each(recorded)("has the words of $name", async ({ error }) => {
    const [, quoted = '""'] = /: output: ("(?:[^"\\]|\\.)*")/.exec(error) ?? [];
    const [, exitCode = "0"] = / exit code: (\d+)$/.exec(error) ?? [];
    const directory = createDirectory();
    const output = installFile(directory, "output", JSON.parse(quoted), 0o644);
    installNoop(directory, "plugin", [`run cat ${output}`, `exit ${exitCode}`]);
    expect(await invoke(directory)).toMatchObject({ error, outcome: "bad-output" });
  });

  it("was compared with recordings", () => expect(recorded.length).toBeGreaterThanOrEqual(8));
});
