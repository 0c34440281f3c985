import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Cancellation } from "../src/base/cancellation.js";
import { Deadline } from "../src/base/deadline.js";
import { BridgeError } from "../src/base/errors.js";
import { type Log, silentLog } from "../src/base/logger.js";
import { Serial } from "../src/base/serial.js";
import { BackgroundWork } from "../src/bridge/background.js";
import { createBridge, wantedEvents } from "../src/bridge/bridge.js";
import type { ChainCall } from "../src/bridge/chain.js";
import type { SpecOf } from "../src/bridge/spec-source.js";
import { mergeConfig } from "../src/config/merge.js";
import type { PartialConfig } from "../src/config/schema.js";
import { createRecordedHost } from "../src/host/host.js";
import { Ledger } from "../src/ledger/ledger.js";
import { Processes } from "../src/ledger/processes.js";
import { decodeEvent, type EventName, encodeEvent, isPodEvent, type NriEvent } from "../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../src/nri/handlers.js";
import type { Container, ContainerUpdate, PodSandbox } from "../src/nri/types.js";
import { parseVersion } from "../src/nri/versions.js";
import { toSpec } from "../src/v01/to-v01.js";
import type { ConfigList } from "../src/v01/types.js";
import { entriesOf, ledgerOf } from "./ledger/support.js";
import { recordedEvents } from "./support/recorded-events.js";

const nri = { ...parseVersion("v0.6.1"), major: 0, minor: 6, patch: 1, preRelease: false, source: "stated" } as const;

/** The bridge with a chain that only remembers what it was to run. */
function bridgeOf(
  config: PartialConfig = {},
  plugins: readonly string[] = ["a"],
  log: Log = silentLog,
  ledger = new Ledger(),
  specOf: SpecOf = () => ({ resources: null, namespaces: {}, cgroupsPath: "/c", annotations: {} }),
) {
  const chains: ChainCall[] = [];
  const failing = new Set<string>();
  const during: { chain: (call: ChainCall) => Promise<void> | void } = { chain: () => {} };
  const changed: { updates: ContainerUpdate[] } = { updates: [] };
  const serves = { sandboxes: true, deletes: true };
  const list: { conf: ConfigList | BridgeError } = {
    conf: { version: "0.1", plugins: plugins.map((type) => ({ type })) },
  };
  const host = createRecordedHost([]);
  const background = new BackgroundWork();
  const handlers = createBridge({
    background,
    config: mergeConfig(config),
    host,
    processes: new Processes({ host, peer: () => undefined, log: silentLog, onGone: () => {} }),
    servesSandbox: (event) => (event === "create" ? serves.sandboxes : serves.deletes),
    confFile: {
      path: "/etc/nri/conf.json",
      read() {
        if (list.conf instanceof BridgeError) throw list.conf;
        return list.conf;
      },
    },
    specOf,
    runChain: async (pending) => {
      const call = { ...pending, ...pending.make() };
      chains.push(call);
      await during.chain(call);
      const error = failing.has(call.request.state) ? "plugin: a: boom" : undefined;
      const results = call.list.plugins.map(({ type }) => ({ plugin: type, version: "0.1", error: "", metadata: {} }));
      return { error, results, change: { ...changed, fields: [], conflicts: [] } };
    },
    ledger,
    serial: new Serial(),
    log,
  });
  const ran = () =>
    chains.map(({ request, list: { plugins: run } }) => {
      const who = request.id === request.sandboxID ? "pod" : "ctr";
      return `${request.state} ${who} ${run.map(({ type }) => type).join("+")}`;
    });
  return { handlers, chains, ran, failing, ledger, list, host, serves, background, during, changed };
}

function contextOf(event: EventName, limitMs = 2_000): CallContext {
  return {
    event,
    method: event,
    payload: new Uint8Array(),
    deadline: Deadline.after(limitMs),
    timeoutNano: 2_000_000_000n,
    metadata: [],
    cancellation: new Cancellation(),
    runtime: { name: "containerd", version: "v1.7.24", nri: nri ?? [0, 0, 0], requestTimeoutMs: 2_000 },
  };
}

const { pod, container } = recordedEvents("basic-hostnet", "StartContainer");
/** The event as it comes: nothing has a process before it is created. */
function eventOf(name: EventName, of: Container = container): NriEvent {
  if (isPodEvent(name)) return { name, pod };
  return { name, pod, container: name === "CreateContainer" ? { ...of, pid: 0 } : of };
}

async function send(handlers: PluginHandlers, event: EventName, of?: Container): Promise<unknown> {
  return await handlers.handle?.(eventOf(event, of), contextOf(event));
}

async function sendAll(handlers: PluginHandlers, ...events: EventName[]): Promise<void> {
  for (const event of events) await send(handlers, event);
}

/** The runtime lists what it has, and has its answer. */
async function synchronize(
  handlers: PluginHandlers,
  pods: PodSandbox[],
  containers: Container[] = [],
  context = contextOf("RunPodSandbox"),
): Promise<void> {
  await handlers.synchronize?.(pods, containers, { ...context, event: "Synchronize" });
  handlers.synchronized?.(context.runtime);
}

