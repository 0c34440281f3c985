import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { mayCapture, mergeConfig, pluginSettings } from "../../src/config/merge.js";
import { parseConfig } from "../../src/config/parse.js";
import { configSchema, defaultConfig } from "../../src/config/schema.js";

function faultOf(text: string): string {
  try {
    parseConfig(text, "bridge.yaml");
  } catch (error) {
    if (error instanceof BridgeError && error.code === "CONFIG") return error.message;
    throw error;
  }
  return "none";
}

describe("the bridge's configuration", () => {
  it("takes an empty file, and one that says the defaults", () => {
    expect(parseConfig("", "bridge.yaml")).toEqual({});
    expect(mergeConfig(parseConfig("# nothing yet\n", "bridge.yaml"))).toEqual(defaultConfig);
    expect(configSchema.safeParse(defaultConfig).success).toBe(true);
  });

  // Without the look ahead, V8 ends the process for some of them.
  it.each(["[", "{a: ", "- ", "? ", "a: "])("refuses nine thousand of %j in one another", (level) => {
    expect(faultOf(`plugins:\n ${level.repeat(9_000)}`)).toMatch(
      /^bridge.yaml:2:\d+: values are nested more than 100 deep$/,
    );
  });

  it.each([
    ["socketPth: /x\n", '1:1: unknown key "socketPth"; did you mean "socketPath"?'],
    ["a: 1\nfoobarbaz: 1", '1:1: unknown key "a"\nbridge.yaml:2:1: unknown key "foobarbaz"'],
    ["plugins:\n  a:\n    timeotMs: 4\n", '3:5: unknown key "plugins.a.timeotMs"; did you mean "timeoutMs"?'],
    ["plugins: {a: {limits: {x: 5}}}", '1:24: unknown key "plugins.a.limits.x"'],
    ["plugins: {a: {limits: {stdoutBites: 5}}}", '1:24: unknown key "plugins.a.limits.stdoutBites"; did you mean "std'],
    [
      "plugins: {a: {events: {UpdatePodSandbo: x}}}",
      '1:24: unknown key "plugins.a.events.UpdatePodSandbo"; expected PostCreateContainer or PostStartContainer or PostUpdateContainer or RemoveContainer or RemovePodSandbox or UpdatePodSandbox or PostUpdatePodSandbox',
    ],
    ["limits:\n  stdoutBytes: abc\n", '2:16: "limits.stdoutBytes" is "abc", expected a number'],
    ["pluginIdx: 10", '1:12: "pluginIdx" is 10, expected text (in quotes where it looks like a number)'],
    ['pluginIdx: "1"', '1:12: "pluginIdx" is "1", expected two digits in quotes, such as "10"'],
    ["lookup: foo", '1:9: "lookup" is "foo", expected plugin-dirs-first or path-first'],
    ["pluginDirs: []", '1:13: "pluginDirs" is a list, expected at least 1 entry'],
    ["log: [1]", '1:6: "log" is a list, expected a mapping'],
    ["confFile: conf.json", '1:11: "confFile" is "conf.json", expected an absolute path'],
    ["- 1", "1:1: the document is a list, expected a mapping"],
    ["timeoutMs: 1\ntimeoutMs: 2", "2:1: Map keys must be unique"],
    ["timeoutMs: 0", '1:12: "timeoutMs" is 0, expected at least 1'],
    ["limits: {stdoutBytes: 5000", "1:27: "],
    ["log: {? *none : 1}", " "],
    [
      'environment: {set: {"": x}}',
      '1:21: "environment.set" has the key "", expected a name of a variable: not empty, w',
    ],
    ["environment:\n  set:\n    A=B: x", '3:5: "environment.set" has the key "A=B"'],
    ['plugins: {a: {environment: {set: {"A\\0": x}}}}', '1:35: "plugins.a.environment.set" has the key "A\\u0000"'],
    ['environment: {set: {A: "x\\0y"}}', '1:24: "environment.set.A" is another value, expected text without NUL'],
    ["environment: {pass: [A=B]}", '1:22: "environment.pass.0" is "A=B", expected a name'],
  ])("refuses %j, and says where, what and what instead", (text, message) => {
    expect(faultOf(text)).toContain(`bridge.yaml:${message}`);
  });

  it("does not expand a bomb of aliases", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ...["b", "c", "d", "e"].map((key, at) => `${key}: &${key} [${`*${"abcd"[at]},`.repeat(9)}]`),
    ];
    expect(() => parseConfig(bomb.join("\n"), "bridge.yaml")).toThrow();
  });

  it("lets flags win over the file, and the file over the defaults, key by key", () => {
    const flags = { limits: { stdoutBytes: 2048 }, timeoutMs: null };
    const file = {
      limits: { stdoutBytes: 4096, stderrLinesPerRun: 5 },
      timeoutMs: 700,
      onFailure: { update: "ignore" },
    } as const;
    const config = mergeConfig(flags, file);
    expect(config.limits).toEqual({ stdoutBytes: 2048, stderrLinesPerRun: 5 });
    expect(config.timeoutMs).toBeNull();
    expect(config.onFailure).toEqual({ create: "fail", update: "ignore", delete: "ignore" });
    expect(config.killAfterMs).toBe(defaultConfig.killAfterMs);
  });

  it("gives a plugin its own settings over the global ones, also one with an odd name", () => {
    const config = mergeConfig(
      parseConfig("timeoutMs: 900\nplugins: {a: {timeoutMs: null, states: [delete]}, __proto__: {timeoutMs: 5}}", "x"),
    );
    expect(pluginSettings(config, "a")).toMatchObject({ timeoutMs: null, states: ["delete"] });
    expect(pluginSettings(config, "b")).toMatchObject({ timeoutMs: 900, states: ["create", "delete"] });
    expect(pluginSettings(config, "constructor").timeoutMs).toBe(900);
    expect(pluginSettings(config, "toString").limits).toEqual(defaultConfig.limits);
  });

  it.each([
    ["", false],
    ["phase: create\n", true],
    ["phase: create\ncgroup: host\n", false],
    ["plugins: {a: {phase: create, cgroup: host}}\n", false],
    ["plugins: {a: {phase: create}}\n", true],
    ["cgroup: host\nplugins: {a: {phase: create}}\n", false],
    ["plugins: {a: {cgroup: capture}}\n", true],
  ])("%j may capture a view: %s", (text, expected) => {
    expect(mayCapture(mergeConfig(parseConfig(text, "x")))).toBe(expected);
  });
});
