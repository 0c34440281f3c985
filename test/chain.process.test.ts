import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { attempt, BridgeError } from "../src/base/errors.js";
import { Breakers } from "../src/bridge/breaker.js";
import { planCall } from "../src/bridge/call-time.js";
import type { ChainCall, PendingChain } from "../src/bridge/chain.js";
import { createRunChain, type RunReport } from "../src/bridge/chain.js";
import { Observers } from "../src/bridge/observers.js";
import type { Cgroups } from "../src/cgroup/cgroups.js";
import { mergeConfig } from "../src/config/merge.js";
import type { PartialConfig } from "../src/config/schema.js";
import { parseVersion } from "../src/nri/versions.js";
import { createLog } from "../src/observe/log.js";
import { EarlyStarts } from "../src/plugin/early-starts.js";
import type { StartCommand } from "../src/plugin/start.js";
import { StartAhead } from "../src/plugin/start-ahead.js";
import { parseConfigList } from "../src/v01/config-list.js";
import { createDirectory, installFile, installNoop } from "./plugin/plugin-directory.js";
import { children, processesWith, until } from "./plugin/processes.js";
import { ffiStarter, portableStarter } from "./plugin/spawners.js";

const nri = { ...parseVersion("v0.6.1"), major: 0, minor: 6, patch: 1, preRelease: false, source: "stated" } as const;
const pauseMs = 30_000;
const breaker = { failures: 1, pauseMs };
const goesOn = { create: "continue" } as const;

/** Chains of real plugins, run as a configuration says; views cannot be made, and it is counted how often they are asked for. */
function runnerOf(
  plugins: NonNullable<PartialConfig["plugins"]> = {},
  { observers = new Observers(), limitMs = 10_000, starter = portableStarter() } = {},
) {
  const directory = createDirectory();
  const lines: string[] = [];
  const reports: RunReport[] = [];
  const order: string[] = [];
  const started: StartCommand[] = [];
  const applied: object[] = [];
  const log = createLog("debug", { write: (line) => void lines.push(line) });
  const ahead = new StartAhead(
    {
      start(command) {
        started.push(command);
        return stuck.has(command.argv0) ? new Promise(() => {}) : starter.start(command);
      },
      refusalOf: (command) => starter.refusalOf(command),
      close: () => starter.close(),
    },
    log,
  );
  const spawner = new EarlyStarts(ahead);
  onTestFinished(() => spawner.close());
  const time = { now: 0 };
  const breakers = new Breakers(() => time.now);
  const views = { asked: 0, late: false };
  const stuck = new Set<string>();
  const cgroups: Cgroups = {
    version: 2,
    privilege: async () => ({ ok: false, reason: "a test", remedy: "none" }),
    openView() {
      views.asked += 1;
      if (views.late) return new Promise(() => {});
      return Promise.reject(new BridgeError("CGROUP_VIEW", "there are no views"));
    },
    warm: () => Promise.resolve(),
    apply(changes) {
      if (changes.pids !== undefined) return "not today";
      applied.push(changes);
      return null;
    },
    close: () => Promise.resolve(),
  };
  const runChain = createRunChain({
    config: mergeConfig({ pluginDirs: [directory], plugins }),
    runtime: { name: "containerd", version: "v1.7.24", nri, requestTimeoutMs: 10_000 },
    cgroups,
    environment: { PATH: "/usr/bin:/bin" },
    spawner,
    breakers,
    observers,
    log,
    onRun: (report) => {
      reports.push(report);
      order.push(`ran ${report.run.plugin}`);
    },
    afterChain: () => {
      order.push("rearm");
      ahead.rearm();
    },
  });
  const spec = { resources: null, namespaces: {}, cgroupsPath: "/p", annotations: {} };
  const created = { version: "0.1", state: "create", id: "c", sandboxID: "s", pid: 7, spec, labels: {} };
  const made = { request: created, target: { kind: "container", pod: "ns/pod", container: "ctr" } } as const;
  return {
    directory,
    made,
    lines,
    order,
    started,
    views,
    stuck,
    applied,
    breakers,
    /** Until a plugin whose breaker is open may be tried again. */
    pause: () => {
      time.now += pauseMs;
    },
    /** Outcomes of a chain of these, and its answer when it is an error. */
    async play(
      types: readonly (string | object)[],
      { earlierResults = [], request = created, ...changes }: Partial<ChainCall & PendingChain> = {},
    ) {
      const entries = types.map((type) => (typeof type === "string" ? { type } : type));
      const list = parseConfigList(Buffer.from(JSON.stringify({ version: "0.1", plugins: entries })));
      const call: PendingChain = {
        event: "StartContainer",
        time: planCall(limitMs, "a limit", { replyMarginMs: 200, killAfterMs: 100 }),
        list,
        phase: "start",
        make: () => ({ ...made, request, earlierResults }),
        ...changes,
      };
      const { error, results } = await runChain(call);
      order.push("answer");
      // What is said when the answer is on its way.
      await sleep(5);
      const runs = reports.flatMap((report) => (report.call.list === list ? [report.run] : []));
      return {
        runs,
        outcomes: runs.map(({ outcome }) => outcome),
        results: results.map(({ plugin }) => plugin),
        error,
      };
    },
  };
}

