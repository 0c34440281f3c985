import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, inject } from "vitest";
import { root } from "../deploy/support.js";
import { Node } from "./node.js";

export const node = new Node(inject("nodeDirectory"));
export const confOf = (...types: readonly string[]) =>
  JSON.stringify({ version: "0.1", plugins: types.map((type) => ({ type })) });

/** Takes from the node what an earlier test left, and puts the plugins there. Watchdogs are off: the emulator may be stopped for a while. */
export async function prepare(): Promise<void> {
  await node.run(`systemctl service-watchdogs no; systemctl disable --now nri-v01-bridge 2>/dev/null; dpkg --purge nri-v01-bridge 2>/dev/null
    rm -rf /etc/systemd/system/nri-v01-bridge* /usr/local/lib/nri-v01-bridge /usr/local/bin/nri-v01-bridge
    rm -rf /etc/nri /opt/nri /etc/nri-v01-bridge; systemctl daemon-reload; systemctl reset-failed; systemctl restart containerd`);
  await empty();
  const dist = readdirSync(join(root, "dist")).filter((file) => /\.(mjs|node)$/.test(file));
  const ours = ["deploy", "legacy-plugins", "test/node/plugins", ...dist.map((file) => `dist/${file}`)];
  await node.put("/root/main", ...ours);
  await node.run(`rm -rf /var/lib/nri-v01-bridge; mkdir -p /opt/nri/plugins; cd /root/main
    install -D -t /opt/nri/bin test/node/plugins/* legacy-plugins/clearcfs`);
  await node.write("/etc/nri/conf.json", confOf("noter"));
}

/** Does a work before the first of these tests, and again before a second attempt where it failed (that of beforeAll is the last one). */
export function beforeFirst(work: () => Promise<unknown>): void {
  let isDone = false;
  beforeEach(async () => {
    if (!isDone) await work();
    isDone = true;
  });
}

/** Before each test: no pods, nothing noted. */
export async function empty(): Promise<void> {
  await node.run("rm -f /etc/noter; touch /var/log/noted");
  await node.removeAllPods();
  await node.run(": >/var/log/noted");
}

/** What the plugin `noter` noted since the last call: `create container ID` and so on. */
export async function noted(): Promise<string[]> {
  return (await node.run("cat /var/log/noted; : >/var/log/noted")).split("\n").filter((line) => line !== "");
}

/** Runs a pod of one container. `notes`: what is noted of their life. */
export async function startPod(annotations: Readonly<Record<string, string>> = {}) {
  const pod = await node.runPod(annotations);
  const container = await node.runContainer(pod);
  const create = [`create sandbox ${pod}`, `create container ${container}`];
  return { pod, container, notes: { create, delete: [`delete container ${container}`, `delete sandbox ${pod}`] } };
}

/** Waits until the bridge serves the runtime. */
export const serves = () => node.until("systemctl status nri-v01-bridge | grep -q 'Status: .serves containerd'");

export const mainPid = () => node.run("systemctl show -P MainPID nri-v01-bridge");

/** Waits until systemd has started another bridge, and that serves. */
export async function servesAnew(pid: string): Promise<void> {
  await node.until(`p=$(systemctl show -P MainPID nri-v01-bridge) && [ "$p" != 0 ] && [ "$p" != ${pid} ]`);
  await serves();
}

/** Installs the bridge as the unit's header says, word for word. */
export async function installUnit(): Promise<void> {
  const unit = readFileSync(join(root, "deploy/systemd/nri-v01-bridge.service"), "utf8");
  const commands = [...unit.matchAll(/^# {3}(\S.*)$/gm)].map(([, command]) => command);
  await node.run(["set -e; cd /root/main", ...commands].join("\n"));
  await serves();
}

/** Replaces the bridge's configuration, and starts it with that. A conf.json of its own: containerd then leaves sandboxes to it. */
export async function configure(
  settings: object,
  conf = confOf("noter"),
  confFile = "/etc/nri-v01-bridge/conf.json",
): Promise<void> {
  await node.run("rm -f /etc/nri/conf.json /etc/nri-v01-bridge/conf.json");
  await node.write(confFile, conf);
  await node.write("/etc/nri-v01-bridge/config.yaml", JSON.stringify({ confFile, ...settings }));
  await node.run("systemctl restart nri-v01-bridge");
  await serves();
}

/** What doctor finds. */
export async function findings(): Promise<{ id: string; severity: string; fix: string }[]> {
  return JSON.parse((await node.try("nri-v01-bridge doctor --json")).stdout).findings;
}

/** Lines of the journal since the cursor that `journalEnd` gave. */
export const journalEnd = () => node.run("journalctl -n 1 --show-cursor -q -o cat | sed -n 's/^-- cursor: //p'");
export const journal = (since: string, options: string) =>
  node.run(`journalctl -q -o cat --after-cursor='${since}' ${options}`);

/** After one plugin that fails and one that does not, each line of the journal has the severity of its level. */
export async function expectSeverities(match: string): Promise<void> {
  const since = await journalEnd();
  const fails = `echo '{"plugin":"noter","version":"0.1","error":"as asked"}'; exit`;
  await node.write("/etc/noter", `[ "$state $kind" = "create container" ] && { ${fails}; }`);
  await expect(startPod()).rejects.toThrow("as asked");
  await node.run("rm /etc/noter");
  await startPod();
  const entries = (await node.run(`journalctl -q -o json --after-cursor='${since}' ${match}`)).split("\n");
  const bySyslog: Record<string, string> = { 3: "error", 4: "warn", 6: "info" };
  const lines = entries.map((text) => JSON.parse(text)).filter(({ MESSAGE }) => MESSAGE.startsWith("{"));
  for (const { MESSAGE, PRIORITY } of lines) expect(JSON.parse(MESSAGE).level).toBe(bySyslog[PRIORITY]);
  expect(lines.map(({ PRIORITY }) => PRIORITY)).toEqual(expect.arrayContaining(["4", "6"]));
}
