import { pluginSettings, wantedStates } from "./config/merge.js";
import type { Config } from "./config/schema.js";
import { Deadline } from "./deadline.js";
import { BridgeError, errorText } from "./errors.js";
import type { ConfFile } from "./legacy/conf-file.js";
import type { Log } from "./log/log.js";
import type { EventName } from "./nri/events.js";
import type { CallContext, PluginHandlers } from "./nri/handlers.js";
import type { ContainerEvent, LinuxResources, PodEvent } from "./nri/types.js";
import type { Serial } from "./serial.js";
import type { SpecSource } from "./spec-source.js";
import type { Attempted, Memory } from "./state/memory.js";
import { reconcile } from "./state/reconcile.js";
import {
  containerSubject,
  podSubject,
  type Subject,
  toCreateRequest,
  toDeleteRequest,
  toUpdateRequest,
} from "./translate/to-v01.js";
import type { ConfigList, Request } from "./v01/types.js";

/** One chain of legacy plugins to run. */
export interface ChainCall {
  /** The event that it runs for. */
  readonly event: EventName | "Synchronize";
  readonly list: ConfigList;
  readonly request: Request;
  readonly subject: Pick<Attempted, "kind" | "pod" | "container">;
  readonly deadline: Deadline;
}

/** Runs the plugins of a chain one by one; gives the text of the failure that ended it, where onFailure makes it count. */
export type RunChain = (call: ChainCall) => Promise<{ readonly error: string | undefined }>;

/** What the bridge is built from: IO, time and the log come in here. */
export interface BridgeParts {
  readonly config: Config;
  readonly confFile: ConfFile;
  readonly specs: SpecSource;
  readonly runChain: RunChain;
  readonly memory: Memory;
  /** Work on one pod or container goes one after the other: an event and a delete of our own may race. */
  readonly serial: Serial;
  readonly log: Log;
}

/** compat: containerd 1.6 gave a delete so long; here it holds for one that no call of the runtime waits for. */
const ownDeleteMs = 10_000;

/**
 * The bridge: each lifecycle event becomes a v0.1 request and runs the chain of conf.json, and a failure costs what it
 * cost under containerd 1.6.
 *
 *   RunPodSandbox, StartContainer   -> create    a failure fails the call
 *   UpdateContainer                 -> update    where `states` asks for it; a failure fails the call
 *   StopContainer, StopPodSandbox   -> delete    never fails the call: nothing blocks teardown
 *   Remove*                         -> delete    when none was delivered yet
 */
