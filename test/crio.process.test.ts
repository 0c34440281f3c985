import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeEvent, encodeEvent } from "../src/nri/events.js";
import { readCase } from "../src/tools/replay/case.js";
import { jsonLines, runCommandLine } from "./support/command-line.js";
import { makeFolder } from "./support/places.js";

const crio = resolve(import.meta.dirname, "../fixtures/crio");
const withInfra = join(crio, "with-infra-container");
const withoutInfra = join(crio, "no-infra-container");

interface Played {
  /** What the plugin does with `$request`; the shell's. */
  readonly script?: string;
  readonly phase?: "start" | "create";
  readonly args?: readonly string[];
}

/** Replays a case with one plugin; gives the lines of `--json`. */
async function replay(folder: string, { script = "", phase = "start", args = [] }: Played = {}) {
  const own = makeFolder();
  writeFileSync(join(own, "recorder"), `#!/bin/sh\nread -r request\n${script}\necho '{}'\n`, { mode: 0o755 });
  writeFileSync(join(own, "conf.json"), '{"version":"0.1","plugins":[{"type":"recorder"}]}');
  writeFileSync(join(own, "bridge.yaml"), `plugins: {recorder: {phase: ${phase}, cgroup: host}}\n`);
  const files = ["--conf", join(own, "conf.json"), "--config", join(own, "bridge.yaml"), "--bin-dir", own];
  const { stdout, stderr } = await runCommandLine(["replay", folder, "--json", ...files, ...args]);
  expect(stderr).toBe("");
  return jsonLines(stdout);
}

/** The case with the container's CreateContainer, which the bridge that recorded it had not asked for. */
function withCreate(folder: string): string {
  const derived = join(makeFolder(), "case");
  cpSync(folder, derived, { recursive: true });
  const lines = readFileSync(join(folder, "events.jsonl"), "utf8").split(/^(?=.*"method":"StartContainer")/m);
  const { timeoutNano, payload } =
    readCase(folder).events.find(({ method }) => method === "StartContainer") ?? expect.unreachable();
  const event = decodeEvent("StartContainer", payload);
  if (event === undefined || !("container" in event)) return expect.unreachable();
  const created = encodeEvent("CreateContainer", { ...event, container: { ...event.container, pid: 0 } }, "own");
  const payloadBase64 = Buffer.from(created.payload).toString("base64");
  const line = JSON.stringify({ method: created.method, timeoutNano: String(timeoutNano), payloadBase64 });
  writeFileSync(join(derived, "events.jsonl"), lines.join(`${line}\n`));
  return derived;
}

const requestsOf = (lines: readonly Readonly<Record<string, unknown>>[]) =>
  lines.flatMap(({ type, request }) => (type === "run" ? [JSON.parse(String(request))] : []));

describe.each([
  ["a pod with an infra container", withInfra],
  ["a pod without one, CRI-O's default", withoutInfra],
])("%s", (_, folder) => {
  const runs = join(folder, "expected/runs");
  const sent = readdirSync(runs).filter((file) => file.endsWith(".request.json"));
  const [logDirectory, logPath] = ["io.kubernetes.cri.sandbox-log-directory", "io.kubernetes.cri-o.LogPath"];

  it("is told to plugins as on the node, with the log directory beside", async () => {
    const recorded = sent.toSorted().map((file) => JSON.parse(readFileSync(join(runs, file), "utf8")));
    expect(recorded).toHaveLength(4);
    for (const { id, sandboxID, spec } of recorded) {
      const path = id === sandboxID ? spec.annotations[logPath] : undefined;
      if (path !== undefined) spec.annotations[logDirectory] = dirname(path);
    }
    expect(requestsOf(await replay(folder))).toEqual(recorded);
  });

  it("has the resources, the cgroup and the namespaces of its bundles, and all of their annotations", async () => {
    const bundles = readCase(folder).bundles.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString("utf8")));
    const created = requestsOf(await replay(folder)).filter(({ state }) => state === "create");
    for (const { linux, annotations } of bundles) {
      const { spec } = created.find(({ spec }) => spec.cgroupsPath === linux.cgroupsPath) ?? expect.unreachable();
      expect(spec.annotations).toMatchObject(annotations);
      expect(spec.namespaces).toEqual(
        Object.fromEntries(
          linux.namespaces.map(({ type, path = "" }: { type: string; path?: string }) => [type, path]),
        ),
      );
      expect(spec.resources).toMatchObject({ cpu: linux.resources.cpu });
    }
  });
});

/** What docs/MIGRATION.md says of CRI-O's requests. */
describe("what 1.6's requests had not", () => {
  it("a pod without an infra container has no pid, pins for namespaces, and its own annotations alone", async () => {
    const [{ pid, spec, labels }] = requestsOf(await replay(withoutInfra));
    expect(pid).toBeUndefined();
    expect(spec.namespaces).toMatchObject({ pid: "", ipc: expect.stringMatching(/^\/run\/crio-ns\/ipcns\//) });
    expect(spec.annotations).not.toHaveProperty(["io.kubernetes.cri-o.LogPath"]);
    expect(spec.annotations).toHaveProperty(["example.com/pod-note"]);
    expect(labels).toMatchObject({ "io.kubernetes.container.name": "POD" });
  });

  it("a container has its pod's annotations, its own, CRI-O's, a quota of 0, and a prefix in its cgroup's name", async () => {
    const [, { id, spec }] = requestsOf(await replay(withInfra));
    const { annotations, resources, cgroupsPath } = spec;
    const all = [
      "example.com/pod-note",
      "example.com/ctr-note",
      "io.kubernetes.cri-o.ContainerID",
      "io.container.manager",
    ];
    for (const key of all) expect(annotations).toHaveProperty([key]);
    expect(resources.cpu).toMatchObject({ quota: 0, period: 0 });
    expect(cgroupsPath).toMatch(new RegExp(`/crio-${id}$`));
  });
});

describe("a container that its plugin refuses", () => {
  const ofContainer = '"io.kubernetes.cri.container-type":"container"';
  const script = `case $request in *'"state":"create"'*'${ofContainer}'*) exit 1 ;; esac`;
  const containerd = { folder: resolve(crio, "../cases/basic-hostnet"), args: ["--runtime", "containerd-2.4.0"] };

  const started = ["StartContainer!"];
  const ended = ["StopContainer", "RemoveContainer"];

  it.each([
    ["starts on CRI-O all the same", "start", { folder: withInfra, args: [] }, [...started, ...ended]],
    // Its delete is the bridge's own doing.
    ["has no event after its creation on CRI-O", "create", { folder: withInfra, args: [] }, ["CreateContainer!"]],
    ["does not start on containerd", "start", containerd, [...started, ...ended]],
    ["is undone on containerd", "create", containerd, ["CreateContainer!", ...ended]],
  ] as const)("%s, and has one delete", async (_, phase, { folder, args }, expected) => {
    const played = { script, phase, args };
    const lines = await replay(phase === "create" && folder === withInfra ? withCreate(folder) : folder, played);
    const answers = lines.flatMap(({ type, event, error }) =>
      type === "answer" ? [`${event}${error === null ? "" : "!"}`] : [],
    );
    const runs = requestsOf(lines).flatMap(({ state, id, sandboxID }) => (id === sandboxID ? [] : [state]));
    expect(answers).toEqual(["RunPodSandbox", ...expected, "StopPodSandbox", "RemovePodSandbox"]);
    expect(runs).toEqual(["create", "delete"]);
  });
});
