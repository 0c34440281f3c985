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

/** The handlers of the runtime's NRI calls, and the work that the bridge does outside of any call. */
export interface Bridge extends PluginHandlers {
  /**
   * For a runtime that never sends Synchronize (containerd 1.7, to a plugin that it launched): the bridge compares the ledger with
   * the processes of the machine to find which pods and containers are gone.
   */
  reconcile(): Promise<void>;
  /** Delivers the delete of a pod whose process has ended, unless an event of the runtime delivers it at the same time. */
  deleteGone(id: string): Promise<void>;
}

/**
 * Creates the bridge: from each lifecycle event of NRI v2, it makes a v0.1 request and runs the plugins of conf.json with
 * it. A plugin's failure has the effect that it had under containerd 1.6.
 *
 *   RunPodSandbox, StartContainer   -> create    a failure fails the call; where mayFail says no, the bridge holds the
 *                                                sandbox instead
 *   CreateContainer                 -> create    of a held sandbox again, then of the plugins in phase create, whose
 *                                                results change the container
 *   UpdateContainer                 -> update    where a `states` setting asks for it; a failure fails the call
 *   StopContainer, StopPodSandbox   -> delete    never fails the call, so that no plugin blocks teardown
 *   Remove*                         -> delete    when the bridge has delivered none yet
 *   Post*, Remove*, UpdatePod*      -> the state that a plugin's `events` setting names for the event; a failure fails
 *                                                UpdatePodSandbox
 */