describe("a chain", () => {
  const body =
    '"version":"0.1","state":"create","id":"c","sandboxID":"s","pid":7,"spec":{"resources":null,"cgroupsPath":"/p"}';
  const resultOf = (name: string) => `{"plugin":"${name}","version":"0.1","error":"","metadata":{"by":"${name}"}}`;
  const answering = (directory: string, ...names: string[]) => {
    for (const name of names) installNoop(directory, name, ["answer"]);
  };

  it("gives each plugin its conf and the results of those before it", async () => {
    const { directory, play } = runnerOf();
    answering(directory, "one", "three");
    installNoop(directory, "two", ["stdout {}"]);
    const conf = { a: [1, 2000] };
    const { results, runs, error } = await play([{ type: "one", conf }, "two", { type: "three", conf: null }]);
    expect([error, results]).toEqual([undefined, ["one", "", "three"]]);
    expect(runs.map(({ request }) => request)).toEqual([
      `{"conf":{"a":[1,2000]},${body}}`,
      `{${body},"results":[${resultOf("one")}]}`,
      expect.stringContaining(`${body},"results":[${resultOf("one")},{"plugin":"","version":"","error":""}]}`),
    ]);
  });

  it("begins with the results of an earlier phase, and does not return them", async () => {
    const { directory, play } = runnerOf();
    answering(directory, "late");
    const earlier = { plugin: "early", version: "0.1", error: "", metadata: { by: "early" } };
    const { results, runs } = await play(["late"], { earlierResults: [earlier] });
    expect(runs[0]?.request).toBe(`{${body},"results":[${resultOf("early")}]}`);
    expect(results).toEqual(["late"]);
  });

  it.each([
    ["fail", ["ok", "reported"], "plugin: two: boom", ["one"]],
    ["ignore", ["ok", "reported"], undefined, ["one"]],
    ["continue", ["ok", "reported", "ok"], undefined, ["one", "three"]],
  ] as const)("goes on after a failure as onFailure says: %s", async (create, outcomes, error, results) => {
    const { directory, play } = runnerOf({ two: { onFailure: { create } } });
    answering(directory, "one", "three");
    installNoop(directory, "two", ["answer-error boom"]);
    expect(await play(["one", "two", "three"])).toMatchObject({ outcomes, error, results });
  });

  it.each([
    [{ type: "nosuchplugin" }, 'plugin: nosuchplugin: exec: "nosuchplugin": executable file not found in $PATH'],
    [{}, "plugin: : exec: no command"],
  ])("names a plugin that is not there as 1.6 did: %j", async (entry, error) => {
    expect((await runnerOf().play([entry, "never"])).error).toBe(error);
  });

  it("spends one budget on all: a plugin whose turn comes after its end is not run", async () => {
    const { directory, play } = runnerOf({ one: { onFailure: goesOn } }, { limitMs: 1000 });
    answering(directory, "two");
    installNoop(directory, "one", ["wait 30"]);
    const began = performance.now();
    const { outcomes, error } = await play(["one", "two"]);
    expect(outcomes).toEqual(["timed-out", "skipped"]);
    expect(error).toContain("plugin: two: not run");
    expect(performance.now() - began).toBeLessThan(2_500);
  });

  it("does not wait for an observer, and shows no result of it to others", async () => {
    const { directory, play, order } = runnerOf({ observer: { async: true } });
    answering(directory, "two");
    installNoop(directory, "observer", ["wait 0.5", "answer"]);
    const { runs, results } = await play(["observer", "two"]);
    expect(runs.map(({ plugin, request }) => [plugin, request])).toEqual([["two", `{${body}}`]]);
    expect(results).toEqual(["two"]);
    await expect.poll(() => order).toEqual(["ran two", "answer", "rearm", "ran observer"]);
  });
});

