import { beforeEach, describe, expect, it } from "vitest";
import * as bridge from "./bridge.js";
import { empty, mainPid, node, noted, serves, servesAnew, startPod } from "./bridge.js";

bridge.beforeFirst(async () => {
  await bridge.prepare();
  await bridge.installUnit();
});
beforeEach(empty);

describe("the systemd unit", () => {
  it("is installed word for word as its header says, and runs plugins for a pod's whole life", async () => {
    const { notes } = await startPod();
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
  });

  it("reads its configuration again by systemctl reload, and keeps its process", async () => {
    const pid = await mainPid();
    await bridge.configure({});
    expect(await mainPid()).not.toBe(pid);
    const [restarted, since] = [await mainPid(), await bridge.journalEnd()];
    await node.run("systemctl reload nri-v01-bridge");
    await node.until(
      `journalctl -q --after-cursor='${since}' -u nri-v01-bridge | grep -q 'reloaded its configuration'`,
    );
    expect(await mainPid()).toBe(restarted);
  });
});

describe("the log of the service", () => {
  it("has the severity of each line in the journal", () => bridge.expectSeverities("-u nri-v01-bridge"));
});

describe("doctor", () => {
  bridge.beforeFirst(async () => {
    await node.run("rm -f /opt/nri/bin/writer /opt/nri/bin/clearcfs");
    // containerd 2.1 runs the sandboxes' plugins of this file itself: with another one doctor warns of refused sandboxes.
    await bridge.configure({}, undefined, "/etc/nri/conf.json");
  });

  it("finds nothing on the healthy node", async () => {
    expect(await bridge.findings()).toEqual([]);
  });

  it.each([
    ["stopped", "systemctl stop nri-v01-bridge", "bridge-not-running", "systemctl start nri-v01-bridge"],
    ["stopped by a signal", "systemctl kill -s STOP nri-v01-bridge", "bridge-halted", "kill -CONT"],
    ["frozen with its cgroup", "systemctl freeze nri-v01-bridge", "bridge-halted", "systemctl thaw nri-v01-bridge"],
  ])("says that the bridge is %s, and what to do, which mends it", async (_, command, id, fix) => {
    await node.run(command);
    const [finding, ...others] = await bridge.findings();
    expect([finding, others]).toMatchObject([{ id, severity: "error", fix: expect.stringContaining(fix) }, []]);
    await node.run(finding?.fix ?? "false");
    await serves();
    expect(await bridge.findings()).toEqual([]);
  });
});

describe("the bridge as a service goes on", () => {
  bridge.beforeFirst(() => bridge.configure({}));

  it("after kill -9 while a plugin runs: that is ended, and open pods have their deletes", async () => {
    const { notes } = await startPod();
    await node.write("/etc/noter", '[ "$state" = create ] && exec sleep 300000');
    const pod = node.runPod();
    await node.until("pgrep -f 'sleep 30000[0]'");
    const pid = await mainPid();
    await node.run(`rm /etc/noter; kill -9 ${pid}`);
    const cut = await pod;
    await servesAnew(pid);
    await node.until("! pgrep -f 'sleep 30000[0]'");
    await node.removeAllPods();
    const cutNotes = [`create sandbox ${cut}`, `delete sandbox ${cut}`];
    expect((await noted()).sort()).toEqual([...notes.create, ...notes.delete, ...cutNotes].sort());
  });

  it("after SIGSTOP: the watchdog ends it, and open pods have their deletes", async () => {
    const { notes } = await startPod();
    const [pid, since] = [await mainPid(), await bridge.journalEnd()];
    await node.run(`systemctl service-watchdogs yes; kill -STOP ${pid}`);
    await servesAnew(pid);
    await node.run("systemctl service-watchdogs no");
    expect(await bridge.journal(since, "-u nri-v01-bridge")).toContain("Watchdog timeout");
    const next = await startPod();
    await node.removeAllPods();
    const expected = [...notes.create, ...next.notes.create, ...notes.delete, ...next.notes.delete];
    expect((await noted()).sort()).toEqual(expected.sort());
  });

  it("after a restart of containerd: the same process, and open pods have their deletes", async () => {
    const { notes } = await startPod();
    const [pid, since] = [await mainPid(), await bridge.journalEnd()];
    await node.run("systemctl restart containerd");
    await node.until(`journalctl -q --after-cursor='${since}' -u nri-v01-bridge | grep -q 'registered with'`);
    await serves();
    expect(await mainPid()).toBe(pid);
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
  });

  it("after its restart: what a plugin left running lives on", async () => {
    await node.write("/etc/noter", '[ "$state" = create ] && { setsid sleep 400000 </dev/null >/dev/null 2>&1 & }');
    await startPod();
    const left = await node.run("pgrep -f 'sleep 40000[0]'");
    await node.run("systemctl restart nri-v01-bridge");
    await serves();
    expect(await node.run("pgrep -f 'sleep 40000[0]'")).toBe(left);
    await node.run("pkill -f 'sleep 40000[0]'");
  });

  it.each([
    ["a reboot", "systemctl reboot"],
    ["a power cut", "sync; echo b >/proc/sysrq-trigger"],
  ])("after %s: open pods have their deletes, and the bridge is there before new pods", async (_, command) => {
    const { notes } = await startPod();
    await node.reboot(command);
    await serves();
    await node.until("grep -q 'delete sandbox' /var/log/noted");
    await node.removeAllPods();
    const next = await startPod();
    expect(await noted()).toEqual([...notes.create, ...notes.delete, ...next.notes.create]);
  });

  it("with a sandbox that is held, over a restart of containerd", async () => {
    await bridge.configure({}, bridge.confOf("noter", "nosuchplugin"));
    const pod = await node.runPod();
    const attempt = [`create sandbox ${pod}`, `delete sandbox ${pod}`];
    const refused = "plugin: nosuchplugin: ";
    await expect(node.runContainer(pod)).rejects.toThrow(refused);
    await node.run("systemctl restart containerd");
    await node.until("ctr version");
    await serves();
    await expect(node.runContainer(pod)).rejects.toThrow(refused);
    await node.write("/etc/nri-v01-bridge/conf.json", bridge.confOf("noter"));
    const container = await node.runContainer(pod);
    await node.removeAllPods();
    const life = [`create sandbox ${pod}`, `create container ${container}`, `delete container ${container}`];
    expect(await noted()).toEqual([...attempt, ...attempt, ...attempt, ...life, `delete sandbox ${pod}`]);
  });
});

describe("a drop-in", () => {
  it("plugins-that-only-watch.conf: plugins run, and write where it allows them to alone", async () => {
    await node.run(`install -m 644 -D -t /etc/systemd/system/nri-v01-bridge.service.d \
      /root/main/deploy/systemd/plugins-that-only-watch.conf && systemctl daemon-reload`);
    await bridge.configure({});
    await node.write("/etc/noter", "touch /usr/noted");
    const { notes } = await startPod();
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
    await node.run(
      "[ ! -e /usr/noted ] && rm -r /etc/systemd/system/nri-v01-bridge.service.d && systemctl daemon-reload",
    );
  });
});
