import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { stateChangeRequest } from "../../src/nri/codec.js";
import { jsonLines, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const fixtures = resolve(import.meta.dirname, "../../fixtures");
const plugins = resolve(import.meta.dirname, "../../legacy-plugins");

describe("simulate", () => {
  it("shows a pod in 80 columns: a container that a plugin changed, one that a plugin refused, a delete for each create", async () => {
    const { code, stdout, stderr } = await runCommandLine(["simulate"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/ container ctr (.*\n){3}.* 50000 before, -1 after\n {2}answer OK after /);
    expect(stdout).toMatch(
      / container log (.*\n){2}.* tag is latest\n {2}answer UNKNOWN: .*no-latest: tag is latest after /,
    );
    const rows = stdout.matchAll(/ {2}(\S+) +(create|delete) +id (\w+) +pid \d/g);
    const seen = Array.from(rows, ([, plugin, state, id]) => ({ plugin, state, id }));
    const of = (wanted: string) =>
      seen.flatMap(({ plugin, state, id }) => (state === wanted ? [`${plugin} ${id}`] : []));
    expect(of("create")).toHaveLength(6);
    expect(of("delete").toSorted()).toEqual(of("create").toSorted());
  });

  it.each([
    ["containerd-2.3.4", "recorded on containerd v1.7.24, sent as 2.3.4 does", "RunPodSandbox pod .*, pid \\d+\n"],
    ["cri-o-1.36.0", "recorded on cri-o 1.37.0, sent as 1.36.0 does", "RunPodSandbox pod .*by StateChange"],
  ])("--runtime %s", async (runtime, title, event) => {
    const { code, stdout, stderr } = await runCommandLine(["simulate", "--runtime", runtime]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(title);
    expect(stdout).toMatch(new RegExp(event));
    expect(stdout).toMatch(/no-latest delete .* ok/);
  });

  it("shows what a plugin removed: the cgroup, or all of them", async () => {
    const folder = makeFolder();
    const remove = `#!/bin/sh\nroot=$(sed -n 's/.*"cgroupRoot":"\\([^"]*\\)".*/\\1/p')\nrm -rf "$root"\necho '{}'\n`;
    writeFileSync(join(folder, "clearcfs"), remove, { mode: 0o755 });
    cpSync(join(plugins, "labels"), join(folder, "labels"));
    const scenario = `${fixtures}/scenarios/clear-cfs`;
    const { code, stdout } = await runCommandLine(["simulate", "--scenario", scenario, "--bin-dir", folder]);
    expect(stdout).toContain("cpu.cfs_quota_us of the container: 50000 before, gone after");
    expect(code).toBe(0);
  });
});

describe("simulate, of a scenario that names a path of its own for the container's cgroup", () => {
  /** A recorded case with this path. */
  function scenario(cgroupsPath: string): string {
    const folder = join(makeFolder(), "scenario");
    cpSync(`${fixtures}/cases/basic-hostnet`, folder, { recursive: true });
    const file = join(folder, "events.jsonl");
    const events = jsonLines(readFileSync(file, "utf8")).map((event) => {
      if (event.method !== "StateChange") return event;
      const request = stateChangeRequest.decode(Buffer.from(String(event.payloadBase64), "base64"));
      const { container } = request;
      if (container?.linux !== undefined) container.linux.cgroupsPath = cgroupsPath;
      return { ...event, payloadBase64: Buffer.from(stateChangeRequest.encode(request)).toString("base64") };
    });
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    return folder;
  }

  it("makes nothing above its own folder", async () => {
    const outside = makeFolder();
    const { code } = await runCommandLine(["simulate", "--scenario", scenario(`${"/..".repeat(20)}${outside}`)]);
    expect(code).toBe(0);
    expect(readdirSync(outside)).toEqual([]);
  });
});

describe("replay --json", () => {
  it("prints a line for each run and each answer", async () => {
    const folder = `${fixtures}/cases/chained`;
    const { code, stdout } = await runCommandLine(["replay", folder, "--json", "--bin-dir", plugins]);
    expect(code).toBe(1);
    const lines = jsonLines(stdout);
    // recorder2 is not among the sample plugins: the chain of three ends there, and the create fails as 1.6's did.
    expect(lines.slice(0, 3)).toMatchObject([
      { type: "run", plugin: "recorder", state: "create", phase: "start", outcome: "ok", error: null },
      { type: "run", plugin: "recorder2", outcome: "not-found", path: "" },
      { type: "answer", event: "RunPodSandbox", response: {}, error: { code: "UNKNOWN" } },
    ]);
    // A failed create is undone as a runtime does it: its delete, and nothing else of that pod.
    const events = lines.flatMap((line) => (line.type === "answer" ? [line.event] : []));
    expect(events).toEqual(["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]);
  });

  it("sends all that NRI v2 has with request: superset: what 1.6 sent, and the event whole", async () => {
    const own = makeFolder();
    writeFileSync(join(own, "bridge.yaml"), "request: superset\n");
    const play = async (...flags: string[]) => {
      const folder = `${fixtures}/cases/basic-hostnet`;
      const { stdout } = await runCommandLine(["replay", folder, "--json", "--bin-dir", plugins, ...flags]);
      return jsonLines(stdout).flatMap(({ type, request }) => (type === "run" ? [JSON.parse(String(request))] : []));
    };
    const [strict, superset] = [await play(), await play("--config", join(own, "bridge.yaml"))];
    expect(superset.map(({ state, id }) => [state, id])).toEqual(strict.map(({ state, id }) => [state, id]));
    const [, created, deleted] = superset;
    expect(strict[1]).not.toHaveProperty("nri");
    expect(created).toMatchObject({
      nri: { pod: { name: "pod1", namespace: "default" }, container: { name: "ctr" } },
      spec: { annotations: { "io.kubernetes.container.hash": "deadbeef", "io.kubernetes.cri.container-name": "ctr" } },
      labels: { "io.cri-containerd.kind": "sandbox", app: "demo" },
    });
    expect(strict[2]).not.toHaveProperty("labels");
    expect(deleted).toHaveProperty("labels.app", "demo");
  });
});

describe("the timeline of a replay", () => {
  it("shows what the runtime is asked for, and what is refused", async () => {
    const folder = makeFolder();
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "plugins: {recorder: {phase: create, cgroup: host}}\n");
    const play = async (metadata: object) => {
      writeFileSync(join(folder, "recorder"), `#!/bin/sh\necho '${JSON.stringify({ metadata })}'\n`, { mode: 0o755 });
      const args = ["replay", `${fixtures}/cases/basic-hostnet`, "--bin-dir", folder, "--config", config];
      return (await runCommandLine(args)).stdout;
    };
    const asks = await play({ "adjust.env.A": "b", "adjust.update.other.cpu.shares": "7" });
    expect(asks).toContain("    asks    env.A, update.other.cpu.shares\n");
    expect(asks).toContain('    adjust  {"env":[{"key":"A","value":"b"}]}\n');
    expect(asks).toContain('    update  {"containerId":"other","ignoreFailure":true,');
    // The same at the container's delete.
    expect(asks).toContain("    no use  adjust.env.A: takes effect in phase create, not in delete\n");
    const refused = await play({ "adjust.cpu.quota": "abc" });
    expect(refused).toContain(
      '    error   the result of "recorder" cannot be applied: adjust.cpu.quota "abc": expected',
    );
  });
});
