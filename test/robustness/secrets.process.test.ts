import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lifeOf, nextNumber, nextPod } from "./support/subjects.js";
import { type SharedNode, shareNode } from "./support/test-node.js";

/** What a plugin's environment is on a node, by name. */
async function environmentOfPlugin({ node, plugin }: SharedNode): Promise<Record<string, string>> {
  const seen = join(node.folder, "environment");
  node.installScript("plugin", `#!/bin/sh\ntr '\\0' '\\n' </proc/$$/environ >'${seen}'\n`);
  node.writeConf("plugin");
  await plugin.call("RunPodSandbox", { pod: nextPod() });
  const lines = readFileSync(seen, "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

const own = {
  KEPT: "kept",
  DROPPED: "dropped",
  NRI_PLUGIN_NAME: "never",
  NRI_PLUGIN_IDX: "42",
  NRI_PLUGIN_OTHER: "never",
  NOTIFY_SOCKET: "/nowhere",
};

const secret = "s3cr3t-0f-th3-n0d3";
const passing = shareNode({
  // Each line that there is at any level.
  config: { log: { level: "trace" }, onFailure: { create: "continue" }, timeoutMs: 300 },
  environment: { set: { TOKEN: `${secret}-set` } },
  own: { ...own, OWN_TOKEN: `${secret}-own` },
});

describe("the environment of a plugin", () => {
  it("is the bridge's own, without what NRI v2 and the service manager tell the bridge", async () => {
    // NRI_PLUGIN_SOCKET would make the program one that a runtime has launched.
    const environment = await environmentOfPlugin(passing());
    expect(environment).toMatchObject({ KEPT: "kept", DROPPED: "dropped" });
    expect(Object.keys(environment).filter((name) => /^NRI_PLUGIN_|^NOTIFY_SOCKET$/.test(name))).toEqual([]);
  });
});

it("secrets of conf and environment never reach the log", async () => {
  const { node, plugin, program } = passing();
  // In every way in which a run can end; none of them prints what it was given.
  const plans = {
    good: ["read", "answer"],
    failing: ["read", "answer-error no"],
    garbage: ["stdout garbage"],
    hanging: ["wait 30"],
    killed: ["kill KILL"],
    unread: ["answer"],
  };
  for (const [name, plan] of Object.entries(plans)) node.install(name, ...plan);
  const conf = { password: secret, nested: [{ [secret]: secret }] };
  node.writeConf(...[...Object.keys(plans), "missing"].map((type) => ({ type, conf })));
  for (const [name, subject] of lifeOf(nextNumber())) await plugin.call(name, subject);
  // And in a conf.json that cannot be read.
  node.writeConfText(`{"version":"0.1","plugins":[{"type":"good","conf":{"password":"${secret}"}},{"type":1}]}`);
  await plugin.call("RunPodSandbox", { pod: nextPod() });
  node.writeConfText(`{"version":"0.1","plugins":[{"type":"good","conf":"${secret}`);
  await plugin.call("RunPodSandbox", { pod: nextPod() });
  program.child.kill("SIGHUP");
  await program.stderrMatches(/the configuration is read again/);
  program.child.kill("SIGTERM");
  const { stderr } = await program.ended;
  expect(stderr).toMatch(/plugin ran/);
  expect(stderr).toMatch(/conf.json cannot be read/);
  expect(stderr.split("\n").filter((line) => line.includes(secret))).toEqual([]);
});
