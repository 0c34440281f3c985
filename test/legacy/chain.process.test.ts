import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openNative } from "../../src/ffi/native.js";
import { planBudget } from "../../src/legacy/budget.js";
import { type ChainOptions, type PluginPolicy, runChain } from "../../src/legacy/chain.js";
import { createFfiSpawner } from "../../src/legacy/ffi-spawner.js";
import type { InvokeOutcome } from "../../src/legacy/invoke.js";
import { createFinder } from "../../src/legacy/lookup.js";
import { parseConfigList } from "../../src/v01/config-list.js";
import type { Request } from "../../src/v01/types.js";
import { createDirectory, installNoop } from "./plugin-directory.js";
import { spawnerForFile } from "./spawners.js";

const request: Request = {
  version: "0.1",
  state: "create",
  id: "c",
  sandboxID: "s",
  pid: 7,
  spec: { resources: null, namespaces: {}, cgroupsPath: "/p", annotations: {} },
  labels: {},
};
const body =
  '"version":"0.1","state":"create","id":"c","sandboxID":"s","pid":7,"spec":{"resources":null,"cgroupsPath":"/p"}';

const strictPolicy: PluginPolicy = {
  onFailure: "fail",
  timeoutMs: null,
  exitStatus: "ignore",
  limits: { stdoutBytes: 4096, stderrLines: 10 },
  killChildren: false,
};

