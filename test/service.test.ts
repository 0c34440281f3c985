import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { Cancellation } from "../src/base/cancellation.js";
import { Deadline } from "../src/base/deadline.js";
import { silentLog } from "../src/base/logger.js";
import { usualEvents } from "../src/bridge/bridge.js";
import { Service, type ServiceOptions } from "../src/bridge/service.js";
import { createRecordedCgroups } from "../src/cgroup/cgroups.js";
import { createRecordedHost } from "../src/host/host.js";
import type { EventName } from "../src/nri/events.js";
import type { CallContext, RuntimeInfo } from "../src/nri/handlers.js";
import type { RunResult, Starter } from "../src/plugin/start.js";
import { ctr, pod } from "./nri/support/subjects.js";
import { nthContainer, nthPod } from "./robustness/support/subjects.js";
import { collectLog } from "./support/collect-log.js";

const runtime: RuntimeInfo = {
  name: "containerd",
  version: "1.7.24",
  nri: { major: 0, minor: 6, patch: 1, preRelease: false, source: "inferred" },
  requestTimeoutMs: 2000,
};

const request = {
  config: "",
  runtimeName: runtime.name,
  runtimeVersion: runtime.version,
  registrationTimeout: 0n,
  requestTimeout: 0n,
  NRIVersion: "",
};

function callOf(event: EventName): CallContext {
  return {
    event,
    method: event,
    payload: new Uint8Array(),
    deadline: Deadline.after(2_000),
    timeoutNano: 2_000_000_000n,
    metadata: [],
    cancellation: new Cancellation(),
    runtime,
  };
}

const folder = mkdtempSync(join(tmpdir(), "bridge-service-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const confFile = join(folder, "conf.json");
writeFileSync(confFile, "{");

const never = () => new Promise<never>(() => {});
/** No plugin runs here. */
const spawner: Starter = { start: never, close: async () => {} };

function serviceOf(options: Partial<ServiceOptions> = {}) {
  return new Service({
    // A broken file: a sandbox's create fails, and says so.
    flags: { confFile, permissions: "trust", sandboxes: "always" },
    file: undefined,
    environment: {},
    host: createRecordedHost([]),
    spawner,
    cgroups: createRecordedCgroups(),
    openJournal: async () => undefined,
    findPeer: async () => undefined,
    log: silentLog,
    ...options,
  });
}

it("says at Configure that the runtime does not have an event that a plugin is to be run for", async () => {
  const log = collectLog();
  const plugins = { labels: { events: { UpdatePodSandbox: "update", PostStartContainer: "started" } } };
  const service = serviceOf({ flags: { confFile, plugins }, log });
  await service.handlers.configure(request, runtime);
  await service.handlers.synchronize?.([], [], callOf("RunPodSandbox"));
  const told = log.lines.filter(({ sentence }) => sentence.startsWith("the runtime has no such event"));
  expect(told.map(({ fields }) => fields)).toEqual([
    {
      ...{ plugin: "labels", event: "UpdatePodSandbox", runtime: "containerd", runtimeVersion: "1.7.24" },
      remedy: "update the runtime to containerd 2.2.0 or cri-o 1.34.0, or later",
    },
  ]);
});

// containerd 1.7 ends when a plugin that it launched does not answer Configure within the 2 s of a request.
it("says at Configure that no captured view can be made, where one is configured", async () => {
  const log = collectLog();
  const refused = { ok: false, reason: "the bridge lacks CAP_SYS_ADMIN", remedy: "run it as root" } as const;
  const cgroups = { ...createRecordedCgroups(), privilege: async () => refused };
  const service = serviceOf({
    cgroups,
    log,
    flags: { confFile, permissions: "trust", cgroup: "capture", state: "memory" },
  });
  onTestFinished(() => service.close());
  service.handlers.configure(request, runtime);
  const said = { level: "error", fields: { error: expect.stringContaining("CAP_SYS_ADMIN: run it as root") } };
  await vi.waitFor(() => expect(log.lines).toContainEqual(expect.objectContaining(said)));
});

describe("a Configure is answered from the configuration alone", () => {
  it("before anything is read: a disk that hangs would take us with it", async () => {
    const order: string[] = [];
    const { handlers } = serviceOf({
      findPeer: async (_, withinMs) => void (withinMs ?? order.push("looks for the runtime")),
      openJournal: async () => void order.push("opens the journal"),
    });
    expect(handlers.configure(request, runtime)).toEqual([...usualEvents]);
    order.push("answered");
    await handlers.handle?.({ name: "RunPodSandbox", pod: pod() }, callOf("RunPodSandbox")).catch(() => {});
    expect(order).toEqual(["answered", "looks for the runtime", "opens the journal"]);
  });

  it("and what the runtime asks next waits for the rest, in its order", async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { handlers } = serviceOf({
      openJournal: () => opened.then(() => undefined),
    });
    await handlers.configure(request, runtime);
    const order: string[] = [];
    const asked = [
      handlers
        .synchronize?.([], [], { ...callOf("RunPodSandbox"), event: "Synchronize" })
        .then(() => order.push("list")),
      ...["p1", "p2"].map((id) =>
        handlers
          .handle?.({ name: "RunPodSandbox", pod: pod({ id }) }, callOf("RunPodSandbox"))
          .catch(({ message }) => order.push(`${id}: ${message}`)),
      ),
    ];
    await new Promise((wait) => setTimeout(wait, 30));
    expect(order).toEqual([]);
    open();
    await Promise.all(asked);
    const broken = "unable to create nri client: unexpected EOF";
    expect(order).toEqual(["list", `p1: ${broken}`, `p2: ${broken}`]);
  });
});

it("looks for the runtime's process again, for as long as it takes, where Configure had not the time", async () => {
  const asked: (number | undefined)[] = [];
  const { handlers } = serviceOf({ findPeer: async (_, withinMs) => void asked.push(withinMs) });
  await handlers.configure(request, runtime);
  await vi.waitFor(() => expect(asked).toEqual([undefined, Infinity]));
});

it("a runtime that launched us and lists what it has is enough: the machine is not asked besides", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const log = collectLog();
  const { handlers } = serviceOf({ log });
  await handlers.configure(request, runtime);
  await handlers.synchronize?.([], [], { ...callOf("RunPodSandbox"), event: "Synchronize" });
  vi.advanceTimersByTime(60_000);
  expect(
    log.lines.filter(
      ({ sentence }) =>
        sentence === "the bridge compared the pods and containers that it remembers with those that exist",
    ),
  ).toHaveLength(1);
});

