import { dirname } from "node:path";
import { listProcesses } from "../doctor/collect/processes.js";
import { findRuntime } from "../doctor/collect/runtime.js";
import { NodeFiles } from "../doctor/node-files.js";
import { BridgeError, errorText } from "../errors.js";
import { container as containerCodec, podSandbox } from "../nri/codec.js";
import { type EventName, encodeEvent, isEventName } from "../nri/events.js";
import type { Container, PodSandbox } from "../nri/types.js";
import { type Bundle, parseBundle } from "../oci/bundle.js";
import type { Case, RecordedEvent } from "../replay/case.js";
import type { Given } from "./given.js";

/** The bundle of a pod or container that runs. */
interface LiveBundle {
  readonly id: string;
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly bundle: Bundle;
  /** Of its process; 0 when the runtime has not written it down. */
  readonly pid: number;
}

/** As much as the default of a runtime gives. */
const usualTimeoutMs = 2_000;

/**
 * The events of a pod or container that runs, made from its bundle and without a call to the daemon: its create and its
 * delete as they would come.
 * @throws BridgeError USAGE when there is none, or several, of this id
 */
export function readLive(kind: "pod" | "container", id: string, root = "/"): Given {
  const files = new NodeFiles(root);
  const found = findBundles(files, id);
  const [one] = found;
  if (one === undefined) {
    throw new BridgeError(
      "USAGE",
      `no running ${kind} ${id} is in sight: looked at the working directories of containerd's shims and of conmon below ${files.locate("/proc")}; it needs root and the host's pid namespace`,
    );
  }
  if (found.length > 1) {
    throw new BridgeError("USAGE", `${id} is the beginning of ${found.map((bundle) => bundle.id).join(" and ")}`);
  }
  const facts = factsOf(one);
  if ((facts.type === "sandbox") !== (kind === "pod")) {
    throw new BridgeError(
      "USAGE",
      `${one.id} is a ${facts.type === "sandbox" ? "pod" : "container"}: give it as --${facts.type === "sandbox" ? "pod" : "container"}`,
    );
  }
  return toGiven(one, facts, requestTimeoutMs(files));
}

/** The time that the node's runtime gives a plugin, as its file says; the version, which would have to be asked for, changes nothing. */
function requestTimeoutMs(files: NodeFiles): number {
  const processes = listProcesses(files);
  const runtime = findRuntime({ files, processes, peer: undefined, confFile: "", askVersion: () => "" });
  return runtime?.config.nri.requestTimeoutMs ?? usualTimeoutMs;
}

function findBundles(files: NodeFiles, id: string): readonly LiveBundle[] {
  const found = new Map<string, LiveBundle>();
  for (const pid of files.list("/proc").filter((name) => /^\d+$/.test(name))) {
    const command = files.readText(`/proc/${pid}/comm`)?.trim() ?? "";
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (cwd === undefined) continue;
    // Through the process's own directory, so that it is found from another mount namespace too.
    const inside = `/proc/${pid}/cwd`;
    // conmon works in <id>/userdata; containerd's shim in the pod's bundle, beside which the containers' lie.
    if (command === "conmon") add(found, files, idOf(cwd), id, inside, cwd);
    if (!command.startsWith("containerd-shim")) continue;
    for (const name of files.list(`${inside}/..`)) {
      add(found, files, name, id, `${inside}/../${name}`, `${dirname(cwd)}/${name}`);
    }
  }
  return [...found.values()];
}

function add(
  found: Map<string, LiveBundle>,
  files: NodeFiles,
  id: string,
  wanted: string,
  directory: string,
  shown: string,
): void {
  if (!id.startsWith(wanted) || found.has(id)) return;
  const bytes = files.readBytes(`${directory}/config.json`);
  if (bytes === undefined) return;
  // containerd's shim for runc writes init.pid, conmon pidfile.
  const pids = ["init.pid", "pidfile"].map((name) => Number(files.readText(`${directory}/${name}`)));
  const pid = pids.find((number) => number > 0) ?? 0;
  const path = `${shown}/config.json`;
  found.set(id, { id, path, bytes, bundle: readBundle(path, bytes), pid });
}

