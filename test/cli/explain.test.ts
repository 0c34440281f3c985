import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { jsonLines, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const cases = resolve(import.meta.dirname, "../../fixtures/cases");
const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const basic = join(cases, "basic-hostnet");

/** The verb with --json, read. */
async function explain(...args: string[]) {
  const { code, stdout, stderr } = await runCommandLine(["explain", "--json", "--bin-dir", plugins, ...args]);
  return { code, stderr, events: jsonLines(stdout) };
}

let folder: string;
beforeEach(() => {
  folder = makeFolder();
});

describe("explain of a case", () => {
  it("shows one event, its plugins to the end of the chain, and the sources of their requests", async () => {
    const { code, events } = await explain(`${cases}/chained:1`);
    expect(code).toBe(0);
    expect(events).toMatchObject([
      {
        type: "explain",
        index: 1,
        event: "RunPodSandbox",
        pod: "default/pod25",
        container: null,
        bundle: `${cases}/chained/bundles/pod.json`,
        plugins: [
          {
            plugin: "recorder",
            path: `${plugins}/recorder`,
            outcome: "would run",
          },
          { plugin: "recorder2", outcome: "not-found" },
          { plugin: "recorder3", outcome: "not-found" },
        ],
      },
    ]);
    const [first, second] = events[0].plugins;
    expect(first.sources).toMatchObject({
      conf: "conf.json of chained",
      pid: "the event",
      spec: `${cases}/chained/bundles/pod.json`,
    });
    expect(Object.keys(first.sources)).toEqual(Object.keys(JSON.parse(first.request)));
    expect(second.sources.results).toContain("as if each had succeeded");
    expect(JSON.parse(second.request).results).toEqual([{ plugin: "recorder", version: "0.1", error: "" }]);
  });

  it("takes a delete's spec from what was remembered, and says so", async () => {
    const { events } = await explain(`${basic}:6`);
    expect(events[0]).toMatchObject({ event: "StopContainer", plugins: [{ state: "delete" }] });
    expect(events[0].plugins[0].sources.pid).toBe("remembered from the create");
  });

  it("shows the chain to its end, whatever a failure would cost", async () => {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "plugins: {recorder: {onFailure: {create: ignore}}}\n");
    const { events } = await explain(`${cases}/chained:1`, "--config", config, "--bin-dir", "/nonexistent");
    expect(events[0].plugins).toHaveLength(3);
  });
});

describe("explain of a create phase", () => {
  it("shows the request with the path of the captured view, and makes none", async () => {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "plugins: {recorder: {phase: create, cgroup: capture}}\n");
    const { events } = await explain(`${basic}:2`, "--config", config);
    expect(events).toMatchObject([{ event: "CreateContainer", plugins: [{ outcome: "would run", error: null }] }]);
    const { request } = events[0].plugins[0];
    expect(JSON.parse(request).spec.cgroupsPath).toMatch(/^\/kubepods\//);
    expect(JSON.parse(request)).not.toHaveProperty("pid");
  });
});

describe("explain, for people", () => {
  it("prints each plugin's request and where its parts come from", async () => {
    const { code, stdout } = await runCommandLine(["explain", `${basic}:1`, "--bin-dir", plugins]);
    expect(code).toBe(0);
    expect(stdout).toContain("event 1: RunPodSandbox, pod default/pod1, 7bd8527eebd31\n");
    expect(stdout).toContain(
      `  recorder create: would run, ${plugins}/recorder\n    request  {"version":"0.1","state":"create"`,
    );
    expect(stdout).toContain("             labels: the event: the pod's labels\n");
    expect(stdout).toContain(`  spec from ${basic}/bundles/pod.json\n`);
  });

  it.each([
    ["nothing", [], "give one of: FOLDER that `record` wrote, FOLDER:N for its event N, --pod ID, --container ID"],
    [
      "two things",
      [basic, "--pod", "x"],
      "give one of: FOLDER that `record` wrote, FOLDER:N for its event N, --pod ID, --container ID",
    ],
    ["a missing folder", ["/nonexistent"], "/nonexistent: no such folder"],
    ["a file", [resolve("package.json")], "package.json: it is a file; a case is a folder"],
    ["an event past the end", [`${basic}:99`], "give a number from 1 to 9"],
    ["a pod that is not there", ["--pod", "fffffffffff"], "no running pod or container fffffffffff found"],
  ])("refuses %s with exit code 2", async (_, args, message) => {
    // Not the file of a bridge that runs on this machine.
    const { code, stderr } = await runCommandLine(["explain", "--config", "/dev/null", ...args]);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });

  it("refuses a case whose calls are no events", async () => {
    writeFileSync(join(folder, "events.jsonl"), '{"method":"Configure","timeoutNano":"2000000000","payloadBase64":""}');
    const none = await runCommandLine(["explain", folder]);
    expect(none.stderr).toContain("no event of a pod or container, so no plugin runs");
    expect(none.code).toBe(2);
  });
});
