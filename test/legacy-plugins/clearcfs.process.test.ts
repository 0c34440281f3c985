import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { invoke, pluginsDir } from "./requests.js";

const root = makeFolder(afterAll);
const programs = [{ name: "clearcfs", path: join(pluginsDir, "clearcfs") }];
const compiler = ["/usr/bin/cc", "/usr/local/bin/cc", "/usr/bin/gcc", "/usr/bin/clang"].find(existsSync);
if (compiler !== undefined) {
  const path = join(root, "clearcfs");
  execFileSync(compiler, ["-Wall", "-Wextra", "-Werror", "-O2", "-o", path, join(pluginsDir, "clearcfs.c")]);
  programs.push({ name: "clearcfs.c", path });
}

const cgroupsPath = "/kubepods/burstable/podx/ctr";
const quota = join(root, "cpu", cgroupsPath, "cpu.cfs_quota_us");

function resetQuota(): void {
  mkdirSync(join(quota, ".."), { recursive: true });
  writeFileSync(quota, "50000");
}

interface Changes {
  readonly state?: string;
  readonly path?: string;
  readonly annotations?: Record<string, unknown>;
  readonly conf?: unknown;
  readonly labels?: Record<string, string>;
}

function request({ state = "create", path = cgroupsPath, annotations, conf, labels }: Changes = {}): string {
  return JSON.stringify({
    conf: conf ?? { cgroupRoot: root },
    version: "0.1",
    state,
    id: "ctr",
    sandboxID: "pod",
    pid: 123,
    spec: {
      resources: { devices: [{ allow: false, access: "rwm" }], memory: {}, cpu: { quota: 50_000 } },
      namespaces: { mount: "" },
      cgroupsPath: path,
      annotations: annotations ?? { "qos.class": "ls" },
    },
    labels,
  });
}

const done = '{"plugin":"clearcfs","version":"0.1","error":""}\n';

describe.each(programs)("$name", ({ path: program }) => {
  it.each([
    ["create of an ls container", {}, "-1"],
    ["delete", { state: "delete" }, "50000"],
    ["update", { state: "update" }, "50000"],
    ["another class", { annotations: { "qos.class": "be" } }, "50000"],
    ["no annotations", { annotations: {} }, "50000"],
    ["the class in the wrong place", { annotations: {}, conf: { cgroupRoot: root, "qos.class": "ls" } }, "50000"],
    ["the class as a label", { annotations: {}, labels: { "qos.class": "ls" } }, "50000"],
    ["the class in the text of another annotation", { annotations: { a: '"qos.class":"ls"' } }, "50000"],
    ["the class below the annotations", { annotations: { a: { "qos.class": "ls" } } }, "50000"],
    ["a key that looks like a path", { annotations: { "x/qos.class": "ls" } }, "50000"],
    ["a conf that looks like a request", { conf: { cgroupRoot: root, state: "delete", spec: {} } }, "-1"],
    [
      "annotations that need escapes",
      { annotations: { 'a"\\\n\t/': '}]{"', "qos.class": "ls", ü: "\u2028<&>" } },
      "-1",
    ],
    ["a class that Go escapes", { annotations: { "qos.class": "l\\s" } }, "50000"],
  ] as const)("of %s", (_, changes, expected) => {
    resetQuota();
    expect(invoke(program, request(changes))).toEqual({ status: 0, stdout: done, stderr: "" });
    expect(readFileSync(quota, "utf8")).toBe(expected);
  });

  it("reads Go's escapes", () => {
    resetQuota();
    const text = request({ annotations: { "a<b>": "&", "qos.class": "ls" } });
    expect(invoke(program, text.replaceAll("<", "\\u003c").replaceAll("&", "\\u0026")).stdout).toBe(done);
    expect(readFileSync(quota, "utf8")).toBe("-1");
  });

  it.each([
    ["a cgroup that is not there", '/no/"such', /no\/"such.*does not exist/],
    ["a hierarchy without the v1 controller", "/v2", /no cgroup v1 cpu controller/],
  ])("reports %s", (_, path, error) => {
    mkdirSync(join(root, "cpu/v2"), { recursive: true });
    const { stdout, status } = invoke(program, request({ path }));
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ plugin: "clearcfs", error: expect.stringMatching(error) });
  });

  it("takes no other argument", () => {
    expect(JSON.parse(invoke(program, request(), ["other"]).stdout).error).toMatch(/^invalid arg:? other$/);
  });
});