function heapInUse(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage: unknown = runInNewContext("gc");
  if (typeof collectGarbage === "function") collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What is done when the answer is on its way has been done. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 10));

describe("the life of a pod and its container", () => {
  it.each([
    [false, "deleted"],
    [true, "deleting"],
  ])("has a delete that ends after the bridge gave it up (%s): it is %s", async (givenUp, state) => {
    const { handlers, ledger, background, during } = bridgeOf();
    await send(handlers, "StartContainer");
    during.chain = () => {
      background.abandoned = givenUp;
    };
    await send(handlers, "StopContainer");
    expect(ledger.all()).toMatchObject([{ created: { id: container.id }, state }]);
  });

  it.each<[string, EventName[], string[]]>([
    [
      "runs to its end",
      ["RunPodSandbox", "StartContainer", "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"],
      ["create pod a", "create ctr a", "delete ctr a", "delete pod a"],
    ],
    ["never starts: no create, so no delete", ["StopContainer", "RemoveContainer"], []],
    [
      "is stopped twice: one delete",
      ["StartContainer", "StopContainer", "StopContainer"],
      ["create ctr a", "delete ctr a"],
    ],
    [
      "is removed without a stop: the removal is the delete",
      ["StartContainer", "RemoveContainer"],
      ["create ctr a", "delete ctr a"],
    ],
    [
      "is removed twice: one delete",
      ["RunPodSandbox", "RemovePodSandbox", "RemovePodSandbox"],
      ["create pod a", "delete pod a"],
    ],
    [
      "has its pod stopped first: the container's delete is not lost",
      ["RunPodSandbox", "StartContainer", "StopPodSandbox", "StopContainer"],
      ["create pod a", "create ctr a", "delete ctr a", "delete pod a"],
    ],
    ["is unknown: nothing is deleted", ["StopContainer", "StopPodSandbox", "RemovePodSandbox"], []],
    ["is updated, which 1.6 never told", ["StartContainer", "UpdateContainer"], ["create ctr a"]],
  ])("%s", async (_, events, expected) => {
    const { handlers, ran } = bridgeOf();
    await sendAll(handlers, ...events);
    expect(ran().toSorted()).toEqual(expected.toSorted());
  });

  it("gives a failed create its delete, and fails the create with 1.6's words", async () => {
    const { handlers, ran, failing } = bridgeOf();
    failing.add("create");
    await expect(send(handlers, "StartContainer")).rejects.toThrow("nri invoke: plugin: a: boom");
    await send(handlers, "StopContainer");
    expect(ran()).toEqual(["create ctr a", "delete ctr a"]);
  });

  it("has its delete after the end of the create that runs", async () => {
    const { handlers, ran, during } = bridgeOf();
    let end = () => {};
    during.chain = () => new Promise((resolve) => (end = resolve));
    const started = send(handlers, "StartContainer");
    const stopped = send(handlers, "StopContainer");
    during.chain = () => {};
    await settled();
    expect(ran()).toEqual(["create ctr a"]);
    end();
    await Promise.all([started, stopped]);
    expect(ran()).toEqual(["create ctr a", "delete ctr a"]);
  });

  it("is left to the next bridge by one that ends while a container of it is open", async () => {
    const { handlers, ran, background } = bridgeOf();
    await sendAll(handlers, "RunPodSandbox", "StartContainer");
    background.stopping = true;
    await send(handlers, "StopPodSandbox");
    expect(ran()).toEqual(["create pod a", "create ctr a"]);
  });

  it("never fails a teardown, and does not try a failed delete again", async () => {
    const { handlers, ran, failing } = bridgeOf();
    failing.add("delete");
    await sendAll(handlers, "RunPodSandbox", "StopPodSandbox", "RemovePodSandbox");
    expect(ran()).toEqual(["create pod a", "delete pod a"]);
  });

  it("runs the delete of the conf.json of that moment, also for a create that no plugin saw", async () => {
    const { handlers, ran, list } = bridgeOf({}, []);
    await send(handlers, "StartContainer");
    list.conf = { version: "0.1", plugins: [{ type: "late" }] };
    await send(handlers, "StopContainer");
    expect(ran()).toEqual(["delete ctr late"]);
  });

  it("sends pid, spec and no labels with a delete, as they were at the create", async () => {
    const { handlers, chains } = bridgeOf();
    await send(handlers, "StartContainer");
    await send(handlers, "StopContainer", { ...container, pid: 0 });
    expect(chains[1]?.request).toMatchObject({ state: "delete", pid: container.pid, labels: {} });
  });
});

describe("a conf.json that cannot be read", () => {
  const broken = new BridgeError("CONF_LIST", "unexpected EOF");

  it("fails a pod's create, and skips the plugins of a container's create and of all deletes", async () => {
    const { handlers, ran, list } = bridgeOf();
    list.conf = broken;
    await expect(send(handlers, "RunPodSandbox")).rejects.toThrow("unable to create nri client: unexpected EOF");
    await sendAll(handlers, "StartContainer", "StopContainer", "StopPodSandbox");
    expect(ran()).toEqual([]);
  });

  it("is done with a delete that fell into that time", async () => {
    const { handlers, ran, list } = bridgeOf();
    await send(handlers, "StartContainer");
    const good = list.conf;
    list.conf = broken;
    await send(handlers, "StopContainer");
    list.conf = good;
    await send(handlers, "RemoveContainer");
    expect(ran()).toEqual(["create ctr a"]);
  });
});

