import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { nthPod } from "../robustness/support/subjects.js";
import { TestNode } from "../robustness/support/test-node.js";
import { getPage } from "./scrape.js";

it("a flood on the port of metrics keeps the bridge from no call of the runtime", async () => {
  const node = new TestNode();
  node.install("plugin", "answer");
  node.writeConf("plugin");
  node.writeConfig({ metrics: { listen: "127.0.0.1:0" } });
  const { plugin, program } = await node.connect();
  const port = Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(program.stderrSoFar())?.[1]);
  const requests = "GET /metrics HTTP/1.1\r\nHost:x\r\n\r\n".repeat(1_985);
  for (let count = 0; count < 16; count++) {
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {}).pause();
    socket.write(requests);
  }
  await sleep(50);
  // The call has two seconds.
  expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false, response: {} });
  expect((await getPage({ host: "127.0.0.1", port }, "/healthz")).status).toBe(200);
});
