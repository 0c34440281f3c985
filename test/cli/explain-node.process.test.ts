import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { makeFolder } from "../support/places.js";
import { basic, explain } from "./explain.js";

let folder: string;
beforeEach(() => {
  folder = makeFolder();
});

describe.runIf(process.geteuid?.() === 0)("explain of what runs here", () => {
  /** A process that looks like containerd's shim from /proc: its name, and its working directory. */
  async function startShim(): Promise<{ pod: string; container: string }> {
    const [pod, container] = ["p0d5a11".repeat(8), "c0ffee5".repeat(8)];
    for (const [id, name] of [
      [pod, "pod"],
      [container, "ctr"],
    ]) {
      mkdirSync(join(folder, "k8s.io", `${id}`), { recursive: true });
      copyFileSync(join(basic, "bundles", `${name}.json`), join(folder, "k8s.io", `${id}`, "config.json"));
      writeFileSync(join(folder, "k8s.io", `${id}`, "init.pid"), name === "pod" ? "4242" : "4343");
    }
    // A shell keeps the name that it is started by; newer Nodes name themselves.
    const shim = join(folder, "containerd-shim-runc-v2");
    symlinkSync("/bin/sh", shim);
    const child = spawn(shim, ["-c", "echo ready; read -r end"], {
      cwd: join(folder, "k8s.io", pod),
      stdio: ["pipe", "pipe", "ignore"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await new Promise((ready) => child.stdout.once("data", ready));
    return { pod, container };
  }

  it("shows create and delete of a container and of a pod from their bundles, and what it cannot know", async () => {
    const { pod, container } = await startShim();
    const conf = join(basic, "conf.json");
    const ofContainer = await explain("--container", container.slice(0, 12), "--conf", conf);
    expect(ofContainer.stderr).toBe("");
    expect(ofContainer.events).toMatchObject([
      { event: "StartContainer", id: container, container: "ctr", pod: "default/pod1", plugins: [{ state: "create" }] },
      { event: "StopContainer", plugins: [{ state: "delete" }] },
    ]);
    const request = JSON.parse(ofContainer.events[0].plugins[0].request);
    expect(request).toMatchObject({ pid: 4343, spec: { cgroupsPath: expect.stringContaining("/kubepods/") } });
    expect(ofContainer.events[0].unknown[0]).toContain("the pod's own labels");
    expect(ofContainer.events[0].bundle).toBe(join(folder, "k8s.io", container, "config.json"));
    const ofPod = await explain("--pod", pod, "--conf", conf);
    expect(ofPod.events).toMatchObject([{ event: "RunPodSandbox", id: pod }, { event: "StopPodSandbox" }]);
    expect(JSON.parse(ofPod.events[0].plugins[0].request).pid).toBe(4242);
  });
});

describe("explain of a create phase", () => {
  it("shows the request with the path of the captured view, and makes none", async () => {
    const config = join(folder, "bridge.yaml");
    writeFileSync(config, "plugins: {recorder: {phase: create, cgroup: capture}}\n");
    const { events } = await explain(`${basic}:2`, "--config", config);
    expect(events).toMatchObject([
      { event: "CreateContainer", plugins: [{ outcome: "would run", cgroup: { view: "capture" }, error: null }] },
    ]);
    const { request, cgroup } = events[0].plugins[0];
    expect(JSON.parse(request).spec.cgroupsPath).toBe(cgroup.directory);
    expect(JSON.parse(request)).not.toHaveProperty("pid");
  });
});