describe("a delete that no call waits for, while conf.json cannot be read", () => {
  const broken = new BridgeError("CONF_LIST", "unexpected EOF");
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  /** A pod and its container whose processes have ended, without an event. */
  async function gone() {
    const parts = bridgeOf();
    await sendAll(parts.handlers, "RunPodSandbox", "StartContainer");
    const good = parts.list.conf;
    parts.list.conf = broken;
    for (const { pid } of [container, pod]) parts.host.end(pid);
    await parts.handlers.deleteGone(pod.id);
    return { ...parts, good };
  }
  const created = ["create pod a", "create ctr a"];

  it("stays owed, and is delivered when it can be read again", async () => {
    const { ran, list, good, ledger } = await gone();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ran(), ledger.all().map(({ state }) => state)]).toEqual([created, ["open", "open"]]);
    list.conf = good;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(ran()).toEqual([...created, "delete ctr a", "delete pod a"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ran()).toHaveLength(4);
  });

  it("is left to the next bridge when this one ends", async () => {
    const { ran, list, good, background } = await gone();
    list.conf = good;
    background.stopping = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ran()).toEqual(created);
  });

  it("is not delivered to what was created anew meanwhile", async () => {
    const { ran, list, good, handlers } = await gone();
    list.conf = good;
    await send(handlers, "RunPodSandbox");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ran()).toEqual([...created, "create pod a", "delete ctr a"]);
  });
});

describe("states and events", () => {
  it("sends updates where asked for, and only to what was created", async () => {
    const { handlers, ran } = bridgeOf({ plugins: { a: { states: ["update", "delete"] } } }, ["a", "b"]);
    await sendAll(handlers, "UpdateContainer", "StartContainer", "UpdateContainer", "StopContainer");
    expect(ran()).toEqual(["create ctr b", "update ctr a", "delete ctr a+b"]);
  });

  it("gives a plugin further events with a state of its own", async () => {
    const config: PartialConfig = {
      plugins: { b: { events: { PostStartContainer: "postCreate", RemoveContainer: "removal" } } },
    };
    const { handlers, ran, chains } = bridgeOf(config, ["a", "b"]);
    await sendAll(handlers, "StartContainer", "PostStartContainer", "StopContainer", "RemoveContainer");
    expect(chains.map(({ changesNothing = false }) => changesNothing)).toEqual([false, true, false, true]);
    expect(ran()).toEqual(["create ctr a+b", "postCreate ctr b", "delete ctr a+b", "removal ctr b"]);
  });

  it("gives a plugin the resources that a resize asks for, as they are on the wire, and its failure blocks the resize", async () => {
    const { handlers, chains, failing } = bridgeOf({ plugins: { a: { events: { UpdatePodSandbox: "update" } } } });
    const none = { hugepageLimits: [], unified: {}, devices: [] };
    const { pod } = eventOf("RunPodSandbox");
    const resize = { pod, linuxResources: { ...none, cpu: { quota: 5000n, cpus: "", mems: "" } } };
    const sent = encodeEvent("UpdatePodSandbox", { ...resize, overheadLinuxResources: none }, "own");
    const event = decodeEvent(sent.method, sent.payload, true);
    if (event === undefined) throw new Error("an event was encoded");
    await handlers.handle?.(event, contextOf("UpdatePodSandbox"));
    expect(chains[0]?.request).toMatchObject({
      state: "update",
      spec: { resources: { cpu: { quota: 5000n } }, overhead: {} },
    });
    failing.add("update");
    await expect(handlers.handle?.(event, contextOf("UpdatePodSandbox"))).rejects.toThrow(
      "nri invoke: plugin: a: boom",
    );
  });

  it.each<[PartialConfig, EventName[]]>([
    [{}, []],
    [{ states: ["create", "update", "delete"] }, ["UpdateContainer"]],
    [{ plugins: { a: { states: ["update"] } } }, ["UpdateContainer"]],
    [{ plugins: { a: { events: { PostCreateContainer: "x" } } } }, ["PostCreateContainer"]],
    // One that is asked for twice would make each reload register anew.
    [{ plugins: { a: { events: { RemoveContainer: "x" } } } }, []],
    [{ phase: "create" }, ["CreateContainer"]],
    [{ plugins: { a: { phase: "create" } } }, ["CreateContainer"]],
  ])("asks the runtime for no more events than %j needs", (settings, more) => {
    const { runtime } = contextOf("RunPodSandbox");
    const wantedOf = (version: string) => wantedEvents(mergeConfig(settings), { ...runtime, version }).toSorted();
    const always: EventName[] = [
      ...(["RunPodSandbox", "StartContainer", "StopContainer"] as const),
      ...(["StopPodSandbox", "RemoveContainer", "RemovePodSandbox"] as const),
    ];
    expect(wantedOf("v1.7.24")).toEqual([...always, ...more].toSorted());
    // Where a sandbox's failure cannot be told, the creation of its containers is what fails.
    expect(wantedOf("2.1.9")).toEqual([...new Set([...always, ...more, "CreateContainer"])].toSorted());
  });
});

