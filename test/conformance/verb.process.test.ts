import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { conformance, conformanceJson, PluginFolder, samples } from "./verb.js";

let folder: PluginFolder;

beforeEach(() => {
  folder = new PluginFolder();
});

describe("a good plugin", () => {
  it.each(["clearcfs", "labels", "logger", "noop", "recorder"])(
    "%s of the samples is well in all cases",
    async (name) => {
      const { code, plugin, cases } = await conformanceJson("--plugin", join(samples, name));
      expect(cases.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
      expect(cases.length).toBeGreaterThan(30);
      expect([code, plugin]).toEqual([0, join(samples, name)]);
      for (const reported of cases) {
        expect(reported).toMatchObject({
          name: expect.any(String),
          title: expect.any(String),
          ok: true,
          problem: null,
          changed: null,
        });
      }
    },
  );

  it("is told in a table, with what could not be observed", async () => {
    const { code, stdout, stderr } = await conformance("--plugin", join(samples, "noop"), "--case", "create-sandbox");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ok {4}create-sandbox +a pod sandbox is created {2}\([\d.]+ ms\)$/m);
    expect(stdout).toContain("1 of 1 cases are well.");
    expect(stdout).toContain("not observed");
  });

  it("may report an error: that is an answer, and is noted", async () => {
    const plugin = folder.placePlugin("refuser", ["read", "answer-error no such cgroup", "exit 1"]);
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", "create-container");
    expect(code).toBe(0);
    expect(cases).toMatchObject([{ ok: true, problem: null, note: 'reports the error "no such cgroup"' }]);
  });

  it("need not read its stdin", async () => {
    const plugin = folder.placePlugin("deaf", ["answer"]);
    expect((await conformance("--plugin", plugin)).code).toBe(0);
  });
});