export function createBridge(parts: BridgeParts): PluginHandlers {
  const { config, confFile, specs, runChain, memory, serial, log } = parts;

  async function create(subject: Subject, call: CallContext): Promise<void> {
    const attempted = toAttempted(subject, specs);
    memory.remember(attempted);
    // compat: containerd 1.6 failed a sandbox whose conf.json could not be read, and ran no plugins for such a container.
    const conf = readConf(subject.kind === "sandbox" ? "the create fails" : "no plugin runs for this create");
    if (conf instanceof BridgeError) {
      if (subject.kind === "sandbox") throw conf;
      return;
    }
    const request = toCreateRequest(conf.version, "create", subject, attempted.spec);
    await runOrFail({ event: call.event, list: conf, request, subject: attempted, deadline: call.deadline });
  }

  async function update(subject: Subject, asked: LinuxResources | undefined, call: CallContext): Promise<void> {
    const created = memory.get(subject.id);
    if (created === undefined) return;
    const conf = readConf("no plugin runs for this update");
    if (conf instanceof BridgeError) return;
    const request = toUpdateRequest(conf.version, created, subject.pod.labels, asked);
    await runOrFail({ event: call.event, list: conf, request, subject: created, deadline: call.deadline });
  }

  /** Delivers the delete of an attempted create, once. A failure is logged: teardown goes on. */
  async function deliverDelete(
    id: string,
    resources: LinuxResources | undefined,
    event: ChainCall["event"],
    deadline: Deadline,
  ): Promise<void> {
    const created = memory.takeDelete(id);
    if (created === undefined) return;
    const conf = readConf("no plugin runs for this delete");
    if (conf instanceof BridgeError) return;
    const request = toDeleteRequest(conf.version, created, resources);
    const { error } = await runStates({ event, list: conf, request, subject: created, deadline });
    if (error !== undefined) log.warn({ ...logFields(created), event, error }, "a delete failed; teardown goes on");
  }

  /** Delivers deletes that no call waits for, one after the other. */
  async function deliverOwnDeletes(ids: readonly string[], event: ChainCall["event"]): Promise<void> {
    for (const id of ids) {
      await serial.run(id, () => deliverDelete(id, undefined, event, Deadline.after(ownDeleteMs)));
    }
  }

  async function runOrFail(call: ChainCall): Promise<void> {
    const { error } = await runStates(call);
    if (error !== undefined) throw new BridgeError("PLUGIN_FAILED", `nri invoke: ${error}`);
  }

  /** Runs those plugins of the list that take the request's state. */
  async function runStates(call: ChainCall): ReturnType<RunChain> {
    const { state } = call.request;
    const plugins = call.list.plugins.filter(({ type }) =>
      pluginSettings(config, type).states.some((taken) => taken === state),
    );
    return plugins.length === 0 ? { error: undefined } : runChain({ ...call, list: { ...call.list, plugins } });
  }

  function readConf(consequence: string): ConfigList | BridgeError {
    try {
      return confFile.read();
    } catch (error) {
      const text = `unable to create nri client: ${errorText(error)}`;
      log.error({ file: confFile.path, error: text, consequence }, "conf.json cannot be read");
      return new BridgeError("CONF_LIST", text, { file: confFile.path }, { cause: error });
    }
  }

  function onCreate(subject: Subject, call: CallContext): Promise<void> {
    return serial.run(subject.id, () => create(subject, call));
  }

  function onStop(subject: Subject, call: CallContext): Promise<void> {
    const resources = subject.container?.linux?.resources;
    // What is still open of a pod that stops will see no event of its own.
    if (subject.kind === "sandbox") void deliverOwnDeletes(openContainersOf(subject.id), call.event);
    return serial.run(subject.id, () => deliverDelete(subject.id, resources, call.event, call.deadline));
  }

  async function onRemove(subject: Subject, call: CallContext): Promise<void> {
    await onStop(subject, call);
    if (subject.kind === "sandbox") for (const { id } of memory.containersOf(subject.id)) memory.forget(id);
    memory.forget(subject.id);
  }

  function openContainersOf(sandboxID: string): string[] {
    return memory.containersOf(sandboxID).flatMap(({ id }) => (memory.isOpen(id) ? [id] : []));
  }

  const onContainer = ({ pod, container }: ContainerEvent) => containerSubject(pod, container);
  const onPod = ({ pod }: PodEvent) => podSubject(pod);
  let gone: readonly string[] = [];

  return {
    configure: () => wantedEvents(config),
    async synchronize(pods, containers) {
      const podsById = new Map(pods.map((pod) => [pod.id, pod]));
      const subjects = [
        ...pods.map(podSubject),
        ...containers.flatMap((container) => {
          const pod = podsById.get(container.podSandboxId);
          return pod === undefined ? [] : [containerSubject(pod, container)];
        }),
      ];
      const reconciled = reconcile(subjects, memory);
      for (const subject of reconciled.unknown) memory.remember(toAttempted(subject, specs));
      gone = reconciled.gone;
      log.info({ adopted: reconciled.unknown.length, gone: gone.length }, "synchronised with the runtime");
      return [];
    },
    synchronized() {
      void deliverOwnDeletes(gone, "Synchronize");
      gone = [];
    },
    runPodSandbox: (event, call) => onCreate(onPod(event), call),
    stopPodSandbox: (event, call) => onStop(onPod(event), call),
    removePodSandbox: (event, call) => onRemove(onPod(event), call),
    startContainer: (event, call) => onCreate(onContainer(event), call),
    async updateContainer(event, call) {
      const subject = onContainer(event);
      await serial.run(subject.id, () => update(subject, event.linuxResources, call));
      return [];
    },
    async stopContainer(event, call) {
      await onStop(onContainer(event), call);
      return [];
    },
    removeContainer: (event, call) => onRemove(onContainer(event), call),
  };
}

/** The events that the bridge needs: each one that it asks for costs every pod of the node a round trip. */
function wantedEvents(config: Config): EventName[] {
  const always: EventName[] = [
    "RunPodSandbox",
    "StartContainer",
    "StopContainer",
    "StopPodSandbox",
    "RemoveContainer",
    "RemovePodSandbox",
  ];
  return wantedStates(config).includes("update") ? [...always, "UpdateContainer"] : always;
}

function toAttempted(subject: Subject, specs: SpecSource): Attempted {
  const { kind, id, sandboxID, pid, pod, container } = subject;
  return {
    kind,
    id,
    sandboxID,
    pid,
    spec: specs.specOf(subject),
    pod: `${pod.namespace}/${pod.name}`,
    ...(container === undefined ? {} : { container: container.name }),
  };
}

function logFields({ id, pod, container }: Attempted): object {
  return { id, pod, ...(container === undefined ? {} : { container }) };
}