// containerd issues 13355 and 13609; what the runtime is answered for the sandbox: test/nri/stub-calls.test.ts.
describe("a pod sandbox that containerd 2.1 must not be told no", () => {
  const call = (event: EventName, limitMs?: number): CallContext => {
    const context = contextOf(event, limitMs);
    return { ...context, runtime: { ...context.runtime, version: "2.1.9" } };
  };
  const attempts = (count: number) => Array(count).fill(["create pod a", "delete pod a"]).flat();

  /** A bridge, and what it answers this containerd. */
  function connected(ledger?: Ledger) {
    const bridge = bridgeOf({}, ["a"], silentLog, ledger);
    const sent = (name: EventName, limitMs?: number) => bridge.handlers.handle?.(eventOf(name), call(name, limitMs));
    return { ...bridge, sent };
  }

  /** The same when its plugin has refused the pod. */
  async function refused(bridge = connected()) {
    bridge.failing.add("create");
    await expect(bridge.sent("RunPodSandbox")).rejects.toThrow("nri invoke: plugin: a: boom");
    return bridge;
  }

  it("has its delete at once, and none later, when it creates no container", async () => {
    const { sent, ran, ledger, background, host } = await refused();
    await background.idle();
    expect(ran()).toEqual(attempts(1));
    host.end(pod.pid);
    for (const event of ["StopPodSandbox", "RemovePodSandbox"] as const) await sent(event);
    expect(ran()).toEqual(attempts(1));
    expect(ledger.size).toBe(0);
  });

  it("is created again before each of its containers, whose creation fails with it, until that goes well", async () => {
    const { sent, ran, failing, background } = await refused();
    for (let times = 0; times < 2; times++) await expect(sent("CreateContainer")).rejects.toThrow("a: boom");
    await background.idle();
    expect(ran()).toEqual(attempts(3));
    failing.clear();
    for (const event of ["CreateContainer", "CreateContainer", "StartContainer"] as const) await sent(event);
    expect(ran().slice(6)).toEqual(["create pod a", "create ctr a"]);
    await sent("StopPodSandbox");
    expect(ran().slice(8)).toEqual(["delete ctr a", "delete pod a"]);
  });

  it("has the delete of one attempt before the next, when several containers are created at once", async () => {
    const { sent, ran, background } = await refused();
    const creations = [sent("CreateContainer"), sent("CreateContainer")];
    for (const creation of creations) await expect(creation).rejects.toThrow("a: boom");
    await background.idle();
    expect(ran()).toEqual(attempts(3));
  });

  it("is waited for by a container that comes before its first create has ended", async () => {
    const bridge = connected();
    const { sent, ran, during, background } = bridge;
    let end = () => {};
    during.chain = () => new Promise<void>((resolve) => (end = resolve));
    const refusal = refused(bridge);
    const creation = sent("CreateContainer");
    during.chain = () => {};
    end();
    await refusal;
    await expect(creation).rejects.toThrow("a: boom");
    await background.idle();
    expect(ran()).toEqual(attempts(2));
  });

  it.each([
    ["its answer is gone", 200, 250],
    // Between the end of plugins' time and that of the answer (planCall).
    ["no plugin can be started in time", 400, 220],
  ])(
    "fails a container that waits for its delete, and is not created again where %s",
    async (_, limitMs, endsAfterMs) => {
      const bridge = connected();
      const { sent, ran, during, background } = bridge;
      let end = () => {};
      during.chain = ({ request }) =>
        request.state === "delete" ? new Promise<void>((resolve) => (end = resolve)) : undefined;
      await refused(bridge);
      setTimeout(() => end(), endsAfterMs);
      await expect(sent("CreateContainer", limitMs)).rejects.toThrow(
        "the plugins did not finish the create of the pod sandbox in time",
      );
      await background.idle();
      expect(ran()).toEqual(attempts(1));
    },
  );

  it.each<EventName>(["StopPodSandbox", "RemovePodSandbox"])(
    "keeps no later %s waiting while its delete runs",
    async (event) => {
      const bridge = connected();
      const { sent, ran, during, host } = bridge;
      let end = () => {};
      during.chain = ({ request }) =>
        request.state === "delete" ? new Promise<void>((resolve) => (end = resolve)) : undefined;
      await refused(bridge);
      host.end(pod.pid);
      const began = performance.now();
      await sent(event, 400);
      expect(performance.now() - began).toBeLessThan(100);
      end();
      await bridge.background.idle();
      expect(ran()).toEqual(attempts(1));
    },
  );

  it("is held when conf.json cannot be read, and no plugin has seen it", async () => {
    const { sent, ran, list } = connected();
    const good = list.conf;
    list.conf = new BridgeError("CONF_LIST", "unexpected EOF");
    for (const event of ["RunPodSandbox", "CreateContainer"] as const) {
      await expect(sent(event)).rejects.toThrow("unable to create nri client: unexpected EOF");
    }
    list.conf = good;
    for (const event of ["CreateContainer", "StopPodSandbox"] as const) await sent(event);
    expect(ran()).toEqual(["create pod a", "delete pod a"]);
  });

  it("is held where it gets to the start of a container that was created without us", async () => {
    const { sent, ran, background } = await refused();
    await expect(sent("StartContainer")).rejects.toThrow("a: boom");
    await background.idle();
    expect(ran()).toEqual(attempts(2));
  });

  it.each<[string, "begins" | "ends" | "never begins", string[]]>([
    ["before its delete", "never begins", ["delete pod a"]],
    ["while its delete runs", "begins", ["delete pod a"]],
    ["after its delete", "ends", []],
  ])("is held by the next bridge, if this one is killed %s", async (_, until, owed) => {
    const bridge = connected();
    const { ledger, background, during } = bridge;
    const journal: Ledger[] = [];
    during.chain = ({ request }) => {
      if (request.state === "delete" && until === "begins") journal.push(ledgerOf(...entriesOf(ledger)));
    };
    background.stopping = until === "never begins";
    await refused(bridge);
    await background.idle();
    const next = connected(journal[0] ?? ledgerOf(...entriesOf(ledger)));
    await synchronize(next.handlers, [pod], [], call("RunPodSandbox"));
    await next.background.idle();
    expect(next.ran()).toEqual(owed);
    next.failing.add("create");
    await expect(next.sent("CreateContainer")).rejects.toThrow("a: boom");
    await next.background.idle();
    expect(next.ran()).toEqual([...owed, ...attempts(1)]);
  });
});

