import { expect, it } from "vitest";
import { lifeOf, nextNumber, nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

const secret = "s3cr3t-0f-th3-n0d3";
const passing = shareNode({
  // Each line that there is at any level.
  config: { log: { level: "trace" }, onFailure: { create: "continue" }, timeoutMs: 300 },
  environment: { set: { TOKEN: `${secret}-set` } },
  own: { OWN_TOKEN: `${secret}-own` },
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
  await program.stderrMatches(/reloaded its configuration/);
  program.child.kill("SIGTERM");
  const { stderr } = await program.ended;
  expect(stderr).toMatch(/plugin ran/);
  expect(stderr).toMatch(/the bridge cannot use conf.json/);
  expect(stderr.split("\n").filter((line) => line.includes(secret))).toEqual([]);
});
