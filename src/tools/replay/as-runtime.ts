import { BridgeError } from "../../base/errors.js";
import { decodeEvent, encodeEvent, events, type NriEvent } from "../../nri/events.js";
import type { PodSandbox, StringMap } from "../../nri/types.js";
import { does, hasFeature, inferNriVersion } from "../../nri/versions.js";
import type { Case } from "./case.js";

/** A runtime as the command line names it, `containerd-2.3.4`. @throws BridgeError USAGE */
export function parseRuntime(text: string): Case["runtime"] {
  const [, name = "", version = ""] = /^(.+?)-v?(\d.*)$/.exec(text) ?? [];
  const nri = inferNriVersion(name, version);
  const known = "containerd-VERSION from 1.7 on and cri-o-VERSION from 1.26 on";
  if (nri === undefined) throw new BridgeError("USAGE", `--runtime ${text} is not known: there are ${known}`);
  return { name, version, dialect: hasFeature(nri, "ownCalls") ? "dedicated" : "state-change" };
}

/**
 * A recorded case as another version of its runtime sends it: calls, labels, and what a stopped pod has.
 * @throws BridgeError USAGE for the case of another runtime, whose annotations and bundles this one would never have
 */
export function asSentBy(recorded: Case, runtime: Case["runtime"]): Case {
  if (runtime.name !== recorded.runtime.name) {
    const text = `--runtime ${runtime.name}: ${recorded.name} was recorded on ${recorded.runtime.name}`;
    throw new BridgeError("USAGE", `${text}, whose annotations and bundles are its own; play one of ${runtime.name}`);
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

function podAs({ name, pod }: NriEvent, running: Map<string, PodSandbox>, from: Runtime, to: Runtime): PodSandbox {
  const { oci_runtime_type = "io.containerd.runc.v2", selinux_label, ...others } = pod.labels;
  const ofRuntime: StringMap = selinux_label === undefined ? { oci_runtime_type } : { oci_runtime_type, selinux_label };
  const labels = does(to, "labelsPods") ? { ...others, ...ofRuntime } : others;
  const hasStopped = name === "StopPodSandbox" || name === "RemovePodSandbox";
  if (!hasStopped) running.set(pod.id, pod);
  const keeps = does(to, "keepsStoppedPods");
  if (!hasStopped || keeps === does(from, "keepsStoppedPods")) return { ...pod, labels };
  if (keeps) return { ...(running.get(pod.id) ?? pod), labels, pid: 0 };
  const annotations = Object.entries(pod.annotations).filter(([key]) => !key.startsWith("io.kubernetes.cri."));
  const { cgroupParent = "" } = pod.linux ?? {};
  const linux = { cgroupParent, cgroupsPath: "", namespaces: [] };
  return { ...pod, labels, annotations: Object.fromEntries(annotations), linux };
}