describe("what is running at the first contact", () => {
  it.each<["adopt" | "create" | "ignore", string[]]>([
    ["adopt", ["delete ctr a", "delete pod a"]],
    // After the answer.
    ["create", ["create ctr a", "create pod a", "delete ctr a", "delete pod a"]],
    ["ignore", []],
  ])("has its creates and deletes with synchronize: %s", async (mode, expected) => {
    const { handlers, ran } = bridgeOf({ synchronize: mode });
    await synchronize(handlers, [pod], [container]);
    await new Promise((wait) => setImmediate(wait));
    await sendAll(handlers, "StopContainer", "StopPodSandbox");
    expect(ran().toSorted()).toEqual(expected);
  });

  it("has its create and delete of phase start alone with synchronize: create", async () => {
    const plugins = { early: { phase: "create" } } as const;
    const { handlers, ran, background } = bridgeOf({ synchronize: "create", plugins }, ["late", "early"]);
    await synchronize(handlers, [pod], [container]);
    await settled();
    await send(handlers, "StopContainer");
    expect(ran()).toEqual(["create pod late+early", "create ctr late", "delete ctr late"]);
    await background.idle();
  });

  it("is looked at between events, so that no event waits for a full node", async () => {
    const { handlers, ran, ledger } = bridgeOf();
    const others = Array.from({ length: 200 }, (_, n) => ({ ...pod, id: `other-${n}` }));
    await synchronize(handlers, others);
    await send(handlers, "RunPodSandbox");
    expect(ran()).toEqual(["create pod a"]);
    expect(ledger.size).toBeLessThan(20);
    await expect.poll(() => ledger.size).toBe(201);
  });

  it.each(["adopt", "create"] as const)(
    "gets its delete alone when it ends before its turn comes (%s)",
    async (mode) => {
      const { handlers, ran } = bridgeOf({ synchronize: mode });
      const { runtime } = contextOf("RunPodSandbox");
      await handlers.synchronize?.([pod], [container], { ...contextOf("RunPodSandbox"), event: "Synchronize" });
      await sendAll(handlers, "StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox");
      handlers.synchronized?.(runtime);
      await settled();
      expect(ran()).toEqual(["delete ctr a", "delete pod a"]);
    },
  );

  it("and what is gone since then gets its delete, once, and what runs on keeps it for later", async () => {
    const { handlers, ran, host } = bridgeOf();
    await sendAll(handlers, "RunPodSandbox", "StartContainer");
    host.end(container.pid);
    await synchronize(handlers, []);
    await settled();
    await send(handlers, "StopContainer");
    expect(ran()).toEqual(["create pod a", "create ctr a", "delete ctr a"]);
    await send(handlers, "StopPodSandbox");
    expect(ran()).toEqual(["create pod a", "create ctr a", "delete ctr a", "delete pod a"]);
  });
});

it("what the runtime removed, but left running, gets no second delete when it is listed again", async () => {
  const { handlers, ran, failing, ledger, host } = bridgeOf();
  failing.add("create");
  await send(handlers, "RunPodSandbox").catch(() => {});
  await sendAll(handlers, "StopPodSandbox", "RemovePodSandbox");
  await synchronize(handlers, [pod]);
  await settled();
  host.end(pod.pid);
  await sendAll(handlers, "StopPodSandbox", "RemovePodSandbox");
  expect(ran()).toEqual(["create pod a", "delete pod a"]);
  expect(ledger.size).toBe(0);
});