export function createBridge(parts: BridgeParts): Bridge {
  const { background, config, host, ledger, processes, log } = parts;
  const lifecycle = new Lifecycle(parts);
  const { held, records } = lifecycle;

  const createPod: Handler = (target, info, { runtime }) =>
    mayFail(info.event, runtime) ? lifecycle.create(target, info) : held.create(target, info);

  /**
   * Runs a container's create. First, the bridge starts the delete of the container that this one replaces (CRI-O), and runs the
   * create of the pod sandbox again where the bridge holds it.
   */
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
      // compat: CRI-O sends no event for a container that the bridge's own answer fails (CRI-O registers its undo only
      // after success).
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
   * Drops a removed pod or container from the ledger, or, while its process still runs, when that process ends.
   *
   * compat: containerd 2.1 reports that it removed a sandbox whose create failed, leaves the pause process running, and lists the
   * sandbox again after a restart (containerd#13355). The ledger keeps such a sandbox as deleted until its process ends, so that
   * the bridge does not take it for a new sandbox.
   */
  function forget(id: string): void {
    const process = ledger.get(id)?.process;
    if (process === undefined || host.liveness(process) !== "alive") ledger.forget(id);
    else if (ledger.noteLeaving(id)) host.watcher.watch(process, () => ledger.forget(id));
  }

  /**
   * Compares the ledger with the runtime's list of pods and containers, or with the machine's processes alone where `listed` is
   * undefined. Returns a function that does the resulting creates and deletes; its promise never rejects.
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
      "the bridge compared the pods and containers that it remembers with those that exist",
    );
    return async () => {
      try {
        // This comes before the deletes, which can take long: a kill of the bridge would lose what the ledger does not hold yet.
        if (config.synchronize === "adopt") await records.adoptListed();
        for (const id of refused) await held.deleteOwed(id);
        await lifecycle.deleteAll(gone, "Synchronize");
        if (config.synchronize === "create") await createListed(unknown);
      } catch (error) {
        log.error(
          { error: errorText(error) },
          "the bridge could not catch up with pods and containers that came or went while it was away: it tries again at its next registration",
        );
      }
    };
  }

  async function createListed(unknown: readonly Target[]): Promise<void> {
    for (const target of unknown) {
      if (background.stopping) return;
      // An event that arrived meanwhile, such as the stop of this container, has recorded the container already.
      if (!records.awaitsAdoption(target.id)) continue;
      await lifecycle.create(target, backgroundInfo("Synchronize", config)).catch((error) => {
        const fields = { id: target.id, error: errorText(error) };
        log.error(fields, "a create failed for a pod or container that ran before the bridge: it keeps running");
      });
    }
  }

  /**
   * compat: a pod of CRI-O without an infra container has no process. Where the runtime's list had no created or running container
   * of such a pod, the next event of one of its containers shows that the pod runs. A RemoveContainer does not show this: CRI-O
   * sends it after the pod's end too.
   */
  function takeOverPodOf({ kind, pod }: Target, { event, runtime }: CallContext): void {
    if (runtime.name !== "cri-o" || kind === "sandbox" || pod.pid > 0 || event === "RemoveContainer") return;
    if (config.synchronize === "ignore" || ledger.knows(pod.id)) return;
    const target = podTarget(pod);
    records.adoptLater(target);
    const work = () => (config.synchronize === "adopt" ? records.adoptListed() : createListed([target]));
    setImmediate(() => {
      void work().catch((error) =>
        log.error(
          { id: pod.id, error: errorText(error) },
          "the bridge could not take over a pod that ran before the bridge registered",
        ),
      );
    });
  }

  return {
    configure: (_, runtime) => wantedEvents(config, runtime),
    // A superset request carries every field of the event, so that the bridge needs events with all their fields.
    sparing: () => config.request === "strict",
    asksNothing: (event) => lifecycle.asksNothing(event),
    reconcile: () => compare(undefined)(),
    async deleteGone(id) {
      // While the connection was down, the bridge missed the ends of the pod's containers too: their deletes come first.
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
      // The function holds the runtime's whole list in memory until the bridge drops it here.
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

/**
 * Handles one event and returns the changes to answer.
 * @param asked the resources that an UpdateContainer or UpdatePodSandbox asks for
 */
type Handler = (
  target: Target,
  info: EventInfo,
  call: CallContext,
  asked: PodResources,
) => Promise<MergedChange> | Promise<void>;

/** The events that the bridge subscribes to under every configuration. */
export const usualEvents: readonly EventName[] = [
  "RunPodSandbox",
  "StartContainer",
  "StopContainer",
  "StopPodSandbox",
  "RemoveContainer",
  "RemovePodSandbox",
];

/** The events that the bridge subscribes to under this configuration; each one more costs every pod of the node a round trip. */
export function wantedEvents(config: Config, runtime: RuntimeInfo): EventName[] {
  const wanted = [...usualEvents];
  if (wantedStates(config).includes("update") || keepsResources(config)) wanted.push("UpdateContainer");
  // Where the runtime cannot be told of a failed sandbox, the bridge creates a held sandbox again at each of its containers.
  if (hasCreatePhase(config) || !mayFail("RunPodSandbox", runtime)) wanted.push("CreateContainer");
  return [...new Set([...wanted, ...extraEvents(config).filter(isEventName)])];
}

/** The events for which the configuration runs a plugin, and which a runtime of this NRI version does not have. */
export function missingEvents({ plugins }: Config, nri: Version) {
  return Object.entries(plugins).flatMap(([plugin, { events: wanted = {} }]) =>
    Object.keys(wanted).flatMap((event) => {
      if (!isEventName(event) || isAtLeast(nri, events[event].since)) return [];
      return [{ plugin, event, remedy: `update the runtime to ${runtimesWith(events[event].since)}, or later` }];
    }),
  );
}

/** The runtime's list as targets, without containers whose pod is not in the list: a v0.1 request needs the pod. */
function targetsOf(pods: readonly PodSandbox[], containers: readonly Container[]): Target[] {
  const byId = new Map(pods.map((pod) => [pod.id, pod]));
  const ofContainers = containers.flatMap((container) => {
    const pod = byId.get(container.podSandboxId);
    return pod === undefined ? [] : [containerTarget(pod, container)];
  });
  return [...pods.map(podTarget), ...ofContainers];
}
