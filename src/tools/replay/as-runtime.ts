import { BridgeError } from "../../base/errors.js";
import { decodeEvent, encodeEvent, events, type NriEvent } from "../../nri/events.js";
import type { PodSandbox, StringMap } from "../../nri/types.js";
import { does, hasFeature, inferNriVersion } from "../../nri/versions.js";
import type { Case } from "./case.js";

/**
 * Parses a runtime as the command line names it, such as `containerd-2.3.4`.
 * @throws BridgeError USAGE when no runtime of this name and version has NRI v2
 */
export function parseRuntime(text: string): Case["runtime"] {
  const [, name = "", version = ""] = /^(.+?)-v?(\d.*)$/.exec(text) ?? [];
  const nri = inferNriVersion(name, version);
  const known = "containerd-VERSION from 1.7 on and cri-o-VERSION from 1.26 on";
  if (nri === undefined) throw new BridgeError("USAGE", `--runtime ${text} is unknown: give ${known}`);
  return { name, version, dialect: hasFeature(nri, "ownCalls") ? "dedicated" : "state-change" };
}

/**
 * Rewrites a recorded case as another version of the same runtime sends it: the calls, the pods' labels, and what the events of a
 * stopped pod still say of it.
 * @throws BridgeError USAGE when the case is of another runtime: this one would never have its annotations and bundles
 */
export function asSentBy(recorded: Case, runtime: Case["runtime"]): Case {
  if (runtime.name !== recorded.runtime.name) {
    const text = `--runtime ${runtime.name}: ${recorded.name} was recorded on ${recorded.runtime.name}`;
    const other = `${runtime.name} sends other annotations and bundles`;
    throw new BridgeError("USAGE", `${text}, and ${other}: replay a case recorded on ${runtime.name}`);
  }
  const own = runtime.dialect === "dedicated";
  const running = new Map<string, PodSandbox>();
  const sent = recorded.events.map((each) => {
    const event = decodeEvent(each.method, each.payload);
    if (event === undefined) return each;
    const pod = podAs(event, running, recorded.runtime, runtime);
    return { ...each, ...encodeEvent(event.name, { ...event, pod }, own ? "own" : events[event.name].call) };
  });
  return { ...recorded, events: sent, runtime };
}

type Runtime = Case["runtime"];

/** For each of a pod's last two events, the feature of a runtime that still sends all data of the pod then. */
const keeping = { StopPodSandbox: "keepsStoppedPods", RemovePodSandbox: "keepsRemovedPods" } as const;

const pauseImage = "io.kubernetes.cri.podsandbox.image-name";

function podAs(event: NriEvent, running: Map<string, PodSandbox>, from: Runtime, to: Runtime): PodSandbox {
  const hasStopped = event.name === "StopPodSandbox" || event.name === "RemovePodSandbox";
  const [keeps, kept] = [to, from].map((runtime) => !hasStopped || does(runtime, keeping[event.name]));
  if (!hasStopped) running.set(event.pod.id, event.pod);
  const pod = hasStopped && keeps && !kept ? { ...(running.get(event.pod.id) ?? event.pod), pid: 0 } : event.pod;
  const { oci_runtime_type = "io.containerd.runc.v2", selinux_label, ...others } = pod.labels;
  const own: StringMap = selinux_label === undefined ? { oci_runtime_type } : { oci_runtime_type, selinux_label };
  const labels = does(to, "labelsPods") ? { ...others, ...own } : others;
  if (hasStopped && !keeps) {
    const ofPod = Object.entries(pod.annotations).filter(([key]) => !key.startsWith("io.kubernetes.cri."));
    const linux = { cgroupParent: pod.linux?.cgroupParent ?? "", cgroupsPath: "", namespaces: [] };
    return { ...pod, labels, annotations: Object.fromEntries(ofPod), linux };
  }
  const { [pauseImage]: image = "registry.k8s.io/pause:3.10", ...rest } = pod.annotations;
  return { ...pod, labels, annotations: does(to, "namesPauseImages") ? { ...rest, [pauseImage]: image } : rest };
}