it("what was running before us and is not yet adopted has its deletes when its pod stops: the container's first", async () => {
  const { handlers, ran } = bridgeOf();
  await handlers.synchronize?.([pod], [container], { ...contextOf("RunPodSandbox"), event: "Synchronize" });
  await send(handlers, "StopPodSandbox");
  expect(ran()).toEqual(["delete ctr a", "delete pod a"]);
});

describe("a pod whose sandbox the runtime serves itself", () => {
  it("gets no request for its sandbox, and its containers get theirs", async () => {
    const { handlers, ran, serves } = bridgeOf();
    serves.sandboxes = false;
    await sendAll(handlers, "RunPodSandbox", "StartContainer", "StopContainer", "StopPodSandbox");
    expect(ran()).toEqual(["create ctr a", "delete ctr a"]);
  });

  it("is decided at its create, for its whole life", async () => {
    const { handlers, ran, serves } = bridgeOf();
    await send(handlers, "RunPodSandbox");
    serves.sandboxes = false;
    await send(handlers, "StopPodSandbox");
    expect(ran()).toEqual(["create pod a", "delete pod a"]);
  });

  it("gets its delete from the runtime alone where that has come to deliver it", async () => {
    const { handlers, ran, serves, ledger, host } = bridgeOf();
    await send(handlers, "RunPodSandbox");
    serves.deletes = false;
    host.end(pod.pid);
    await sendAll(handlers, "StopPodSandbox", "RemovePodSandbox");
    expect(ran()).toEqual(["create pod a"]);
    expect(ledger.size).toBe(0);
  });
});

describe("plugins of the create phase", () => {
  const config: PartialConfig = { plugins: { early: { phase: "create" } } };
  const names = ["late", "early"];

  it("are run before the container exists, without a pid; the others with its process, and with their results", async () => {
    const { handlers, ran, chains } = bridgeOf(config, names);
    await sendAll(handlers, "CreateContainer", "StartContainer", "StopContainer");
    expect(ran()).toEqual(["create ctr early", "create ctr late", "delete ctr late+early"]);
    expect(chains.map(({ request }) => request.pid)).toEqual([0, container.pid, container.pid]);
    expect(chains[1]?.earlierResults?.map(({ plugin }) => plugin)).toEqual(["early"]);
  });

  it.each<[string, EventName[], string[]]>([
    [
      "it is stopped before it starts",
      ["CreateContainer", "StopContainer", "StartContainer", "RemoveContainer"],
      ["create ctr early", "delete ctr early", "create ctr late", "delete ctr late"],
    ],
    ["its creation was missed", ["StartContainer", "StopContainer"], ["create ctr late", "delete ctr late"]],
    ["it never starts", ["CreateContainer", "StopContainer"], ["create ctr early", "delete ctr early"]],
    ["its pod is stopped first", ["CreateContainer", "StopPodSandbox"], ["create ctr early", "delete ctr early"]],
    ["a sandbox has no phases", ["RunPodSandbox"], ["create pod late+early"]],
  ])("have their creates and deletes, and those of phase start theirs, each once: %s", async (_, events, expected) => {
    const { handlers, ran } = bridgeOf(config, names);
    await sendAll(handlers, ...events);
    expect(ran()).toEqual(expected);
  });

  it("get the delete of a create that they had in phase start, before a reload", async () => {
    const before = bridgeOf({}, names);
    await send(before.handlers, "StartContainer");
    const { handlers, ran } = bridgeOf(config, names, silentLog, before.ledger);
    await send(handlers, "StopContainer");
    expect(ran()).toEqual(["delete ctr late+early"]);
  });

  it("get it from the bridge itself on CRI-O, which undoes nothing when our own answer fails the create", async () => {
    const { handlers, ran, failing } = bridgeOf(config, names);
    failing.add("create");
    const failed = handlers.handle?.(eventOf("CreateContainer"), crioContext("CreateContainer"));
    await expect(failed).rejects.toThrow("nri invoke: plugin: a: boom");
    await settled();
    expect(ran()).toEqual(["create ctr early", "delete ctr early"]);
  });
});

/** A call of CRI-O. */
function crioContext(event: EventName): CallContext {
  const context = contextOf(event);
  return { ...context, runtime: { ...context.runtime, name: "cri-o", version: "1.37.0" } };
}

