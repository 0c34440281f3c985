import type { MergedChange } from "../adjust/from-v01.js";
import { errorText } from "../base/errors.js";
import { extraEvents, hasCreatePhase, keepsResources, wantedStates } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import { reconcile } from "../ledger/reconcile.js";
import { type EventName, events, isEventName, noRequest } from "../nri/events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "../nri/handlers.js";
import type { Container, PodSandbox } from "../nri/types.js";
import { isAtLeast, mayFail, runtimesWith, type Version } from "../nri/versions.js";
import { containerTarget, type PodResources, podTarget, type Target, targetOf } from "../v01/to-v01.js";
import { backgroundInfo, type EventInfo, eventInfo } from "./call-time.js";
import { type BridgeParts, Lifecycle } from "./lifecycle.js";

/** The handlers of NRI's calls, and what the bridge does without a call. */
export interface Bridge extends PluginHandlers {
  /** For a runtime that never synchronises (containerd 1.7, of a plugin that it launched): asks the machine what is gone. */
  reconcile(): Promise<void>;
  /** Delivers the delete of a pod whose process has ended, unless an event brings it at the same time. */
  deleteGone(id: string): Promise<void>;
}

/**
 * The bridge: each lifecycle event of NRI v2 becomes a v0.1 request and runs the chain of conf.json, and a failure costs
 * what it cost under containerd 1.6.
 *
 *   RunPodSandbox, StartContainer   -> create    a failure fails the call; where mayFail says no, the sandbox is held instead
 *   CreateContainer                 -> create    of a held sandbox again, then of plugins in phase create: their results
 *                                                change the container
 *   UpdateContainer                 -> update    where `states` asks for it; a failure fails the call
 *   StopContainer, StopPodSandbox   -> delete    never fails the call: nothing blocks teardown
 *   Remove*                         -> delete    when none was delivered yet
 *   Post*, Remove*, UpdatePod*      -> a state of a plugin's own, where `events` gives it one; a failure fails UpdatePodSandbox
 */
export function createBridge(parts: BridgeParts): Bridge {
  const { background, config, host, ledger, processes, log } = parts;
  const lifecycle = new Lifecycle(parts);
  const { held, records } = lifecycle;

  const createPod: Handler = (target, info, { runtime }) =>
    mayFail(info.event, runtime) ? lifecycle.create(target, info) : held.create(target, info);

  /** Does a create of a container after the end of the one that it replaces, and after that of its pod where that is held. */
  async function inTurn<T>(target: Target, info: EventInfo, call: CallContext, create: () => Promise<T>): Promise<T> {
    if (call.runtime.name === "cri-o") lifecycle.deleteReplaced(target, info.event);
    if (held.holds(target.sandboxID)) await held.createAgain(podTarget(target.pod), info);
    return create();
  }

  const create: Handler = (target, info, call) => inTurn(target, info, call, () => lifecycle.create(target, info));

  const createBefore: Handler = async (target, info, call) => {
    try {
      return await inTurn(target, info, call, () => lifecycle.createBefore(target, info));
    } catch (error) {
      // compat: CRI-O sends no event for a container that our own answer fails (its undo comes after success only).
      if (call.runtime.name === "cri-o") setImmediate(() => void lifecycle.deleteAll([target.id], info.event));
      throw error;
    }
  };

  const stop: Handler = (target, info) => lifecycle.delete(target.id, info, target);

  const remove: Handler = async (target, info, call) => {
    await stop(target, info, call, {});
    try {
      await lifecycle.extra(target, info, {});
    } finally {
      if (target.kind === "sandbox") for (const id of ledger.containersOf(target.id)) forget(id);
      forget(target.id);
    }
  };

  const extra: Handler = (target, info, _, asked) => lifecycle.extra(target, info, asked);

  const handlers = {
    RunPodSandbox: createPod,
    CreateContainer: createBefore,
    StartContainer: create,
    UpdateContainer: (target, info, _, asked) => lifecycle.update(target, asked.linuxResources, info),
    StopContainer: stop,
    StopPodSandbox: stop,
    RemoveContainer: remove,
    RemovePodSandbox: remove,
    PostCreateContainer: extra,
    PostStartContainer: extra,
    PostUpdateContainer: extra,
    UpdatePodSandbox: extra,
    PostUpdatePodSandbox: extra,
  } as const satisfies Record<EventName, Handler>;

  /**
   * compat: containerd 2.1 says that it removed a sandbox whose create failed, leaves its pause process running, and lists
   * it again after a restart (containerd#13355): kept as deleted until its process ends, it is not taken for one that
   * is new to us.
   */
  function forget(id: string): void {
    const process = ledger.get(id)?.process;
    if (process === undefined || host.liveness(process) !== "alive") ledger.forget(id);
    else if (ledger.noteLeaving(id)) host.watcher.watch(process, () => ledger.forget(id));
  }

  /**
   * Compares what is recorded with the runtime's list, or with the machine alone; gives the work that this makes, which
   * never rejects.
   */
  function compare(listed: readonly Target[] | undefined, runtime?: RuntimeInfo): () => Promise<void> {
    records.recordAll(listed);
    const podsHaveProcess = runtime?.name !== "cri-o";
    const { unknown, gone, refused, left, forgotten } = reconcile(listed, ledger.all(), host.liveness, podsHaveProcess);
    for (const id of forgotten) ledger.forget(id);
    for (const created of left) if (created.kind === "sandbox") processes.watch(created);
    if (config.synchronize !== "ignore") for (const target of unknown) records.adoptLater(target);
    log.info(
      { [config.synchronize]: unknown.length, gone: gone.length, left: left.length },
      "state compared with the runtime",
    );
    return async () => {
      try {
        // Before the deletes, which may take their time: what is not recorded yet is lost if we are killed.
        if (config.synchronize === "adopt") await records.adoptListed();
        for (const id of refused) await held.deleteOwed(id);
        await lifecycle.deleteAll(gone, "Synchronize");
        if (config.synchronize === "create") await createListed(unknown);
      } catch (error) {
        log.error({ error: errorText(error) }, "comparing state with the runtime failed");
      }
    };
  }

  async function createListed(unknown: readonly Target[]): Promise<void> {
    for (const target of unknown) {
      if (background.stopping) return;
      // An event that came meanwhile, such as its stop, has recorded it already.
      if (!records.awaitsAdoption(target.id)) continue;
      await lifecycle.create(target, backgroundInfo("Synchronize", config)).catch((error) => {
        const fields = { id: target.id, error: errorText(error) };
        log.error(fields, "the create of a pod or container that ran before the bridge started failed");
      });
    }
  }

  /**
   * compat: a pod of CRI-O without an infra container has no process. Where the runtime listed no container of it as created
   * or running, the next event of one tells that the pod runs. A removal does not: it follows the pod's end too.
   */
  function takeOverPodOf({ kind, pod }: Target, { event, runtime }: CallContext): void {
    if (runtime.name !== "cri-o" || kind === "sandbox" || pod.pid > 0 || event === "RemoveContainer") return;
    if (config.synchronize === "ignore" || ledger.knows(pod.id)) return;
    const target = podTarget(pod);
    records.adoptLater(target);
    const work = () => (config.synchronize === "adopt" ? records.adoptListed() : createListed([target]));
    setImmediate(() => {
      void work().catch((error) => log.error({ id: pod.id, error: errorText(error) }, "background plugin run failed"));
    });
  }

  return {
    configure: (_, runtime) => wantedEvents(config, runtime),
    // A superset request has everything.
    sparing: () => config.request === "strict",
    asksNothing: (event) => lifecycle.asksNothing(event),
    reconcile: () => compare(undefined)(),
    async deleteGone(id) {
      // With the connection down, the containers' ends were missed as well: they come first, as they would have.
      const dead = records.openContainersOf(id).filter((container) => records.livenessOf(container) === "dead");
      await lifecycle.deleteAll(dead, "StopContainer");
      await lifecycle.deleteAll([id], "StopPodSandbox");
    },

    async synchronize(pods, containers, { runtime }) {
      background.afterSynchronize = compare(targetsOf(pods, containers), runtime);
      return [];
    },
    synchronized() {
      const work = background.afterSynchronize;
      // It holds the runtime's whole list.
      background.afterSynchronize = undefined;
      void work?.();
    },

    async handle(event, call) {
      const target = targetOf(event);
      takeOverPodOf(target, call);
      const change = await handlers[event.name](target, eventInfo(call, config), call, event);
      if (change === undefined) return noRequest;
      const { adjust, updates, evict } = change;
      return { ...(adjust === undefined ? {} : { adjust }), update: updates, evict };
    },
  };
}

