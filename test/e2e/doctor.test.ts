import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Bridge, bridgeFile, isBridgeBuilt } from "./testbed/bridge.js";
import { waitFor } from "./testbed/command.js";
import { prepareTestbed } from "./testbed/packages.js";
import { PodLife } from "./testbed/pod-life.js";
import { recorders, replaceFile, startRecords } from "./testbed/records.js";
import { confOf } from "./testbed/scenario.js";
import { hasValidator, type RunningTarget, startAll, startTarget, stopAll, targets } from "./testbed/target.js";

const prepared = await prepareTestbed();

/** A failure of a plugin that costs nothing: else containerd 2.1 is warned of. */
const quiet = "onFailure: {create: ignore}\n";

describe.runIf(prepared.ok && isBridgeBuilt())("doctor, of a bridge that no plugin can be run by", () => {
  test("finds each trouble alone, with what mends it, and nothing before and after", { timeout: 400_000 }, async () => {
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
          if (target.mode === "launched") return troubleLaunched(target, life);
          await troubleExternal(target);
          await breakFiles(target);
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

/** A fault in a file of the node, by a shell command. */
interface FileFault {
  readonly id: string;
  readonly make: string;
  /** The command that mends it, where that is not the finding's own fix. */
  readonly mend?: string;
  readonly fix: RegExp;
}

/** Faults as the shell of the node makes them: in conf.json, among the plugins, in the state directory and in config.toml. */
function fileFaults({ confFile, daemon }: RunningTarget): FileFault[] {
  const conf = (text: string, id: string, fix: RegExp): FileFault => ({
    ...{
      id,
      fix,
      make: `cp ${confFile} ${confFile}.before; printf '${text}' > ${confFile}`,
      mend: `mv ${confFile}.before ${confFile}`,
    },
  });
  const toml = join(daemon.directory, "config.toml");
  const runtime = (id: string, from: string, to: string, fix: RegExp): FileFault => ({
    ...{ id, fix, make: `sed -i.before 's|${from}|${to}|' ${toml}`, mend: `mv ${toml}.before ${toml}` },
  });
  const plugin = "/opt/nri/bin/recorder";
  // Not beside it: doctor looks at what is in the plugins' directory.
  const kept = join(daemon.directory, "recorder");
  const program = (id: string, make: string, fix: RegExp): FileFault => ({
    ...{ id, fix, make: `cp -p ${plugin} ${kept}; ${make}`, mend: `mv ${kept} ${plugin}` },
  });
  const line = `${toml}:\\d+`;
  const required = (id: string, lines: string, fix: RegExp): FileFault => ({
    ...{ id, fix, mend: `mv ${toml}.before ${toml}` },
    make: `cp ${toml} ${toml}.before; printf '[plugins."io.containerd.nri.v1.nri".default_validator]\\nenable = true\\n${lines}' >> ${toml}`,
  });
  const tolerated = 'tolerate_missing_plugins_annotation = "x"\\n';
  const validators = [
    required("required-plugins-not-tolerated", 'required_plugins = ["v01-bridge"]\\n', /set tolerate_missing_plugins/),
    required(
      "required-plugins-unknown",
      `required_plugins = ["v01-brigde"]\\n${tolerated}`,
      /set required_plugins = \["v01-bridge"\]/,
    ),
  ];
  return [
    conf("{", "conf-fault", /^correct the file at .*conf\.json:1:2$/),
    conf('\\357\\273\\277{"version":"0.1","plugins":[]}', "conf-fault", /byte order mark/),
    conf('{"version":"0.1","plugins":[{"type":"nosuch"}]}', "plugin-not-found", /nosuch/),
    {
      id: "plugin-needs-conf",
      make: `cp -p ${plugin} /opt/nri/bin/nrigadget; sed -i.before 's|}]|},{"type":"nrigadget"}]|' ${confFile}`,
      mend: `mv ${confFile}.before ${confFile}; rm /opt/nri/bin/nrigadget`,
      fix: /"conf": .*docs\/MIGRATION\.md/,
    },
    program("plugin-not-executable", `chmod 0644 ${plugin}`, /^chmod .*recorder/),
    program("plugin-no-shebang", `sed -i 1d ${plugin}`, /first line has to name its interpreter/),
    program("plugin-for-nri-v2", `echo '# nri.pkg.api.v1alpha1.Plugin' >> ${plugin}`, /\/opt\/nri\/plugins/),
    {
      id: "state-unusable",
      make: "chmod 0777 /var/lib/nri-v01-bridge",
      mend: "chmod 0700 /var/lib/nri-v01-bridge",
      fix: /chmod/,
    },
    {
      id: "launched-bad-name",
      make: "printf '#!/bin/sh' > /opt/nri/plugins/tool; chmod 0755 /opt/nri/plugins/tool",
      fix: /^mv -n \/opt\/nri\/plugins\/tool \/opt\/nri\/ # then restart containerd/,
    },
    runtime("nri-disabled", "disable = false", "disable = true", RegExp(`in ${line} set disable = false`)),
    runtime("nri-disabled", "^disabled_plugins = .", '&"io.containerd.nri.v1.nri", ', RegExp(`in ${line} take`)),
    runtime(
      "nri-connections-disabled",
      "connections = false",
      "connections = true",
      RegExp(`in ${line} set disable_c`),
    ),
    runtime(
      "request-timeout-short",
      'request_timeout = "2s"',
      'request_timeout = "50ms"',
      /plugin_request_timeout = "2s"/,
    ),
    runtime(
      "nri-settings-ignored",
      "disable_connections",
      "disable_conections",
      /write disable_connections instead of/,
    ),
    runtime("socket-path-differs", "socket_path = .*", 'socket_path = "/run/x.sock"', /\/run\/x\.sock/),
    ...(hasValidator(daemon.runtime.version) ? validators : []),
    runtime("runtime-config-fault", "^version = 2", "version = [", /correct the file, then restart containerd/),
  ];
}

/** Each fault is found alone, says what mends it, and nothing is found when that is done. */
async function breakFiles(target: RunningTarget): Promise<void> {
  const shell = (command: string) => target.daemon.namespace.run("/bin/sh", ["-c", command]);
  const wrong: unknown[] = [];
  for (const { id, make, mend, fix } of fileFaults(target)) {
    await shell(make);
    const found = await untilFound(target, id).catch(String);
    if (typeof found === "string" || !fix.test(found.fix)) wrong.push(found);
    await shell(mend ?? (typeof found === "string" ? "true" : found.fix));
    await untilHealthy(target).catch((thrown) => wrong.push(`${id}, mended: ${thrown}`));
  }
  expect(wrong).toEqual([]);
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
  readonly severity: string;
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
    // A note asks for nothing: that a plugin is not listed, or that no plugin is required.
    findings = (await look(target)).findings.filter(({ severity }) => severity !== "info");
    return findings.map(({ id }) => id).join() === ids.join() || undefined;
  };
  await waitFor(ids.join() || "no finding", 15_000, found).catch((thrown: unknown) => {
    throw new Error(`${target.runtime} ${target.mode}: ${thrown}\n${JSON.stringify(findings, null, 1)}`);
  });
  const [first = { id: "", severity: "", what: "", fix: "", where: "" }] = findings;
  return first;
}

const untilHealthy = (target: RunningTarget) => untilFound(target);
