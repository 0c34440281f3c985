import { spawn } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { jsonLines, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const chained = resolve(import.meta.dirname, "../../fixtures/cases/chained");

let folder: string;
beforeEach(() => {
  folder = makeFolder();
});

/** A plugin that keeps its request and prints this. */
function plugin(name: string, body: string): void {
  const text = `#!/bin/sh\ncat >> '${folder}/requests'; echo >> '${folder}/requests'\necho "a line of $0" >&2\n${body}\n`;
  writeFileSync(join(folder, name), text, { mode: 0o755 });
}

const exec = (...args: string[]) => runCommandLine(["exec", "--bin-dir", folder, ...args]);
const requests = () => jsonLines(readFileSync(join(folder, "requests"), "utf8"));

describe("exec", () => {
  it("says that this machine is too slow where nothing was answered in time, and takes it for no fault of the bridge", async () => {
    plugin("recorder3", "echo '{}'");
    const [first = ""] = readFileSync(join(chained, "events.jsonl"), "utf8").split("\n");
    writeFileSync(join(folder, "events.jsonl"), JSON.stringify({ ...JSON.parse(first), timeoutNano: "1" }));
    const { code, stderr } = await exec("recorder3", `${folder}:1`, "--conf", join(chained, "conf.json"));
    expect(stderr).toBe(
      "nri-v01-bridge: the bridge did not answer RunPodSandbox within 0 ms, and a runtime would have closed the connection: this machine is too slow or too busy\n",
    );
    expect(code).toBe(1);
  });

  it("runs one plugin once on the event's request, and shows everything of it", async () => {
    plugin("recorder3", `echo '{"plugin":"recorder3","version":"0.1","metadata":{"k":"v"}}'`);
    const { code, stdout } = await exec("recorder3", `${chained}:1`);
    expect(stdout).toMatch(/^ {2}recorder3 create {2}ok [\d.]+ ms, (.*)\/recorder3\n {4}request \{"conf".*\}\n/m);
    expect(stdout).toContain(`    stderr  a line of `);
    expect(stdout).toContain(`    result  {"plugin":"recorder3","version":"0.1","metadata":{"k":"v"}}\n`);
    expect(stdout).toMatch(/^ {2}answer OK after [\d.]+ ms\n$/m);
    expect(code).toBe(0);
    // Its own conf, and no other plugin was run or awaited.
    expect(requests()).toEqual([
      expect.objectContaining({ state: "create", conf: { third: [1, 2, { z: null, a: true }] } }),
    ]);
    expect(requests()[0]).not.toHaveProperty("results");
  });

  it("ends with 1 when the plugin fails, with the error as the bridge would answer it", async () => {
    plugin("recorder", `echo '{"plugin":"recorder","version":"0.1","error":"no"}'; exit 3`);
    const { code, stdout } = await exec("recorder", `${chained}:1`);
    expect(stdout).toContain("    exit    3\n");
    expect(stdout).toContain("  answer UNKNOWN: nri invoke: plugin: recorder: no after");
    expect(code).toBe(1);
  });

  it("runs a file that is named by its path, whoever can write its directory: no node is at stake", async () => {
    plugin("mine", "echo '{}'");
    chmodSync(folder, 0o777);
    expect(await exec(relative("", join(folder, "mine")), `${chained}:1`)).toMatchObject({ code: 0 });
    const strict = await exec(join(folder, "mine"), `${chained}:1`, "--permissions", "strict");
    expect([strict.code, strict.stdout]).toEqual([1, expect.stringContaining("refuses to run")]);
  });

  it("asks which event when there are several, and says where the plugin is not run for it", async () => {
    plugin("recorder", "echo '{}'");
    const several = await exec("recorder", chained);
    expect(several.stderr).toContain(`${chained}: give one of its events, ${chained}:1 to ${chained}:9`);
    expect(several.code).toBe(2);
    const none = await exec("recorder", `${chained}:2`);
    expect(none.stderr).toContain("recorder does not run for this event");
    expect(none.code).toBe(2);
  });

  it("runs a delete after its create was taken for done, without running the create", async () => {
    plugin("recorder", "echo '{}'");
    const { code } = await exec("recorder", `${chained}:6`);
    expect(code).toBe(0);
    expect(requests().map(({ state }) => state)).toEqual(["delete"]);
  });

  it("gives a plugin that conf.json does not list no conf, and says so", async () => {
    plugin("mine", "echo '{}'");
    const { code, stderr } = await exec("mine", `${chained}:1`);
    expect(stderr).toContain("conf.json of chained does not list mine: the plugin runs without conf");
    expect(code).toBe(0);
    expect(requests()[0]).not.toHaveProperty("conf");
  });

  it("ends with 1 for a plugin that cannot be run, and shows the create of the pod before it, which fails already", async () => {
    const { code, stdout } = await exec("recorder", `${chained}:4`);
    expect(stdout).toContain('    error   exec: "recorder": executable file not found in $PATH\n');
    expect(stdout).toContain("  answer UNKNOWN: nri invoke: plugin: recorder: exec:");
    expect(code).toBe(1);
  });

  it("names the nearest plugin for a name that is none", async () => {
    const { code, stderr } = await exec("recoder", `${chained}:1`);
    expect(stderr).toMatch(/^nri-v01-bridge: recoder: conf\.json does not list it, .*; did you mean "recorder"\?\n$/);
    expect(code).toBe(2);
  });

  it.each(["exec recorder", "explain"])(
    "%s of a recorded case takes no setting of a bridge that runs here",
    async (verb) => {
      plugin("recorder", "echo '{}'");
      const [config, bridge] = ["bridge.yaml", "nri-v01-bridge.mjs"].map((name) => join(folder, name));
      writeFileSync(config ?? "", "timeoutMs: 1\n");
      writeFileSync(bridge ?? "", "setTimeout(() => {}, 20_000);\n");
      const running = spawn(process.execPath, [bridge ?? "", "--config", config ?? ""], { stdio: "ignore" });
      try {
        const { stdout } = await runCommandLine([...verb.split(" "), `${chained}:1`, "--json", "--bin-dir", folder]);
        for (const line of jsonLines(stdout)) expect(line).toMatchObject({ configuration: null });
        expect(jsonLines(stdout)).not.toEqual([]);
      } finally {
        running.kill();
      }
    },
  );

  it("runs a plugin for an event of its own, with its state", async () => {
    plugin("recorder", "echo '{}'");
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "plugins: {recorder: {events: {RemovePodSandbox: postDelete}}}\n");
    expect((await exec("recorder", `${chained}:9`, "--config", config)).code).toBe(0);
    expect(requests().map(({ state }) => state)).toEqual(["postDelete"]);
  });
});
