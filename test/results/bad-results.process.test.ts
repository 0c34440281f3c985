import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bench } from "./support.js";

/** A result that cannot be applied (test/adjust has all kinds), and the parts of the error that people need. */
const wrong = {
  metadata: { "adjust.env.HALF": "1" },
  adjust: { annotations: ["a"], linux: { resources: { cpu: { quota: "abc", shares: 1.5 } } } },
};
const parts = ["adjust.annotations", 'quota "abc": expected -1 for no limit, or an integer from 1000', "cpu.shares"];

let bench: Bench;

beforeAll(() => {
  bench = new Bench();
});

afterAll(() => bench.remove());

describe("a result that cannot be applied", () => {
  it("fails the create with the reason, and nothing is applied", async () => {
    bench.onCreate("wrong", wrong);
    bench.asks("fine", { "adjust.env.FINE": "1" });
    const config = "phase: create\ncgroup: host\n";
    const played = await bench.play({ plugins: ["fine", "wrong"], config, only: ["CreateContainer"] });
    const { response, error } = played.answer("CreateContainer");
    expect(response).toEqual({});
    for (const part of ["nri invoke: plugin: wrong: ", ...parts]) expect(error).toContain(part);
    expect(error?.length).toBeLessThan(2_000);
    expect(played.fault("wrong")).toContain('the result of "wrong" cannot be applied: ');
    expect(played.code).toBe(1);
  });

  it.each([
    ["continue", ["BEFORE", "AFTER"]],
    ["ignore", ["BEFORE"]],
  ])("is whole or absent: onFailure %s keeps what the others ask for", async (onFailure, kept) => {
    bench.onCreate("wrong", wrong);
    for (const name of ["before", "after"]) bench.asks(name, { [`adjust.env.${name.toUpperCase()}`]: "1" });
    const played = await bench.play({
      plugins: ["before", "wrong", "after"],
      config: `phase: create\ncgroup: host\nonFailure: {create: ${onFailure}}\n`,
      only: ["CreateContainer"],
    });
    const response = { adjust: { env: kept.map((key) => ({ key, value: "1" })) } };
    expect(played.answer("CreateContainer")).toEqual({ response, error: null });
    expect(played.warnings().join()).toContain("cannot be applied");
    const { results } = JSON.parse(played.run("after")?.request ?? "{}");
    expect(results).toEqual(onFailure === "ignore" ? undefined : [expect.objectContaining({ plugin: "before" })]);
  });
});

describe("two plugins of one chain on one field", () => {
  it("the last one wins, and the log names both and the field", async () => {
    bench.asks("one", { "adjust.cpu.shares": "100", "adjust.env.A": "same" });
    bench.asks("two", { "adjust.cpu.shares": "200", "adjust.env.A": "same" });
    const played = await bench.play({ plugins: ["one", "two"], config: "phase: create\ncgroup: host\n" });
    expect(played.answer("CreateContainer").response).toEqual({
      adjust: { env: [{ key: "A", value: "same" }], linux: { resources: { cpu: { shares: { value: "200" } } } } },
    });
    const conflicts = played.log.filter(
      ({ msg }) => typeof msg === "string" && msg.startsWith("two plugins set the same"),
    );
    expect(conflicts).toMatchObject([{ field: "cpu.shares", first: "one", last: "two" }]);
  });

  it("a captured write wins over the plugin before it, which it sees in its view", async () => {
    bench.asks("one", { "adjust.cpu.shares": "100" });
    bench.onCreate(
      "two",
      {},
      'read -r shares <"/sys/fs/cgroup/cpu$path/cpu.shares"; echo "$shares" >&2; echo 300 >"/sys/fs/cgroup/cpu$path/cpu.shares"',
    );
    const played = await bench.play({ plugins: ["one", "two"], config: "phase: create\n" });
    expect(played.answer("CreateContainer").response).toEqual({
      adjust: { linux: { resources: { cpu: { shares: { value: "300" } } } } },
    });
    expect(played.run("two")?.stderr).toEqual(["100"]);
  });
});

describe("a chain across both phases", () => {
  it("results of the create phase stand in the requests of the start phase, each phase in the order of conf.json", async () => {
    bench.onCreate("s1", { metadata: { by: "s1" } });
    bench.onCreate("c1", { metadata: { by: "c1", "adjust.env.A": "1" } });
    bench.onCreate("s2", { metadata: { by: "s2" } });
    bench.onCreate("c2", { metadata: { by: "c2" } });
    const config = "cgroup: host\nplugins: {c1: {phase: create}, c2: {phase: create}}\n";
    const played = await bench.play({ plugins: ["s1", "c1", "s2", "c2"], config });
    const seen = (plugin: string, event: string) => {
      const request: { results?: { plugin: string }[] } = JSON.parse(played.run(plugin, event)?.request ?? "{}");
      return request.results?.map(({ plugin: name }) => name) ?? [];
    };
    expect(seen("c1", "CreateContainer")).toEqual([]);
    expect(seen("c2", "CreateContainer")).toEqual(["c1"]);
    expect(seen("s1", "StartContainer")).toEqual(["c1", "c2"]);
    expect(seen("s2", "StartContainer")).toEqual(["c1", "c2", "s1"]);
    const of = (event: string) =>
      played.lines.flatMap((line) =>
        line.type === "run" && line.event === event ? [`${line.plugin} ${line.phase}`] : [],
      );
    expect(of("CreateContainer")).toEqual(["c1 create", "c2 create"]);
    expect(of("StartContainer")).toEqual(["s1 start", "s2 start"]);
    expect(of("StopContainer").map((text) => text.split(" ")[0])).toEqual(["s1", "c1", "s2", "c2"]);
  });

  it("results.keep answers an update with the resources that were set at the create, and with nothing else", async () => {
    bench.asks("kept", { "adjust.cpu.shares": "64", "adjust.pids.limit": "99", "adjust.env.A": "1" });
    bench.asks("old", { "cpu-quota": "7000", "adjust.memory.limit": "4096" });
    const results = "{kept: {results: {keep: true}}, old: {results: {annotate: true, rename: {cpu-quota: cpu.quota}}}}";
    const config = `phase: create\ncgroup: host\nplugins: ${results}\n`;
    const played = await bench.play({ plugins: ["kept", "old"], config, scenario: "cases/update" });
    expect(played.answer("CreateContainer").response.adjust).toMatchObject({
      annotations: { "v01.old/cpu-quota": "7000" },
      linux: { resources: { cpu: { shares: { value: "64" }, quota: { value: "7000" } } } },
    });
    const { response, error } = played.answer("UpdateContainer");
    expect(error).toBeNull();
    expect(response.update).toMatchObject([{ linux: { resources: { cpu: { shares: { value: "64" } } } } }]);
    expect(JSON.stringify(response)).not.toMatch(/quota|pids|env/);
  });
});