// What each spawner does of this is told by spawner-*.test.ts: the rest is above them.
describe("runChain", () => {
  const spawner = spawnerForFile(() => createFfiSpawner(openNative()));

  /** Plugins by name, each with what it does; each also saves its request. */
  function createChain(plans: Record<string, readonly string[]>, confText?: string) {
    const directory = createDirectory();
    for (const [name, plan] of Object.entries(plans)) {
      installNoop(directory, name, [`save ${directory}/${name}.request`, ...plan]);
    }
    const conf = confText ?? JSON.stringify({ version: "0.1", plugins: Object.keys(plans).map((type) => ({ type })) });
    return {
      requestOf: (name: string) => readFileSync(join(directory, `${name}.request`), "utf8"),
      run: (changes: Partial<ChainOptions> & { policies?: Record<string, Partial<PluginPolicy>> } = {}) =>
        runChain({
          config: parseConfigList(Buffer.from(conf)),
          request,
          budget: planBudget(30_000, { replyMarginMs: 200, killAfterMs: 100 }),
          policyFor: (plugin) => ({ ...strictPolicy, ...changes.policies?.[plugin] }),
          context: {
            spawner,
            find: createFinder({
              pluginDirs: [directory],
              path: "/usr/bin:/bin",
              lookup: "plugin-dirs-first",
              types: "any",
            }),
            permissions: "strict",
            environmentFor: () => ({ PATH: "/usr/bin:/bin" }),
          },
          ...changes,
        }),
    };
  }

  const resultOf = (name: string) => `{"plugin":"${name}","version":"0.1","error":"","metadata":{"by":"${name}"}}`;

  it("makes the text of a request once, for however many plugins", async () => {
    const types = ["one", "two", "three", "four"];
    const chain = createChain(Object.fromEntries(types.map((type) => [type, ["answer"]])));
    let made = 0;
    const counted = {
      ...request,
      get spec() {
        made += 1;
        return request.spec;
      },
    };
    const { runs } = await chain.run({ request: counted });
    expect(runs.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(made).toBe(1);
    const results = types.slice(0, 3).map(resultOf).join(",");
    expect(chain.requestOf("four")).toBe(`{${body},"results":[${results}]}`);
  });

  it("gives each plugin its conf and the results of those before it", async () => {
    const conf =
      '{"version":"0.1","plugins":[{"type":"one","conf":{ "a": [1, 2e3] }},{"type":"two"},{"type":"three","conf":null}]}';
    const chain = createChain({ one: ["answer"], two: ["stdout {}"], three: ["answer"] }, conf);
    const { results, runs, error } = await chain.run();
    expect(error).toBeNull();
    expect(results.map(({ plugin }) => plugin)).toEqual(["one", "", "three"]);
    expect(runs.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok"]);
    expect(chain.requestOf("one")).toBe(`{"conf":{"a":[1,2e3]},${body}}`);
    expect(chain.requestOf("two")).toBe(`{${body},"results":[${resultOf("one")}]}`);
    expect(chain.requestOf("three")).toContain(
      `${body},"results":[${resultOf("one")},{"plugin":"","version":"","error":""}]}`,
    );
    expect(runs.map((run) => run.request)).toEqual(["one", "two", "three"].map(chain.requestOf));
  });

  it("of no plugins is nothing", async () => {
    expect(await createChain({}).run()).toEqual({ results: [], runs: [], error: null });
  });

  it("begins with the results of an earlier phase, and does not return them", async () => {
    const chain = createChain({ late: ["answer"] });
    const earlier = { plugin: "early", version: "0.1", error: "", metadata: { by: "early" } };
    const { results } = await chain.run({ earlierResults: [earlier] });
    expect(chain.requestOf("late")).toBe(`{${body},"results":[${resultOf("early")}]}`);
    expect(results.map(({ plugin }) => plugin)).toEqual(["late"]);
  });

  it.each([
    ["fail", ["ok", "reported"], "plugin: two: boom", ["one"]],
    ["ignore", ["ok", "reported"], null, ["one"]],
    ["continue", ["ok", "reported", "ok"], null, ["one", "three"]],
  ] as const)("onFailure: %s", async (onFailure, outcomes, text, answered) => {
    const chain = createChain({ one: ["answer"], two: ["answer-error boom"], three: ["answer"] });
    const { results, runs, error } = await chain.run({ policies: { two: { onFailure } } });
    expect(runs.map(({ outcome }) => outcome)).toEqual(outcomes);
    expect(error).toEqual(text === null ? null : { plugin: "two", text });
    expect(results.map(({ plugin }) => plugin)).toEqual(answered);
  });

  it("names a plugin that is not there as 1.6 did", async () => {
    const { error } = await createChain({}, '{"plugins":[{"type":"nosuchplugin"},{"type":"never"}]}').run();
    expect(error).toEqual({
      plugin: "nosuchplugin",
      text: 'plugin: nosuchplugin: exec: "nosuchplugin": executable file not found in $PATH',
    });
    expect((await createChain({}, '{"plugins":[{}]}').run()).error?.text).toBe("plugin: : exec: no command");
  });

  it("spends one budget on all: who comes when it is used up is not run", async () => {
    const chain = createChain({ one: ["wait 30"], two: ["answer"] });
    const began = performance.now();
    const { runs, error } = await chain.run({
      budget: planBudget(1000, { replyMarginMs: 200, killAfterMs: 100 }),
      policies: { one: { onFailure: "continue" } },
    });
    expect(runs.map(({ outcome }) => outcome)).toEqual(["timed-out", "skipped"]);
    expect(error?.plugin).toBe("two");
    expect(performance.now() - began).toBeLessThan(2_500);
  });

  it("does not wait for an observer, which has its own time", async () => {
    const chain = createChain({ observer: ["wait 0.5", "answer"], two: ["answer"] });
    const observed: Promise<InvokeOutcome>[] = [];
    const began = performance.now();
    const { results, runs } = await chain.run({
      policies: { observer: { async: true } },
      observe: (start) => observed.push(start()),
    });
    expect(performance.now() - began).toBeLessThan(450);
    expect(runs.map(({ plugin }) => plugin)).toEqual(["two"]);
    expect(results.map(({ plugin }) => plugin)).toEqual(["two"]);
    expect(chain.requestOf("two")).toBe(`{${body}}`);
    expect(await Promise.all(observed)).toMatchObject([{ plugin: "observer", outcome: "ok" }]);
  });
});
