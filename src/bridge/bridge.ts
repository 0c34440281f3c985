import { errorText } from "../base/errors.js";
import { extraEvents, hasCreatePhase, keepsResources, wantedStates } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import { reconcile } from "../ledger/reconcile.js";
import { type EventName, type EventResponse, isEventName, noRequest } from "../nri/events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "../nri/handlers.js";
import type { Container, LinuxResources, PodSandbox } from "../nri/types.js";
import { mayFail } from "../nri/versions.js";
import { containerTarget, podTarget, type Target, targetOf } from "../v01/to-v01.js";
import { backgroundInfo, eventInfo } from "./call-time.js";
import { type BridgeParts, Lifecycle, type Notice } from "./lifecycle.js";

/** The handlers of NRI's calls, and what the bridge does without one. */
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
 *   Post*, Remove*, UpdatePod*      -> a state of a plugin's own, where `events` gives it one
 */
export function createBridge(parts: BridgeParts): Bridge {
  const { background, config, host, ledger, notice, processes, log } = parts;
  const lifecycle = new Lifecycle(parts);
  const { held } = lifecycle;

  const create: Handler = async (target, call) => {
    if (call.runtime.name === "cri-o") lifecycle.deleteReplaced(target, call.event);
    const info = eventInfo(call, config);
    const isHeld = target.kind === "container" && held.holds(target.sandboxID);
    if (isHeld) await held.createAgain(podTarget(target.pod), info);
    if (mayFail(call.event, call.runtime)) await lifecycle.create(target, info);
    else await held.create(target, info);
    return noRequest;
  };

  const createBefore: Handler = async (target, call) => {
    if (target.id === target.sandboxID) noticePodless(notice, call.runtime);
    if (call.runtime.name === "cri-o") lifecycle.deleteReplaced(target, call.event);
    const info = eventInfo(call, config);
    if (held.holds(target.sandboxID)) await held.createAgain(podTarget(target.pod), info);
    try {
      const { adjust, updates, evict } = await lifecycle.createBefore(target, info);
      return { ...(adjust === undefined ? {} : { adjust }), update: updates, evict };
    } catch (error) {
      // compat: CRI-O sends no event for a container that our own answer fails (its undo comes after success only).
      if (call.runtime.name === "cri-o") setImmediate(() => void lifecycle.deleteAll([target.id], call.event));
      throw error;
    }
  };

  const update: Handler = async (target, call, asked) => {
    const { updates, evict } = await lifecycle.update(target, asked, eventInfo(call, config));
    return { update: updates, evict };
  };

  const stop: Handler = async (target, call) => {
    noticeStopWithoutCreate(target);
    const { updates } = await lifecycle.delete(target.id, eventInfo(call, config), target);
    return { update: updates };
  };

  const remove: Handler = async (target, call) => {
    await stop(target, call);
    try {
      return await extra(target, call);
    } finally {
      ledger.noteRemoved(target.id);
      if (target.kind === "sandbox") for (const id of ledger.containersOf(target.id)) forget(id);
      forget(target.id);
    }
  };

  const extra: Handler = async (target, call) => {
    await lifecycle.extra(target, eventInfo(call, config));
    return noRequest;
  };

  const handlers = {
    RunPodSandbox: create,
    CreateContainer: createBefore,
    StartContainer: create,
    UpdateContainer: update,
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
   * compat: containerd sends no StartContainer for a container that is restored from a checkpoint, and neither does CRI-O; both
   * send StopContainer, as they do for one that never started.
   */
  function noticeStopWithoutCreate({ id, pod, container }: Target): void {
    if (container === undefined) return;
    const { name, pid, state } = container;
    if (pid === 0 || state === "CONTAINER_CREATED" || state === "CONTAINER_UNKNOWN") return;
    if (ledger.knows(id)) return;
    // With `synchronize: ignore` such containers are expected.
    if (config.synchronize === "ignore") return;
    notice(
      "a container was stopped that had no create",
      { id, pod: `${pod.namespace}/${pod.name}`, container: name },
      "a container was stopped whose start the runtime did not tell, so no plugin ran for it: restored from a checkpoint, or started while the bridge was not synchronized",
    );
  }

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
    lifecycle.recordAll(listed);
    const podsHaveProcess = runtime?.name !== "cri-o";
    const { unknown, gone, refused, left, forgotten } = reconcile(listed, ledger.all(), host.liveness, podsHaveProcess);
    for (const id of forgotten) ledger.forget(id);
    for (const created of left) if (created.kind === "sandbox") processes.watch(created);
    if (config.synchronize !== "ignore") for (const target of unknown) ledger.defer(target, { adopted: true });
    log.info({ [config.synchronize]: unknown.length, gone: gone.length, left: left.length }, "reconciled");
    const work = async () => {
      // Before the deletes, which may take their time: what is not recorded yet is lost if we are killed.
      if (config.synchronize === "adopt") await lifecycle.adoptListed();
      for (const id of refused) await held.deleteOwed(id);
      await lifecycle.deleteAll(gone, "Synchronize");
      if (config.synchronize === "create") await createListed(unknown);
    };
    return () => work().catch((error) => log.error({ error: errorText(error) }, "reconciling failed"));
  }

  async function createListed(unknown: readonly Target[]): Promise<void> {
    for (const target of unknown) {
      if (background.stopping) return;
      // An event that came meanwhile, such as its stop, has recorded it already.
      if (!ledger.awaitsAdoption(target.id)) continue;
      await lifecycle.create(target, backgroundInfo("Synchronize", config)).catch((error) => {
        log.error(
          { id: target.id, error: errorText(error) },
          "the create of a pod or container that ran before the bridge started failed",
        );
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
    ledger.defer(target, { adopted: true });
    const work = () => (config.synchronize === "adopt" ? lifecycle.adoptListed() : createListed([target]));
    setImmediate(() => {
      void work().catch((error) => log.error({ id: pod.id, error: errorText(error) }, "background plugin run failed"));
    });
  }

  return {
    configure: (_, runtime) => wantedEvents(config, runtime),
    // A superset request has everything.
    sparing: () => config.request === "strict",
    reconcile: () => compare(undefined)(),
    async deleteGone(id) {
      // With the connection down, the containers' ends were missed as well: they come first, as they would have.
      const dead = lifecycle.openContainersOf(id).filter((container) => {
        const process = ledger.get(container)?.process;
        return process !== undefined && host.liveness(process) === "dead";
      });
      await lifecycle.deleteAll(dead, "StopContainer");
      await lifecycle.deleteAll([id], "StopPodSandbox");
    },

    async synchronize(pods, containers, { runtime }) {
      if (containers.some(({ id, podSandboxId }) => id === podSandboxId)) noticePodless(notice, runtime);
      background.afterSynchronize = compare(targetsOf(pods, containers), runtime);
      return [];
    },
    synchronized: () => void background.afterSynchronize(),

    handle(event, call) {
      const target = targetOf(event);
      takeOverPodOf(target, call);
      return handlers[event.name](target, call, event.linuxResources);
    },
  };
}

/** What an event does. @param asked the resources that an UpdateContainer asks for */
type Handler = (target: Target, call: CallContext, asked?: LinuxResources) => Promise<EventResponse>;

/**
 * compat: dockerd has no pods: it calls each container its own pod, and sends CreateContainer and Synchronize only (moby
 * daemon/internal/nri). Without a cgroupsPath, too: a plugin that is to see a cgroup fails.
 */
export function noticePodless(notice: Notice, { name, version }: RuntimeInfo): void {
  notice(
    `${name} has no pods and sends CreateContainer only`,
    { runtime: name, runtimeVersion: version },
    "the runtime has no pods and sends CreateContainer only: plugins run in phase create alone, and fail there where they need a cgroup",
  );
}

/** What a bridge asks for, however it is configured. */
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
  return [...wanted, ...extraEvents(config).filter(isEventName)];
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