describe("the time of a call holds, and the answer is by policy", () => {
  const late = async (create: "fail" | "continue", what: "view" | "process") => {
    const { directory, play, views, stuck } = runnerOf(
      { p: { cgroup: what === "view" ? "capture" : "host", onFailure: { create } } },
      { limitMs: 400 },
    );
    for (const name of ["p", "q"]) installNoop(directory, name, ["answer"]);
    views.late = true;
    if (what === "process") stuck.add("p");
    const began = performance.now();
    const { outcomes, error } = await play(["p", "q"]);
    // By far sooner than never, which is when the view or the process would be ready; how exactly is the clock tests' to say.
    expect(performance.now() - began).toBeLessThan(800);
    return [outcomes, error];
  };

  it.each([
    [
      "a captured view is not ready",
      "view",
      "refused",
      "plugin: p: not run: the bridge did not make the plugin's captured cgroup view in time (a limit)",
    ],
    [
      "a process cannot be ended",
      "process",
      "timed-out",
      "plugin: p: did not end in time, and the bridge could not kill it (a limit)",
    ],
  ] as const)("when %s", async (_, what, outcome, error) => {
    expect(await late("fail", what)).toEqual([[outcome], error]);
    expect(await late("continue", what)).toEqual([[outcome, "skipped"], expect.stringContaining("plugin: q: not run")]);
  });
});