describe("what the status says beside the connection", () => {
  it("is that the runtime has no pods, which the log says too", async () => {
    const log = collectLog();
    const service = serviceOf({ log });
    const docker = { ...runtime, name: "docker", version: "29.1.0" };
    await service.handlers.configure({ ...request, runtimeName: "docker" }, docker);
    await service.handlers.synchronize?.([], [], { ...callOf("RunPodSandbox"), event: "Synchronize" });
    expect(service.facts.notices).toEqual(["docker has no pods and sends CreateContainer only"]);
    expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("is how many started without plugins, until they end: those that are listed and were not on file", async () => {
    const service = serviceOf();
    const call = { ...callOf("RunPodSandbox"), event: "Synchronize" } as const;
    const [seen, missed] = [1, 2].map((n) => ({ pod: nthPod(n), container: { ...nthContainer(n), pid: 1 } }));
    if (seen === undefined || missed === undefined) throw new Error("no pods");
    await service.handlers.configure(request, runtime);
    await service.handlers.handle?.({ ...seen, name: "StartContainer" }, callOf("StartContainer"));
    await service.handlers.synchronize?.([seen.pod, missed.pod], [seen.container, missed.container], call);
    service.handlers.synchronized?.(runtime);
    const told = ["pods and containers that started without plugins: 1"];
    await expect.poll(() => service.facts.notices).toEqual(told);
    expect(service.facts.withoutPlugins).toBe(1);
    await service.handlers.handle?.({ ...missed, name: "StopContainer" }, callOf("StopContainer"));
    expect(service.facts).toMatchObject({ notices: [], withoutPlugins: 0 });
  });

  it("is that its configuration is wrong, until it is mended", async () => {
    const service = serviceOf({ file: undefined });
    await service.handlers.configure({ ...request, config: "confFle: /x" }, runtime);
    await service.handlers.handle?.({ name: "StopContainer", pod: pod(), container: ctr() }, callOf("StopContainer"));
    expect(service.facts.notices).toEqual(["the bridge's configuration is wrong: pods and containers fail"]);
    await service.reload({});
    expect(service.facts.notices).toEqual([]);
  });
});

it("a sandbox that comes while the configuration is wrong is held, where the runtime cannot be told", async () => {
  const service = serviceOf({ file: undefined });
  const { handlers } = service;
  const old = { ...runtime, version: "2.1.9" };
  const handle = (name: "RunPodSandbox" | "CreateContainer") =>
    handlers.handle?.({ name, pod: pod(), container: ctr() }, { ...callOf(name), runtime: old });
  await handlers.configure({ ...request, config: "confFle: /x" }, old);
  await expect(handle("RunPodSandbox")).rejects.toThrow("nri-v01-bridge: the bridge cannot run plugins: ");
  await service.reload({});
  await expect(handle("CreateContainer")).rejects.toThrow("unable to create nri client");
});

it("a reload while what was running before is still looked at loses nothing of it", async () => {
  const own = mkdtempSync(join(realpathSync(tmpdir()), "nri-service-"));
  onTestFinished(() => rmSync(own, { recursive: true }));
  writeFileSync(join(own, "plugin"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(own, "conf.json"), '{"version":"0.1","plugins":[{"type":"plugin"}]}');
  const requests: unknown[] = [];
  const ended: RunResult = {
    ...{ pid: 1, started: true, exitCode: 0, signal: null, stdout: Buffer.from("{}") },
    ...{ timedOut: false, killed: false, outputTooLarge: false, leftGroup: null },
  };
  const service = serviceOf({
    flags: { confFile: join(own, "conf.json"), pluginDirs: [own], permissions: "trust" },
    file: {},
    spawner: {
      ...spawner,
      start: async () => ({
        pid: 1,
        async give(stdin) {
          requests.push(JSON.parse(Buffer.from(stdin).toString()));
          return ended;
        },
        abandon: async () => {},
      }),
    },
  });
  const { handlers } = service;
  await handlers.configure(request, runtime);
  // Pods without a process are not running.
  const all = Array.from({ length: 300 }, (_, n) => ({ pod: nthPod(n), container: { ...nthContainer(n), pid: 1 } }));
  const pods = all.map((event) => event.pod);
  const containers = all.map(({ container }) => container);
  await handlers.synchronize?.(pods, containers, { ...callOf("RunPodSandbox"), event: "Synchronize" });
  handlers.synchronized?.(runtime);
  await service.reload({ log: { level: "debug" } });
  // They are looked at one by one, between events.
  expect(service.facts.remembered).toBeLessThan(100);
  const last = all.slice(-20);
  for (const event of last) {
    await handlers.handle?.({ ...event, name: "StopContainer" }, callOf("StopContainer"));
    await handlers.handle?.({ ...event, name: "RemoveContainer" }, callOf("RemoveContainer"));
  }
  expect(requests).toMatchObject(last.map(({ container: { id } }) => ({ state: "delete", id })));
  await expect.poll(() => service.facts.remembered).toBe(all.length);
});
