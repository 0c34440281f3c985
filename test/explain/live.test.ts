import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/nri/events.js";
import { readLive } from "../../src/tools/explain/live.js";
import { FakeNode } from "../doctor/fake-node.js";

const id = "0123456789abcdef";

/** A node on which a pod runs, with this containerd. */
function nodeWith(config: string): FakeNode {
  const node = new FakeNode();
  const annotations = {
    "io.kubernetes.cri.container-type": "sandbox",
    "io.kubernetes.cri.sandbox-id": id,
    "io.kubernetes.cri.sandbox-name": "pod1",
  };
  return node
    .process(100, "/usr/bin/containerd", ["--config", "/etc/own.toml"])
    .write("/etc/own.toml", config)
    .process(200, "/usr/bin/containerd-shim-runc-v2")
    .write(`/run/bundles/${id}/config.json`, JSON.stringify({ annotations, linux: { cgroupsPath: `/k8s/${id}` } }))
    .link("/proc/200/cwd", `/run/bundles/${id}`);
}

describe("the events of a pod that runs", () => {
  it("are its create and its delete, with what its bundle says of it, and of a container", () => {
    const node = nodeWith("version = 2\n").write(`/run/bundles/${id}/init.pid`, "4242");
    const { played, unknown } = readLive(id.slice(0, 6), node.root);
    const [create, end] = played.events.map(({ method, payload }) => decodeEvent(method, payload));
    expect([create, end]).toMatchObject([
      { name: "RunPodSandbox", pod: { id, pid: 4242, name: "pod1", linux: { cgroupsPath: `/k8s/${id}` } } },
      { name: "StopPodSandbox" },
    ]);
    expect(played.bundles.map(({ path }) => path)).toEqual([`/run/bundles/${id}/config.json`]);
    expect(unknown[0]).toContain("the pod's own labels");
    const annotations = { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": id };
    node.write("/run/bundles/c0ffee/config.json", JSON.stringify({ annotations, linux: {} }));
    const [started] = readLive("c0ffee", node.root).played.events;
    expect(decodeEvent(started?.method ?? "", started?.payload ?? new Uint8Array())).toMatchObject({
      name: "StartContainer",
      container: { id: "c0ffee", podSandboxId: id },
    });
  });

  it.each([
    ["as its file says", '[plugins."io.containerd.nri.v1.nri"]\n  plugin_request_timeout = "60s"\n', 60_000_000_000n],
    ["or by default", "version = 2\n", 2_000_000_000n],
  ])("have the time that its runtime gives them, %s", (_, config, timeoutNano) => {
    const { played } = readLive(id, nodeWith(config).root);
    expect(played.events.map((event) => event.timeoutNano)).toEqual([timeoutNano, timeoutNano]);
  });
});

it("an id that is the beginning of two is refused, and both are named", () => {
  const node = nodeWith("version = 2\n").write("/run/bundles/0123/config.json", "{}");
  expect(() => readLive("0123", node.root)).toThrow(/^0123 matches several ids: (\S+) and (\S+)$/);
});

it("a bundle that is no JSON is named", () => {
  const node = nodeWith("version = 2\n").write("/run/bundles/ffff/config.json", "garbage");
  expect(() => readLive("ffff", node.root)).toThrow(/^\/run\/bundles\/ffff\/config\.json: /);
});

const containers = "/run/containers/storage/overlay-containers";

/** CRI-O's bundles of a pod, of a container of it, and of a container of another pod. */
function crioNode(): FakeNode {
  const node = nodeWith("version = 2\n");
  const bundles = {
    feedc0de: ["sandbox", "feedc0de"],
    deadbeef: ["container", "feedc0de"],
    feedother: ["container", "b0d"],
  };
  for (const [id, [type, pod]] of Object.entries(bundles)) {
    const annotations = { "io.kubernetes.cri-o.ContainerType": type, "io.kubernetes.cri-o.SandboxID": pod };
    const text = JSON.stringify({ annotations, linux: { cgroupsPath: "/c" } });
    node.write(`${containers}/${id}/userdata/config.json`, text);
  }
  return node;
}

// CRI-O's default (recordings/crio-1.37.0-dev/no-infra-container): the bundle of such a pod lies beside those of its containers.
it("a pod of CRI-O without an infra container is found beside its containers, without a pid", () => {
  const node = crioNode().process(300, "/usr/bin/conmon").link("/proc/300/cwd", `${containers}/deadbeef/userdata`);
  expect(readLive("feed", node.root)).toMatchObject({
    played: { bundles: [{ path: `${containers}/feedc0de/userdata/config.json` }] },
    unknown: expect.arrayContaining([expect.stringContaining("the pid: ")]),
  });
  expect(() => readLive("feedother", node.root)).toThrow("no running pod or container feedother");
});

it("a pod and a container of conmon-rs are found by its arguments", () => {
  const node = crioNode()
    .process(300, "/usr/bin/conmonrs", ["--runtime-dir", `${containers}/feedc0de/userdata`])
    .link("/proc/300/root", "/");
  for (const [beginning, id] of Object.entries({ feed: "feedc0de", dead: "deadbeef" }))
    expect(readLive(beginning, node.root)).toMatchObject({
      played: { bundles: [{ path: `${containers}/${id}/userdata/config.json` }] },
    });
});
