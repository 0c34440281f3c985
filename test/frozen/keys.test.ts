import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const page = readFileSync(resolve(import.meta.dirname, "../../docs/CONFIG.md"), "utf8");
const folder = makeFolder(afterAll);

/** Written by hand: each key of the configuration with its default, and other values that it takes. */
const keys: readonly (readonly [key: string, byDefault: unknown, ...others: unknown[]])[] = [
  ["socketPath", "/var/run/nri/nri.sock", "/run/other.sock"],
  ["pluginName", "v01-bridge", "other"],
  ["pluginIdx", "10", "42"],
  ["confFile", "/etc/nri/conf.json", join(folder, "conf.json")],
  ["pluginDirs", ["/opt/nri/bin"], ["/a", "/b"]],
  ["lookup", "plugin-dirs-first", "path-first"],
  ["types", "any", "plugin-dirs"],
  ["permissions", "strict", "trust"],
  ["environment.pass", "all", ["PATH", "HOME"]],
  ["environment.set", {}, { A: "b" }],
  ["request", "strict", "superset"],
  ["annotations.pod", [], ["example.com/*"]],
  ["annotations.container", [], ["example.com/*"]],
  ["annotations.alias", "auto", "never"],
  ["phase", "start", "create"],
  ["cgroup", "auto", "host", "capture"],
  ["lostWrites", "fail", "warn"],
  ["results.annotate", false, true],
  ["results.rename", {}, { shares: "cpu.shares" }],
  ["results.keep", false, true],
  ["states", ["create", "delete"], ["create", "update", "delete"]],
  ["exitStatus", "ignore", "strict"],
  ["onFailure.create", "fail", "ignore", "continue"],
  ["onFailure.update", "fail", "ignore", "continue"],
  ["onFailure.delete", "ignore", "fail", "continue"],
  ["synchronize", "adopt", "create", "ignore"],
  ["timeoutMs", null, 500],
  ["replyMarginMs", 200, 300],
  ["killAfterMs", 100, 50],
  ["deleteTimeoutMs", 10_000, 20_000],
  ["killChildren", false, true],
  ["limits.stdoutBytes", 4_194_304, 65_536],
  ["limits.stderrLinesPerRun", 200, 20],
  ["sandboxes", "auto", "always", "never"],
  ["state", { directory: "/var/lib/nri-v01-bridge" }, "memory"],
  ["state.directory", "/var/lib/nri-v01-bridge", "/srv/state"],
  ["log.level", "info", "trace", "debug", "warn", "error", "fatal", "silent"],
  ["log.format", "json", "text"],
  ["log.output", "auto", "stderr", "/var/log/bridge.log"],
  ["metrics.listen", null, "127.0.0.1:9464", "unix:/run/metrics.sock"],
  ["plugins", {}],
];

/** What `plugins` takes for a type. */
const ofPlugin = {
  phase: "create",
  cgroup: "host",
  lostWrites: "warn",
  results: { annotate: true, rename: { shares: "cpu.shares" }, keep: true },
  states: ["create"],
  events: { RemovePodSandbox: "removal" },
  onFailure: { create: "ignore", update: "continue", delete: "continue" },
  timeoutMs: 70,
  exitStatus: "strict",
  killChildren: true,
  limits: { stdoutBytes: 1024, stderrLinesPerRun: 5 },
  environment: { pass: ["PATH"], set: { SECRET: "x" } },
  async: true,
  startAhead: 1,
  breaker: { failures: 3, pauseMs: 1000 },
} as const;

