import type { EventName, EventSubject } from "../../../src/nri/events.js";
import type { Container, PodSandbox } from "../../../src/nri/types.js";
import { ctr, pod } from "../../nri/support/subjects.js";

/** The n-th pod of a test, as big as a real one; it names no process, so nobody is looked for on this machine. */
export function nthPod(n: number): PodSandbox {
  const uid = `00000000-0000-4000-8000-${n.toString().padStart(12, "0")}`;
  return pod({
    id: id("a", n),
    name: `pod-${n}`,
    uid,
    pid: 0,
    labels: { app: "web", "io.kubernetes.pod.name": `pod-${n}`, "io.kubernetes.pod.uid": uid },
    annotations: { "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-name": `pod-${n}` },
    linux: { cgroupParent: `/kubepods/pod${uid}`, cgroupsPath: `/kubepods/pod${uid}/${id("a", n)}`, namespaces: [] },
  });
}

let pods = 0;

/** A number that no other pod of this process has. */
export function nextNumber(): number {
  pods += 1;
  return pods;
}

/** A pod that no other test has. */
export function nextPod(): PodSandbox {
  return nthPod(nextNumber());
}

/** A container of the n-th pod. */
export function nthContainer(n: number, which = 0): Container {
  return ctr({
    id: id(`c${which}`, n),
    podSandboxId: id("a", n),
    name: `app-${which}`,
    pid: 0,
    annotations: { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": id("a", n) },
    args: ["/bin/server", "--verbose"],
    env: ["PATH=/usr/bin:/bin", `POD=pod-${n}`],
  });
}

function id(prefix: string, n: number): string {
  return `${prefix}${n.toString(16).padStart(6, "0")}`.padEnd(64, "0");
}

/** The events of the n-th pod with one container, from its start to its end. */
export function lifeOf(n: number): readonly (readonly [EventName, EventSubject])[] {
  const onPod = { pod: nthPod(n) };
  const onContainer = { pod: nthPod(n), container: nthContainer(n) };
  return [
    ["RunPodSandbox", onPod],
    ["StartContainer", onContainer],
    ["StopContainer", onContainer],
    ["RemoveContainer", onContainer],
    ["StopPodSandbox", onPod],
    ["RemovePodSandbox", onPod],
  ];
}
