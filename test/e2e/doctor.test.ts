import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Bridge, bridgeFile, isBridgeBuilt } from "./testbed/bridge.js";
import { waitFor } from "./testbed/command.js";
import { prepareTestbed } from "./testbed/packages.js";
import { PodLife } from "./testbed/pod-life.js";
import { recorders, replaceFile, startRecords } from "./testbed/records.js";
import { confOf } from "./testbed/scenario.js";
import { type RunningTarget, startAll, startTarget, stopAll, targets } from "./testbed/target.js";

const prepared = await prepareTestbed();

/** A failure of a plugin that costs nothing: else containerd 2.1 is warned of. */
const quiet = "onFailure: {create: ignore}\n";

describe.runIf(prepared.ok && isBridgeBuilt())("doctor, of a bridge that no plugin can be run by", () => {
  test("finds each trouble alone, with what mends it, and nothing before and after", async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    const running = await startAll(
      targets.map((target) => startTarget(testbed, target, { bridge: { config: quiet } })),
    );
    try {
      const ended = await Promise.allSettled(
        running.map(async (target) => {
          const life = new PodLife(target.daemon, target.confFile, await startRecords(target.daemon, "doctor"));
          await target.daemon.namespace.run("mkdir", ["-p", "/etc/nri/v01"]);
          await life.writeConf(confOf(...recorders));
          await untilHealthy(target);
          await (target.mode === "launched" ? troubleLaunched(target, life) : troubleExternal(target));
        }),
      );
      for (const one of ended) if (one.status === "rejected") throw one.reason;
    } finally {
      await stopAll(running);
    }
  });
});

async function troubleExternal(target: RunningTarget): Promise<void> {
  const { bridge, daemon } = target;
  const pid = () => bridge.process?.pid ?? 0;
  const file = configFile(target);

  await bridge.stop("SIGKILL");
  const killed = await untilFound(target, "bridge-not-running");
  expect(killed.what).toContain(`the bridge (process ${pid()}) was killed or crashed`);
  expect(killed.fix).toContain("systemctl start nri-v01-bridge");
  await bridge.start();
  await untilHealthy(target);

  await bridge.process?.kill("SIGSTOP");
  expect((await untilFound(target, "bridge-halted")).fix).toBe(`kill -CONT ${pid()}`);
  await bridge.process?.kill("SIGCONT");
  await untilHealthy(target);

  await replaceFile(file, `${quiet}timeoutMs: 1500\n`);
  expect(await untilFound(target, "bridge-config-stale")).toMatchObject({
    where: file,
    fix: `send SIGHUP to process ${pid()}, the bridge`,
  });
  await bridge.process?.kill("SIGHUP");
  await untilHealthy(target);
  expect(bridge.linesThatSay("the bridge reloaded its configuration")).toHaveLength(1);

  await bridge.stop();
  expect((await untilFound(target, "bridge-not-running")).what).toContain("told to end: SIGTERM");
  const elsewhere = new Bridge(daemon, {
    ...{ mode: "external", confFile: target.confFile, flags: ["--socket", "/run/other/nri.sock"] },
  });
  await elsewhere.launch();
  const differs = await untilFound(target, "socket-path-differs");
  expect(differs.what).toContain("the bridge connects to /run/other/nri.sock, and containerd listens on /var/run/nri/");
  expect(differs.fix).toContain("give the bridge --socket /var/run/nri/nri.sock on its command line");
  await elsewhere.stop();
  await bridge.start();
  await untilHealthy(target);
}

/** The runtime closes the connection of a bridge that does not answer, and never launches it again. */
async function troubleLaunched(target: RunningTarget, life: PodLife): Promise<void> {
  const { bridge, daemon } = target;
  const { node } = await look(target);
  await daemon.namespace.run("/bin/kill", ["-STOP", String(node.bridge.pid)]);
  const halted = await untilFound(target, "bridge-halted");
  const restart = /restart containerd \(process \d+, not part of a systemd unit\)/;
  expect(halted.fix).toMatch(`kill -CONT ${node.bridge.pid} # then restart containerd`);
  const pod = await life.runPod({ number: 75 });
  await daemon.namespace.run("/bin/kill", ["-CONT", String(node.bridge.pid)]);
  const dropped = await untilFound(target, "bridge-not-running");
  // containerd 1.7 closes the connection; 2.x kills the process, too.
  expect(dropped.what).toMatch(/the bridge (ended at .*Z: lost|\(process \d+\) was killed or crashed)/);
  expect(dropped.fix).toMatch(restart);
  const since = daemon.log().length;
  await daemon.restart();
  await bridge.waitUntilRegistered(since);
  await untilHealthy(target);
  await life.end(pod);
}

interface Finding {
  readonly id: string;
  readonly what: string;
  readonly fix: string;
  readonly where: string;
}

interface Report {
  readonly node: { readonly bridge: { readonly pid: number; readonly state: string } };
  readonly findings: readonly Finding[];
}

function configFile({ daemon }: RunningTarget): string {
  return join(daemon.directory, "bridge.yaml");
}

/** What `doctor` says in a daemon's namespace, where a file of a test may lie below /tmp. */
async function look(target: RunningTarget): Promise<Report> {
  const flags = ["--conf", target.confFile, "--config", configFile(target), "--permissions", "trust"];
  const { stdout, stderr } = await target.daemon.namespace.run(process.execPath, [
    ...[bridgeFile, "doctor", "--json", ...flags],
  ]);
  if (stdout === "") throw new Error(stderr);
  if (stderr) console.log(target.runtime, target.mode, stderr);
  return JSON.parse(stdout);
}

async function untilFound(target: RunningTarget, ...ids: readonly string[]): Promise<Finding> {
  let findings: readonly Finding[] = [];
  const found = async () => {
    ({ findings } = await look(target));
    return findings.map(({ id }) => id).join() === ids.join() || undefined;
  };
  await waitFor(ids.join() || "no finding", 15_000, found).catch((thrown: unknown) => {
    throw new Error(`${target.runtime} ${target.mode}: ${thrown}\n${JSON.stringify(findings, null, 1)}`);
  });
  const [first = { id: "", what: "", fix: "", where: "" }] = findings;
  return first;
}

const untilHealthy = (target: RunningTarget) => untilFound(target);
