import { beforeEach, describe, expect, it } from "vitest";
import * as bridge from "./bridge.js";
import { node, noted, startPod } from "./bridge.js";

describe("launched by containerd", () => {
  let since = "";
  bridge.beforeFirst(async () => {
    await bridge.prepare();
    since = await bridge.journalEnd();
    await node.run(`/root/main/deploy/launched/install.sh --bundle /root/main/dist/nri-v01-bridge.mjs --command /usr/local/bin/nri-v01-bridge
      mkdir -p /etc/nri/conf.d; systemctl restart containerd`);
    await node.until("ctr version");
  });
  beforeEach(bridge.empty);

  it("runs plugins for a pod's whole life, and its log is in the journal", async () => {
    const { notes } = await startPod();
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
    const lines = await bridge.journal(since, "-t nri-v01-bridge");
    for (const said of ['"mode":"launched"', "configured by the runtime", "the plugins of an event ran"])
      expect(lines).toContain(said);
  });

  it("has the severity of each line in the journal", async () => {
    await bridge.expectSeverities("-t nri-v01-bridge");
  });

  it("is dropped by containerd where it does not answer: doctor says so, and what to do, which mends it", async () => {
    await node.run("rm -f /opt/nri/bin/writer /opt/nri/bin/clearcfs");
    expect(await bridge.findings()).toEqual([]);
    await node.run("pkill -STOP -f nri-v01-bridge.mj[s]");
    // After containerd's plugin_request_timeout they start all the same.
    await startPod();
    await node.until("! pgrep -f nri-v01-bridge.mj[s]");
    const [finding, ...others] = await bridge.findings();
    expect([finding, others]).toMatchObject([
      { id: "bridge-not-running", fix: expect.stringContaining("systemctl restart containerd") },
      [],
    ]);
    await node.run(finding?.fix ?? "false");
    await node.until("ctr version");
    await bridge.empty();
    const { notes } = await startPod();
    expect(await noted()).toEqual(notes.create);
    expect(await bridge.findings()).toEqual([]);
  });
});