describe("the requests of a recorded case", () => {
  const recorded = resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet");

  it("are all that the plugin would be sent, with its conf and no stranger's pid", async () => {
    const plugin = folder.placeFile(
      "recorder",
      `#!/bin/sh\ncat >>'${folder.path}/seen'; echo >>'${folder.path}/seen'; echo '{}'\n`,
    );
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", recorded);
    expect(code).toBe(0);
    expect(cases).toMatchObject([
      { name: "basic-hostnet:1", title: "RunPodSandbox, create of pod default/pod1", source: `recorded: ${recorded}` },
      { name: "basic-hostnet:4", title: "StartContainer, create of container ctr of default/pod1" },
      { name: "basic-hostnet:6", title: "StopContainer, delete of container ctr of default/pod1" },
      { name: "basic-hostnet:8", title: "StopPodSandbox, delete of pod default/pod1" },
    ]);
    const seen = readFileSync(join(folder.path, "seen"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    // What containerd 1.6.20 sent in this scenario, whose ids and pids were others.
    const expected = readdirSync(join(recorded, "expected/runs"))
      .filter((name) => name.endsWith(".request.json"))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(recorded, "expected/runs", name), "utf8")));
    const shape = ({ version, state, conf, labels, spec }: (typeof seen)[number]) => [
      version,
      state,
      conf,
      labels,
      spec.resources,
    ];
    expect(seen.map(shape)).toEqual(expected.map(shape));
    expect(seen.map(({ pid }) => pid)).toEqual([4_194_305, 4_194_305, 4_194_305, 4_194_305]);
    expect(seen[1].spec.namespaces.network).toBe("/proc/4194305/ns/net");
  });

  it("stand beside the built-in ones that are named, and their cgroups can be had", async () => {
    const { code, cases } = await conformanceJson(
      ...["--plugin", join(samples, "clearcfs"), "--cgroup-conf", "cgroupRoot"],
      ...["--case", resolve(recorded, "../../scenarios/clear-cfs"), "--case", "qos-class"],
    );
    expect(code).toBe(0);
    const changes = cases.filter(({ changed }: { changed: string[] }) => changed.length > 0);
    expect(changes.map(({ name }: { name: string }) => name)).toEqual([
      "qos-class",
      expect.stringMatching(/^clear-cfs:\d$/),
    ]);
  });

  it.each([
    ["a folder that is none", ["--case", "./nothing"], "./nothing: no such folder"],
    ["a word that is no case", ["--case", "basic-hostnet"], "a folder is named as ./basic-hostnet"],
  ])("cannot be %s", async (_, args, message) => {
    const { code, stderr } = await conformance("--plugin", join(samples, "noop"), ...args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});

describe("what a plugin writes", () => {
  it("is seen in scratch cgroups, where its conf can name their root", async () => {
    const { code, cases } = await conformanceJson(
      ...["--plugin", join(samples, "clearcfs"), "--cgroup-conf", "cgroupRoot"],
      ...["--case", "create-container", "--case", "qos-class"],
    );
    expect(code).toBe(0);
    expect(cases).toMatchObject([
      { name: "create-container", changed: [] },
      {
        name: "qos-class",
        note: null,
        changed: [expect.stringMatching(/^cpu\/kubepods\/besteffort\/pod[^ ]*\/cpu\.cfs_quota_us: 50000 -> -1$/)],
      },
    ]);
  });

  it("is seen below a watched directory", async () => {
    const watched = makeFolder();
    writeFileSync(join(watched, "gone"), "1");
    const writes = `run echo x >'${watched}/new'; rm -f '${watched}/gone'`;
    const plugin = folder.placePlugin("writer", ["read", writes, "answer"]);
    const { cases } = await conformanceJson("--plugin", plugin, "--watch", watched, "--case", "create-sandbox");
    expect(cases).toMatchObject([{ ok: true, changed: ["gone: removed", "new: new"] }]);
  });
});

describe("the command line", () => {
  it("gives the plugin its conf of a conf.json", async () => {
    const conf = folder.placeFile(
      "conf.json",
      '{"version":"0.1","plugins":[{"type":"x"},{"type":"told","conf":{"n":12345678901234567890}}]}',
    );
    const plugin = folder.placePlugin("told", [`save ${folder.path}/request`, "answer"]);
    await conformance("--plugin", plugin, "--conf", conf, "--pid", "77", "--case", "create-sandbox");
    const request = readFileSync(`${folder.path}/request`, "utf8");
    expect(request).toMatch(/^\{"conf":\{"n":12345678901234567890\},"version":"0\.1"/);
    expect(request).toContain('"pid":77,');
  });

  it.each([
    ["no plugin is named", [], /--plugin/],
    ["the plugin is not there", ["--plugin", "/no/such"], /--plugin: \/no\/such is no file/],
    [
      "the case is not known",
      ["--plugin", join(samples, "noop"), "--case", "create-sandbx"],
      /did you mean "create-sandbox"/,
    ],
    ["conf.json is not there", ["--plugin", join(samples, "noop"), "--conf", "/no/such"], /--conf: .*no such file/],
    [
      "the watched directory is not there",
      ["--plugin", join(samples, "noop"), "--watch", "/no/such"],
      /--watch: .*no such folder/,
    ],
    ["the pid is no number", ["--plugin", join(samples, "noop"), "--pid", "x"], /--pid/],
  ])("says 2 when %s", async (_, args, said) => {
    const { code, stderr } = await conformance(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(said)]);
  });

  it("says 2 when conf.json has no entry for the plugin, and when its conf takes no key", async () => {
    const two = folder.placeFile("two.json", '{"plugins":[{"type":"a"},{"type":"b"}]}');
    const text = folder.placeFile("text.json", '{"plugins":[{"type":"noop","conf":"x"}]}');
    const noop = join(samples, "noop");
    expect(await conformance("--plugin", noop, "--conf", two)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no entry of "plugins" has the type "noop"'),
    });
    expect(await conformance("--plugin", noop, "--conf", text, "--cgroup-conf", "root")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("only an object takes the key"),
    });
  });
});
