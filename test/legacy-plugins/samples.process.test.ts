import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { invoke, pluginsDir, recordedRuns } from "./requests.js";

describe("recorder", () => {
  /** Installed once, under the names that a scenario needs. */
  function install(names: readonly string[]) {
    const directory = makeFolder();
    const store = join(directory, "store");
    mkdirSync(store);
    copyFileSync(join(pluginsDir, "recorder"), join(directory, "recorder"));
    writeFileSync(join(directory, "recorder.directory"), `${store}\n`);
    for (const name of names) if (name !== "recorder") symlinkSync("recorder", join(directory, name));
    const stored = () => readdirSync(store).filter((file) => !file.startsWith("."));
    return { directory, store, stored };
  }

  it("answers, stores and names the files as the one of the recordings did", () => {
    const runs = recordedRuns.filter(({ caseName }) => ["chained", "type-symlink"].includes(caseName));
    const { directory, store, stored } = install([...new Set(runs.map(({ plugin }) => plugin))]);
    expect(runs.length).toBeGreaterThan(12);
    for (const run of runs) {
      expect(invoke(join(directory, run.plugin), run.request).stdout).toBe(run.stdout.toString());
    }
    const byOrder = stored().map((file) => ({ name: file.slice(3), bytes: readFileSync(join(store, file)) }));
    expect(byOrder).toEqual(runs.map((run) => ({ name: run.file.slice(3), bytes: run.request })));
  });

  it("stores what is no request too", () => {
    const { directory, store, stored } = install([]);
    const bytes = Uint8Array.of(0, 0xff, 10, 13, 10);
    invoke(join(directory, "recorder"), bytes);
    expect(stored()).toEqual(["01-recorder-none-container.request.json"]);
    expect(readFileSync(join(store, stored()[0] ?? ""))).toEqual(Buffer.from(bytes));
  });
});

it("labels tells what each recorded request has", () => {
  for (const run of recordedRuns.filter((_, index) => index % 6 === 0)) {
    const { version, state, id, sandboxID, labels = {} } = JSON.parse(run.request.toString());
    const kind = id === sandboxID ? "sandbox" : "container";
    const metadata = { state, id, kind, labels: `${Object.keys(labels).length}` };
    const answer = { plugin: "labels", version, error: "", metadata };
    expect(JSON.parse(invoke(join(pluginsDir, "labels"), run.request).stdout), run.file).toEqual(answer);
  }
});

it("no sample has the name of a program in PATH, which containerd 1.6 would run in its place", () => {
  const names = readdirSync(pluginsDir).filter((name) => !name.includes("."));
  expect(names).toContain("request-log");
  const places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  expect(names.filter((name) => places.some((place) => existsSync(join(place, name))))).toEqual([]);
});

it.each([
  ["localhost/busybox:latest", "tag is latest"],
  ["registry:5000/busybox", "no tag"],
  ["registry:5000/busybox:1.36", ""],
  ["busybox@sha256:00", ""],
])("no-latest answers %s with %j, at a create alone", (image, error) => {
  const annotations = { "io.kubernetes.cri.image-name": image };
  const labels = { "io.kubernetes.cri.image-name": "of-a-user:1" };
  const answers = ["create", "delete"].map((state) => {
    const request = JSON.stringify({ version: "0.1", state, spec: { annotations }, labels });
    return JSON.parse(invoke(join(pluginsDir, "no-latest"), request).stdout).error;
  });
  expect(answers).toEqual([error, ""]);
});

describe("request-log", () => {
  const done = '{"plugin":"request-log","version":"0.1","error":""}\n';

  it("appends requests to the file of its conf", () => {
    const path = join(makeFolder(), "a <log>.txt");
    const text = `{"conf":{"path":${JSON.stringify(path).replace("<", "\\u003c")}},"version":"0.1","state":"create"}`;
    for (let i = 0; i < 2; i++) expect(invoke(join(pluginsDir, "request-log"), text).stdout).toBe(done);
    expect(readFileSync(path, "utf8")).toBe(`${text}\n${text}\n`);
  });

  it("reports a file that it cannot write, and logs nothing without a conf", () => {
    const text = '{"conf":{"path":"/no/such/dir/log"},"version":"0.1"}';
    expect(JSON.parse(invoke(join(pluginsDir, "request-log"), text).stdout).error).toMatch(
      /^\/no\/such\/dir\/log: No such file/,
    );
    expect(invoke(join(pluginsDir, "request-log"), '{"version":"0.1"}').stdout).toBe(done);
  });
});

describe("noop", () => {
  it("reads its request and answers when it has no plan", () => {
    expect(invoke(join(pluginsDir, "noop"), "x".repeat(100_000))).toEqual({
      status: 0,
      stdout: '{"plugin":"noop","version":"0.1","error":"","metadata":{"by":"noop"}}',
      stderr: "",
    });
  });

  it("names a step that it does not know", () => {
    const path = join(makeFolder(), "plugin");
    symlinkSync(join(pluginsDir, "noop"), path);
    writeFileSync(`${path}.plan`, "dance");
    expect(invoke(path, "")).toMatchObject({ status: 64, stderr: "unknown step: dance\n" });
  });
});