function readBundle(path: string, bytes: Uint8Array): Bundle {
  try {
    return parseBundle(bytes);
  } catch (error) {
    throw new BridgeError("USAGE", `${path}: ${errorText(error)}; the bridge would take the event's spec instead`);
  }
}

function idOf(cwd: string): string {
  return cwd.split("/").findLast((part) => part !== "userdata") ?? "";
}

/** What the annotations of a bundle say of whose it is: containerd's names, else CRI-O's. */
function factsOf({ id, bundle: { annotations } }: LiveBundle) {
  const first = (...names: string[]) => names.map((name) => annotations[name]).find((value) => value !== undefined);
  return {
    crio: annotations["io.kubernetes.cri-o.ContainerType"] !== undefined,
    type: first("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType") ?? "container",
    sandboxId: first("io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID") ?? id,
    podName: first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name") ?? "",
    namespace: first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace") ?? "",
    uid: first("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid") ?? "",
    containerName: first("io.kubernetes.cri.container-name", "io.kubernetes.container.name") ?? "",
  };
}

function toGiven(live: LiveBundle, facts: ReturnType<typeof factsOf>, timeoutMs: number): Given {
  const sandbox = facts.type === "sandbox";
  const pod = podOf(live, facts, sandbox);
  const subject = sandbox ? { pod } : { pod, container: containerOf(live, facts) };
  const names = sandbox ? ["RunPodSandbox", "StopPodSandbox"] : ["StartContainer", "StopContainer"];
  const events = names.filter(isEventName).map((name, at) => eventOf(name, subject, at + 1, timeoutMs));
  const played: Case = {
    name: live.id,
    title: live.path,
    events,
    confs: [],
    bundles: [{ path: live.path, bytes: live.bytes }],
    runtime: facts.crio
      ? { name: "cri-o", version: "1.37.0", dialect: "dedicated" }
      : { name: "containerd", version: "v2.3.4", dialect: "dedicated" },
  };
  return {
    played,
    wanted: new Set(events.map(({ index }) => index)),
    unknown: [
      "the pod's own labels: they are in the runtime's store and not in the bundle; the three that kubelet sets are shown",
      ...(live.pid === 0 ? ["the pid: the runtime has written none beside the bundle"] : []),
      "resources that were changed since the create: the bundle is not written again",
    ],
    live: true,
  };
}

function podOf(live: LiveBundle, facts: ReturnType<typeof factsOf>, sandbox: boolean): PodSandbox {
  const { podName, namespace, uid, sandboxId } = facts;
  const empty = podSandbox.decode(new Uint8Array());
  const linux = { cgroupParent: "", cgroupsPath: sandbox ? live.bundle.cgroupsPath : "", namespaces: [] };
  return {
    ...empty,
    id: sandbox ? live.id : sandboxId,
    name: podName,
    namespace,
    uid,
    labels: {
      "io.kubernetes.pod.name": podName,
      "io.kubernetes.pod.namespace": namespace,
      "io.kubernetes.pod.uid": uid,
    },
    annotations: sandbox ? { ...live.bundle.annotations } : {},
    linux,
    pid: sandbox ? live.pid : 0,
  };
}

function containerOf(live: LiveBundle, facts: ReturnType<typeof factsOf>): Container {
  const empty = containerCodec.decode(new Uint8Array());
  return {
    ...empty,
    id: live.id,
    podSandboxId: facts.sandboxId,
    name: facts.containerName,
    annotations: { ...live.bundle.annotations },
    linux: { namespaces: [], devices: [], cgroupsPath: live.bundle.cgroupsPath, sysctl: {}, netDevices: {} },
    pid: live.pid,
  };
}

function eventOf(
  name: EventName,
  subject: { pod: PodSandbox; container?: Container },
  index: number,
  timeoutMs: number,
): RecordedEvent {
  const timeoutNano = BigInt(Math.round(timeoutMs)) * 1_000_000n;
  return { index, ...encodeEvent(name, subject, "own"), timeoutNano, metadata: [] };
}