describe("the first plugin of a chain", () => {
  function setUp(plugins: NonNullable<PartialConfig["plugins"]> = {}) {
    const runner = runnerOf(plugins, { starter: ffiStarter() });
    const log = `${runner.directory}/log`;
    const noted = () => attempt(() => readFileSync(log, "utf8").trim().split("\n")) ?? [];
    const text = `trap '' TERM; echo starts >>${log}; read -r x; echo "has \${x:-nothing}" >>${log}; echo '{}'`;
    installFile(runner.directory, "p", `#!/bin/sh\n${text}\n`);
    /** Holds our one thread until the plugin is there again; gives whether it was in this time. */
    const isThere = (withinMs: number) => {
      const until = performance.now() + withinMs;
      while (noted().length < 3 && performance.now() < until)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      return noted().length === 3;
    };
    return { ...runner, noted, isThere };
  }

  it("is started before its request and the record of its create are made, and killed where they are not", async () => {
    const { play, noted, isThere } = setUp();
    await play(["p"]);
    const make = () => {
      expect(isThere(5_000)).toBe(true);
      throw new Error("not recorded");
    };
    await expect(play(["p"], { make })).rejects.toThrow("not recorded");
    expect(await until(() => children(process.pid).length === 0)).toBe(true);
    expect(noted()).toEqual(["starts", expect.stringMatching(/^has {/), "starts"]);
  });

  it.each<[string, NonNullable<PartialConfig["plugins"]>, Partial<ChainCall>]>([
    ["an observer", { p: { async: true } }, {}],
    ["one in a captured view", { p: { cgroup: "auto" } }, { phase: "create" }],
    ["one whose breaker is open", { p: { breaker } }, {}],
  ])("is not started so where it is %s", async (_, plugins, changes) => {
    const { play, noted, breakers, isThere, made } = setUp(plugins);
    await play(["p"]);
    expect(await until(() => noted().length === 2)).toBe(true);
    if (plugins.p?.breaker) breakers.record("p", true, breaker);
    let early: boolean | undefined;
    const make = () => {
      early = isThere(100);
      return made;
    };
    await play(["p"], { ...changes, make });
    expect(early).toBe(false);
  });
});

describe("the next plugin of a chain", () => {
  it("does not keep the one before it waiting for a lock that it takes before it reads its request", async () => {
    const { directory, play } = runnerOf({}, { starter: ffiStarter() });
    const lock = `exec 9>${directory}/lock; flock 9`;
    installFile(directory, "p", `#!/bin/sh\nread -r x; sleep 0.2; ${lock}; echo '{}'\n`);
    installFile(directory, "q", `#!/bin/sh\n${lock}; read -r x; echo '{}'\n`);
    for (let n = 0; n < 4; n++) expect((await play(["p", "q"])).outcomes).toEqual(["ok", "ok"]);
    const began = performance.now();
    expect((await play(["p", "q"])).outcomes).toEqual(["ok", "ok"]);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("a breaker", () => {
  it("of a plugin that is twice in conf.json is not stuck in its trial", async () => {
    const { directory, pause, play } = runnerOf({ p: { breaker, onFailure: goesOn } });
    installNoop(directory, "p", ["answer-error no"]);
    expect((await play(["p", "p"])).outcomes).toEqual(["reported", "skipped"]);
    pause();
    rmSync(`${directory}/p`);
    installNoop(directory, "p", ["answer"]);
    // The second run asks when the first one has gone well.
    expect((await play(["p", "p"])).outcomes).toEqual(["ok", "ok"]);
    expect((await play(["p", "p"])).outcomes).toEqual(["ok", "ok"]);
  });

  it.each([
    ["is not found", "not-found", undefined],
    ["may be written by everybody", "refused", 0o777],
  ])(
    "does not open for a plugin that %s: it costs no time, and the reason is the better text",
    async (_, outcome, mode) => {
      const { directory, play } = runnerOf({ p: { breaker } });
      if (mode !== undefined) installFile(directory, "p", "#!/bin/sh\n", mode);
      for (let n = 0; n < 3; n++) expect((await play(["p"])).outcomes).toEqual([outcome]);
    },
  );

  it("is asked before a view is made", async () => {
    const { directory, play, views, breakers } = runnerOf({ p: { breaker, cgroup: "capture" } });
    installNoop(directory, "p", ["answer"]);
    expect((await play(["p"])).outcomes).toEqual(["refused"]);
    breakers.record("p", true, breaker);
    expect((await play(["p"])).outcomes).toEqual(["skipped"]);
    expect(views.asked).toBe(1);
  });
});

describe("what plugins ask of the real cgroup", () => {
  it("is written when the whole chain went well, and not of a chain whose create fails", async () => {
    const { directory, play, applied } = runnerOf();
    installFile(directory, "asks", `#!/bin/sh\ncat >/dev/null\necho '{"metadata":{"adjust.cpu.shares":"512"}}'\n`);
    installFile(directory, "fails", `#!/bin/sh\ncat >/dev/null\necho '{"error":"no"}'\n`);
    expect((await play(["asks"])).error).toBeUndefined();
    expect(applied).toEqual([{ cpu: { shares: 512n } }]);
    expect((await play(["asks", "fails"])).error).toBe("plugin: fails: no");
    expect(applied).toHaveLength(1);
  });

  it("is left out whole where the kernel refuses it and the plugin's failure is not to count", async () => {
    const { directory, play, applied, lines } = runnerOf({ lenient: { onFailure: { create: "ignore" } } });
    installFile(directory, "asks", `#!/bin/sh\ncat >/dev/null\necho '{"metadata":{"adjust.cpu.shares":"512"}}'\n`);
    for (const name of ["lenient", "strict"]) {
      installFile(directory, name, `#!/bin/sh\ncat >/dev/null\necho '{"metadata":{"adjust.pids.limit":"9"}}'\n`);
    }
    expect((await play(["lenient", "asks"])).error).toBeUndefined();
    expect(applied).toEqual([{ cpu: { shares: 512n } }]);
    expect(lines.find((line) => line.includes("left out"))).toContain('"plugins":["lenient"]');
    expect((await play(["lenient", "strict", "asks"])).error).toBe(
      "plugin: strict, asks: the bridge cannot make these changes to the cgroup /p: not today",
    );
  });
});

describe("observers that are too many", () => {
  it("are dropped, with a word", async () => {
    const observers = new Observers({ running: 1, waiting: 1 });
    const { directory, play, lines } = runnerOf({ p: { async: true } }, { observers });
    installNoop(directory, "p", ["wait 0.2", "answer"]);
    for (let n = 0; n < 3; n++) expect(await play(["p"])).toMatchObject({ outcomes: [], error: undefined });
    const dropped = lines.filter((line) => line.includes("the bridge skips an observer (async: true): too many runs"));
    expect(dropped).toHaveLength(1);
    await observers.idle();
    await expect.poll(() => lines.filter((line) => line.includes('"msg":"plugin ran"')).length).toBe(2);
  });
});

describe("the log", () => {
  const secrets = ["s3cr3t-of-the-node", 'quoted "p4ss" \\ <word>', "hunterhunter"];
  const conf = {
    token: secrets[0],
    list: [{ deep: secrets[1] }],
    password: "hunterhunter",
    path: "/etc/p.conf",
    mode: "verbosely",
  };

  it("masks what a plugin prints of its conf, on stderr and as its output; the answer is 1.6's", async () => {
    const { directory, play, lines } = runnerOf();
    installFile(directory, "p", `#!/bin/sh\nr=$(cat); printf '%s\\n' "$r" >&2; printf '%sx' "$r"\n`);
    const { outcomes, error } = await play([{ type: "p", conf }]);
    expect(outcomes).toEqual(["bad-output"]);
    expect(error).toContain(secrets[0]);
    expect(lines.filter((line) => /"msg":"(plugin failed|the plugins of an event ran)"/.test(line))).toHaveLength(2);
    for (const line of lines) {
      expect(line).not.toMatch(/s3cr3t|p4ss|hunterhunter/);
      expect(line).toContain("/etc/p.conf");
      expect(line).toContain("verbosely");
    }
  });
});

describe("processes started ahead", () => {
  const waiter = '#!/bin/sh\nread -r request\nprintf "{}"\n';
  const waiting = (directory: string) => {
    const ours = children(process.pid);
    return processesWith(directory).filter((pid) => ours.includes(pid));
  };

  it("come again when the whole chain has answered, and not before", async () => {
    const { directory, play, order } = runnerOf({ one: { startAhead: 1 }, two: { startAhead: 1 } });
    for (const name of ["one", "two"]) installFile(directory, name, waiter);
    await play(["one", "two"]);
    expect(order).toEqual(["ran one", "ran two", "answer", "rearm"]);
    expect(await until(() => waiting(directory).length === 2)).toBe(true);
  });
});