/** An event's handler, and what it may change. @param asked the resources that an UpdateContainer or UpdatePodSandbox asks for */
type Handler = (
  target: Target,
  info: EventInfo,
  call: CallContext,
  asked: PodResources,
) => Promise<MergedChange> | Promise<void>;

/** The events that a bridge asks for, however it is configured. */
export const usualEvents: readonly EventName[] = [
  "RunPodSandbox",
  "StartContainer",
  "StopContainer",
  "StopPodSandbox",
  "RemoveContainer",
  "RemovePodSandbox",
];

/** The events that the bridge needs: each one that it asks for costs every pod of the node a round trip. */
export function wantedEvents(config: Config, runtime: RuntimeInfo): EventName[] {
  const wanted = [...usualEvents];
  if (wantedStates(config).includes("update") || keepsResources(config)) wanted.push("UpdateContainer");
  // A sandbox that is held there is created again with each of its containers.
  if (hasCreatePhase(config) || !mayFail("RunPodSandbox", runtime)) wanted.push("CreateContainer");
  return [...new Set([...wanted, ...extraEvents(config).filter(isEventName)])];
}

/** The events that plugins are to be run for and that a runtime of this NRI version does not have. */
export function missingEvents({ plugins }: Config, nri: Version) {
  return Object.entries(plugins).flatMap(([plugin, { events: wanted = {} }]) =>
    Object.keys(wanted).flatMap((event) => {
      if (!isEventName(event) || isAtLeast(nri, events[event].since)) return [];
      return [{ plugin, event, remedy: `update the runtime to ${runtimesWith(events[event].since)}, or later` }];
    }),
  );
}

/** The runtime's list as targets. A container whose pod is not in it cannot be spoken of in a v0.1 request. */
function targetsOf(pods: readonly PodSandbox[], containers: readonly Container[]): Target[] {
  const byId = new Map(pods.map((pod) => [pod.id, pod]));
  const ofContainers = containers.flatMap((container) => {
    const pod = byId.get(container.podSandboxId);
    return pod === undefined ? [] : [containerTarget(pod, container)];
  });
  return [...pods.map(podTarget), ...ofContainers];
}
