import { dirname } from "node:path";
import { BridgeError, errorText } from "../../base/errors.js";
import { NodeFiles } from "../../host/node-files.js";
import { container as containerCodec, podSandbox } from "../../nri/codec.js";
import { encodeEvent } from "../../nri/events.js";
import { type Bundle, parseBundle } from "../../v01/bundle.js";
import { listProcesses, type ProcessFacts } from "../doctor/collect/processes.js";
import { findRuntime } from "../doctor/collect/runtime.js";
import { type Given, givenOf } from "./play.js";

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
export function readLive(id: string, root = "/"): Given {
  const files = new NodeFiles(root);
  const processes = listProcesses(files);
  const found = findBundles(files, processes, id);
  const [one] = found;
  if (one === undefined) {
    throw new BridgeError(
      "USAGE",
      `no running pod or container ${id} is in sight: looked at the working directories of containerd's shims and of conmon below ${files.locate("/proc")}; it needs root and the host's pid namespace`,
    );
  }
  if (found.length > 1) {
    throw new BridgeError("USAGE", `${id} is the beginning of ${found.map((bundle) => bundle.id).join(" and ")}`);
  }
  return toGiven(one, factsOf(one), requestTimeoutMs(files, processes));
}

/** The time that the node's runtime gives a plugin, as its file says; the version, which would have to be asked for, changes nothing. */
function requestTimeoutMs(files: NodeFiles, processes: readonly ProcessFacts[]): number {
  const runtime = findRuntime({ files, processes, peer: undefined, confFile: "", askVersion: () => "" });
  return runtime?.config.nri.requestTimeoutMs ?? usualTimeoutMs;
}

function findBundles(files: NodeFiles, processes: readonly ProcessFacts[], wanted: string): readonly LiveBundle[] {
  const found = new Map<string, LiveBundle>();
  const add = (id: string, directory: string, shown: string) => {
    if (!id.startsWith(wanted) || found.has(id)) return;
    const bytes = files.readBytes(`${directory}/config.json`);
    if (bytes === undefined) return;
    // containerd's shim for runc writes init.pid, conmon pidfile.
    const pids = ["init.pid", "pidfile"].map((name) => Number(files.readText(`${directory}/${name}`)));
    const pid = pids.find((number) => number > 0) ?? 0;
    const path = `${shown}/config.json`;
    found.set(id, { id, path, bytes, bundle: readBundle(path, bytes), pid });
  };
  for (const { pid, command } of processes) {
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (cwd === undefined) continue;
    // Through the process's own directory, so that it is found from another mount namespace too.
    const inside = `/proc/${pid}/cwd`;
    // conmon works in <id>/userdata; containerd's shim in the pod's bundle, beside which the containers' lie.
    if (command === "conmon") {
      add(idOf(cwd), inside, cwd);
      // A pod without an infra container has a bundle beside those of its containers, and no conmon.
      const pod = crioPodOf(files.readBytes(`${inside}/config.json`));
      if (pod !== "") add(pod, `${inside}/../../${pod}/userdata`, `${dirname(dirname(cwd))}/${pod}/userdata`);
    }
    if (!command.startsWith("containerd-shim")) continue;
    for (const name of files.list(`${inside}/..`)) add(name, `${inside}/../${name}`, `${dirname(cwd)}/${name}`);
  }
  return [...found.values()];
}

function readBundle(path: string, bytes: Uint8Array): Bundle {
  try {
    return parseBundle(bytes);
  } catch (error) {
    throw new BridgeError("USAGE", `${path}: ${errorText(error)}; the bridge would take the event's spec instead`);
  }
}

/** The id of a container's pod, as its bundle says; "" where it does not. */
function crioPodOf(bundle: Uint8Array | undefined): string {
  try {
    return parseBundle(bundle ?? new Uint8Array()).annotations["io.kubernetes.cri-o.SandboxID"] ?? "";
  } catch {
    // It is told where it is the one that is asked for.
    return "";
  }
}

function idOf(cwd: string): string {
  return cwd.split("/").findLast((part) => part !== "userdata") ?? "";
}

/** What the annotations of a bundle say of whose it is: containerd's names, else CRI-O's. */
function factsOf({ id, bundle: { annotations } }: LiveBundle) {
  const first = (...names: string[]) => names.map((name) => annotations[name]).find((value) => value !== undefined);
  const type = first("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType");
  return {
    crio: annotations["io.kubernetes.cri-o.ContainerType"] !== undefined,
    kind: type === "sandbox" ? ("pod" as const) : ("container" as const),
    sandboxId: first("io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID") ?? id,
    podName: first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name") ?? "",
    namespace: first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace") ?? "",
    uid: first("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid") ?? "",
    containerName: first("io.kubernetes.cri.container-name", "io.kubernetes.container.name") ?? "",
  };
}

function toGiven(
  { id, path, bytes, bundle, pid }: LiveBundle,
  facts: ReturnType<typeof factsOf>,
  timeoutMs: number,
): Given {
  const sandbox = facts.kind === "pod";
  const annotations = { ...bundle.annotations };
  const { cgroupsPath } = bundle;
  const pod = {
    ...podSandbox.decode(new Uint8Array()),
    id: sandbox ? id : facts.sandboxId,
    name: facts.podName,
    namespace: facts.namespace,
    uid: facts.uid,
    labels: {
      "io.kubernetes.pod.name": facts.podName,
      "io.kubernetes.pod.namespace": facts.namespace,
      "io.kubernetes.pod.uid": facts.uid,
    },
    annotations: sandbox ? annotations : {},
    linux: { cgroupParent: "", cgroupsPath: sandbox ? cgroupsPath : "", namespaces: [] },
    pid: sandbox ? pid : 0,
  };
  const container = {
    ...containerCodec.decode(new Uint8Array()),
    id,
    podSandboxId: facts.sandboxId,
    name: facts.containerName,
    annotations,
    linux: { namespaces: [], devices: [], cgroupsPath, sysctl: {}, netDevices: {} },
    pid,
  };
  const timeoutNano = BigInt(Math.round(timeoutMs)) * 1_000_000n;
  const names = sandbox
    ? (["RunPodSandbox", "StopPodSandbox"] as const)
    : (["StartContainer", "StopContainer"] as const);
  const events = names.map((name, at) => {
    const request = encodeEvent(name, sandbox ? { pod } : { pod, container }, "own");
    return { index: at + 1, ...request, timeoutNano, metadata: [] };
  });
  const runtime = facts.crio
    ? ({ name: "cri-o", version: "1.37.0", dialect: "dedicated" } as const)
    : ({ name: "containerd", version: "v2.3.4", dialect: "dedicated" } as const);
  return {
    ...givenOf({ name: id, title: path, events, confs: [], bundles: [{ path, bytes }], runtime }),
    unknown: [
      "the pod's own labels: they are in the runtime's store and not in the bundle; the three that kubelet sets are shown",
      ...(pid === 0 ? ["the pid: the runtime has written none beside the bundle"] : []),
      "resources that were changed since the create: the bundle is not written again",
    ],
  };
}