// recordings/crio-1.37.0-dev: no event follows a container that runc refuses; `name` is the one of the CRI's metadata.
describe("a container of CRI-O that runc refuses has its delete with the next create of its name", () => {
  const first = { ...container, id: "first", pid: 77 };
  const second = { ...container, id: "second", pid: 78 };
  it.each<[string, readonly Container[], (event: EventName) => CallContext, boolean, string[]]>([
    ["whose process has ended", [first, second], crioContext, true, ["delete first"]],
    ["that had no process", [{ ...first, pid: 0 }, second], crioContext, false, ["delete first"]],
    ["once", [first, second, second], crioContext, true, ["delete first"]],
    ["but not one that runs", [first, second], crioContext, false, []],
    ["but not one of another name", [first, { ...second, name: "other" }], crioContext, true, []],
    ["but not one of another pod", [first, { ...second, podSandboxId: "other" }], crioContext, true, []],
    ["but not containerd's, which sends an event", [first, second], contextOf, true, []],
  ])("%s", async (_, containers, context, ended, deletes) => {
    const { handlers, chains, host } = bridgeOf();
    for (const of of containers) {
      await handlers.handle?.(eventOf("StartContainer", of), context("StartContainer"));
      if (ended) host.end(first.pid);
    }
    await settled();
    const delivered = chains.filter(({ request }) => request.state === "delete");
    expect(delivered.map(({ request }) => `delete ${request.id}`)).toEqual(deletes);
  });

  it("also where the create ran before the container existed", async () => {
    const { handlers, ran } = bridgeOf({ phase: "create" });
    for (const id of ["first", "second"]) {
      await handlers.handle?.(eventOf("CreateContainer", { ...container, id }), crioContext("CreateContainer"));
    }
    await expect.poll(ran).toEqual(["create ctr a", "delete ctr a", "create ctr a"]);
  });
});

// recordings/crio-1.37.0-dev/no-infra-container: the pod has no process in any event.
describe("a pod of CRI-O without an infra container, whose create was before us,", () => {
  const processless = { ...pod, pid: 0 };
  const running = { ...container, state: "CONTAINER_RUNNING" } as const;
  const exited = { ...container, pid: 0, state: "CONTAINER_STOPPED" } as const;

  async function play(config: PartialConfig, listed: Container, ...events: EventName[]): Promise<string[]> {
    const { handlers, ran, background } = bridgeOf(config);
    await synchronize(handlers, [processless], [listed], crioContext("RunPodSandbox"));
    await background.idle();
    for (const name of events) {
      const event = isPodEvent(name) ? { name, pod: processless } : { name, pod: processless, container };
      await handlers.handle?.(event, crioContext(name));
      await new Promise((wait) => setTimeout(wait, 5));
    }
    return ran();
  }

  it.each<[string, PartialConfig, Container, EventName[], string[]]>([
    [
      "has its delete where a container of it runs",
      {},
      running,
      ["StopContainer", "StopPodSandbox", "RemovePodSandbox"],
      ["delete ctr a", "delete pod a"],
    ],
    [
      "has it after the next event of a container",
      {},
      exited,
      ["StartContainer", "StopContainer", "StopPodSandbox", "RemovePodSandbox"],
      ["create ctr a", "delete ctr a", "delete pod a"],
    ],
    ["has none where it has ended, as far as is known", {}, exited, ["RemoveContainer", "RemovePodSandbox"], []],
    ["has none with synchronize: ignore", { synchronize: "ignore" }, exited, ["StartContainer"], ["create ctr a"]],
    [
      "has its create with synchronize: create",
      { synchronize: "create" },
      exited,
      ["StartContainer"],
      ["create ctr a", "create pod a"],
    ],
  ])("%s", async (_, config, listed, events, expected) => {
    expect(await play(config, listed, ...events)).toEqual(expected);
  });
});

it("remembers each of 1,000 containers that ran before it in less than 4 KB", async () => {
  const rules = { pod: [], container: [], crio: false, alias: false };
  const { handlers, ledger } = bridgeOf({}, [], silentLog, new Ledger(), (target) => toSpec(target, undefined, rules));
  const { payload } = encodeEvent("StartContainer", { pod, container }, "own");
  const listed = (n: number): Container[] => {
    const event = decodeEvent("StartContainer", payload);
    return event === undefined || !("container" in event) ? [] : [{ ...event.container, id: `${n}`.padStart(64, "0") }];
  };
  const before = heapInUse();
  await synchronize(handlers, [pod], Array.from({ length: 1_000 }, (_, n) => n).flatMap(listed));
  await expect.poll(() => ledger.size, { timeout: 20_000 }).toBe(1_001);
  await settled();
  expect((heapInUse() - before) / 1024 / ledger.size).toBeLessThan(4);
});

describe("an event", () => {
  it.each<[string, EventName, PartialConfig, readonly string[], boolean]>([
    ["asks for nothing without plugins", "StartContainer", {}, [], true],
    ["asks for something with one", "StartContainer", {}, ["a"], false],
    ["asks for what was kept, without plugins too", "UpdateContainer", { results: { keep: true } }, [], false],
    ["asks for nothing where nothing is kept", "UpdateContainer", {}, [], true],
  ])("%s: %s", (_, event, config, plugins, expected) => {
    expect(bridgeOf(config, plugins).handlers.asksNothing?.(event)).toBe(expected);
  });

  it("waits for what runs, and is refused with a conf.json that cannot be read", async () => {
    const { handlers, list, during } = bridgeOf();
    let end = () => {};
    during.chain = () => new Promise((resolve) => (end = resolve));
    const started = send(handlers, "StartContainer");
    list.conf = { version: "0.1", plugins: [] };
    expect(handlers.asksNothing?.("StopContainer")).toBe(false);
    end();
    await started;
    await settled();
    expect(handlers.asksNothing?.("StopContainer")).toBe(true);
    list.conf = new BridgeError("CONF_LIST", "unreadable");
    expect(handlers.asksNothing?.("RunPodSandbox")).toBe(false);
  });

  it("that was answered runs no plugin that was configured meanwhile, and is recorded for its delete", async () => {
    const { handlers, ran, ledger } = bridgeOf();
    const answered = (name: EventName) => handlers.handle?.(eventOf(name), { ...contextOf(name), answeredInMs: 0.1 });
    await answered("RunPodSandbox");
    await answered("StartContainer");
    await settled();
    expect(ledger.all()).toMatchObject([{ state: "open" }, { state: "open" }]);
    await answered("StopContainer");
    expect(ledger.all()).toMatchObject([{ state: "open" }, { state: "deleted" }]);
    expect(ran()).toEqual([]);
    await sendAll(handlers, "StopContainer", "StopPodSandbox");
    expect(ran()).toEqual(["delete pod a"]);
  });
});