async function check(config: unknown, ...args: string[]) {
  const file = join(folder, "config.yaml");
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const { code, stdout, stderr } = await runCommandLine(["check", "--json", "--config", file, ...args]);
  return { code, stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
}

/** A mapping with a value at each of some keys, which may have dots. */
function nest(values: ReadonlyMap<string, unknown>): object {
  const root = {};
  for (const [key, value] of values) {
    const path = key.split(".");
    const last = path.pop() ?? "";
    const parent = path.reduce<object>((at, name) => {
      if (!Reflect.has(at, name)) Reflect.set(at, name, {});
      return Reflect.get(at, name);
    }, root);
    Reflect.set(parent, last, value);
  }
  return root;
}

/** As few configurations as hold every other value: no key twice in one, nor below another one. */
function configurations(): ReadonlyMap<string, unknown>[] {
  const made: Map<string, unknown>[] = [];
  for (const [key, , ...others] of keys) {
    for (const value of others) {
      const free = made.find((map) => [...map.keys()].every((taken) => !`${key}.`.startsWith(`${taken}.`)));
      if (free === undefined) made.push(new Map([[key, value]]));
      else free.set(key, value);
    }
  }
  return made;
}

describe("the keys of the configuration", () => {
  const rows = [...page.matchAll(/^\| `([a-zA-Z.]+)` \| `(.*?)` \| (.*) \|$/gm)];

  it("are those of docs/CONFIG.md's table, with its defaults", () => {
    expect(rows.map(([, key, byDefault = ""]) => [key, JSON.parse(byDefault)])).toEqual(
      keys.map(([key, byDefault]) => [key, byDefault]),
    );
  });

  it("take the words of docs/CONFIG.md's table and no other", async () => {
    const choices = rows.flatMap(([, key = "", , meaning = ""]) => {
      const [, listed] = /\(((?:`[^`]+`(?:, )?)+)\)$/.exec(meaning) ?? [];
      const words = [...(listed ?? "").matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
      return words.length > 1 ? [{ key, words }] : [];
    });
    const known = new Map(keys.map(([key, ...values]) => [key, values]));
    expect(choices.length).toBeGreaterThan(10);
    for (const { key, words } of choices) expect([...(known.get(key) ?? [])].sort(), key).toEqual(words.sort());
    const { code, stderr } = await check(nest(new Map(choices.map(({ key }) => [key, "neither"]))));
    expect(code).toBe(2);
    for (const { key } of choices) expect(stderr).toContain(`"${key}" is "neither"`);
  });

  it("have their defaults", async () => {
    const { settings } = await check({});
    expect(settings).toEqual(
      keys.flatMap(([key, value]) => (key === "plugins" ? [] : [{ key, value, from: "default", where: null }])),
    );
  });

  it.each(configurations().map((map) => [[...map.keys()].join(", "), map] as const))("take %s", async (_, values) => {
    const { settings } = await check(nest(values));
    const wanted = [...values].map(([key, value]) => {
      return { key, value: key === "environment.set" ? { A: "(set)" } : value, from: "file" };
    });
    expect(settings).toEqual(expect.arrayContaining(wanted.map((setting) => expect.objectContaining(setting))));
  });

  it("are all that there is: another one is refused, with its place", async () => {
    const { code, stderr } = await check({ timeoutMs: 5, timeout: 5 });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/config\.yaml:1:16: unknown key "timeout"; did you mean/),
    ]);
  });
});

describe("the settings of a plugin", () => {
  const conf = join(folder, "one.json");
  writeFileSync(conf, '{"plugins": [{"type": "one"}]}');

  it("are those that docs/CONFIG.md names", () => {
    const [, sentence = ""] = /^`plugins` takes, per plugin type: (.*?)\.$/ms.exec(page) ?? [];
    expect([...sentence.matchAll(/`(\w+)`/g)].map(([, key]) => key)).toEqual(Object.keys(ofPlugin));
  });

  it("are taken", async () => {
    const { plugins } = await check({ plugins: { one: ofPlugin } }, "--conf", conf);
    expect(plugins).toMatchObject([{ ...ofPlugin, environment: { pass: ["PATH"], set: ["SECRET"] } }]);
  });

  it("are all that there is", async () => {
    const { code, stderr } = await check({ plugins: { one: { socketPath: "/x" } } }, "--conf", conf);
    expect([code, stderr]).toEqual([2, expect.stringContaining('unknown key "plugins.one.socketPath"')]);
  });
});