describe("a delete that takes longer than its call", () => {
  const limitMs = 200;
  /** A container whose delete ends when the test says so; the call has 200 ms. */
  async function deleting(log?: Log) {
    const bridge = bridgeOf({}, ["a"], log);
    const { handlers, during } = bridge;
    await send(handlers, "StartContainer");
    let end = () => {};
    during.chain = () => new Promise((resolve) => (end = resolve));
    const began = performance.now();
    const stop = () => handlers.handle?.(eventOf("StopContainer"), contextOf("StopContainer", limitMs));
    const answer = await stop();
    return { ...bridge, answer, tookMs: performance.now() - began, end: () => end(), stop };
  }

  it("is answered in time and runs on, for as long as 1.6 gave it", async () => {
    const { chains, ledger, answer, tookMs, end } = await deleting();
    expect(answer).toEqual({ update: [] });
    expect(tookMs).toBeLessThan(limitMs);
    expect(chains[1]?.time.terminateAt.remainingMs()).toBeGreaterThan(9_000);
    expect(chains[1]?.time.remedy).toContain("deleteTimeoutMs");
    expect(ledger.all()).toMatchObject([{ state: "deleting" }]);
    end();
    await expect.poll(() => ledger.all()).toMatchObject([{ state: "deleted" }]);
  });

  it("keeps no later event of its container waiting, and is not delivered again", async () => {
    const { handlers, ran, stop, end, ledger, host } = await deleting();
    host.end(container.pid);
    const began = performance.now();
    await stop();
    await handlers.handle?.(eventOf("RemoveContainer"), contextOf("RemoveContainer"));
    expect(performance.now() - began).toBeLessThan(100);
    end();
    await expect.poll(() => ledger.get(container.id)).toBeUndefined();
    expect(ran()).toEqual(["create ctr a", "delete ctr a"]);
  });

  it("has no say any more in what changes of other containers, which the log tells", async () => {
    const lines: string[] = [];
    const log: Log = { ...silentLog, warn: (_, sentence) => void lines.push(sentence) };
    const { changed, end } = await deleting(log);
    changed.updates = [{ containerId: "other" }];
    end();
    await expect
      .poll(() => lines)
      .toEqual([
        "a delete ended after the bridge had answered it: the bridge drops the container updates that its plugins asked for",
      ]);
  });

  it("and of a container comes before its pod's, whatever runs longer", async () => {
    const { handlers, ran, during } = bridgeOf();
    await sendAll(handlers, "RunPodSandbox", "StartContainer");
    await send(handlers, "StartContainer", { ...container, id: "open" });
    const ends: (() => void)[] = [];
    during.chain = () => new Promise((resolve) => ends.push(resolve));
    await handlers.handle?.(eventOf("StopContainer"), contextOf("StopContainer", limitMs));
    const began = performance.now();
    await handlers.handle?.(eventOf("StopPodSandbox"), contextOf("StopPodSandbox", limitMs));
    await send(handlers, "RemovePodSandbox");
    // Two answers; one that waited for the deletes would take the 2 s of its call.
    expect(performance.now() - began).toBeLessThan(1_000);
    ends.pop()?.();
    await settled();
    expect(ran()).not.toContain("delete pod a");
    const endAll = () => {
      for (const end of ends.splice(0)) end();
      return ran().length;
    };
    await expect.poll(endAll).toBe(6);
    expect(ran().slice(3)).toEqual(["delete ctr a", "delete ctr a", "delete pod a"]);
  });

  it("is cut with its call when sixteen others run on", async () => {
    const { handlers, chains, during } = bridgeOf();
    const ids = Array.from({ length: 17 }, (_, n) => `c${n}`);
    for (const id of ids) await send(handlers, "StartContainer", { ...container, id });
    during.chain = () => new Promise(() => {});
    const stop = (id: string) =>
      handlers.handle?.(eventOf("StopContainer", { ...container, id }), contextOf("StopContainer", 40));
    await Promise.all(ids.slice(0, 16).map(stop));
    void stop("c16");
    expect(chains.slice(17).map(({ time }) => time.limitMs > 1_000)).toEqual([...Array(16).fill(true), false]);
  });
});
