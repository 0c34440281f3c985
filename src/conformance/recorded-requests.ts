import type { Request } from "../v01/types.js";

// What containerd 1.6.20 sent for a pod with the host's network and one container (fixtures/cases/basic-hostnet), field
// by field. Only the pids are given from outside: the recorded ones may be strangers' on this machine.

const sandboxID = "bf74e778a3d1a243637769963e3a6139a752089d72ea7b0f75f9f42bbce4c0ca";
const containerID = "3c28e4255f1c9f5b98c056e485b0b2aa76687cb74bca0cbc7750bc38a2a82e0b";
const podUid = "00000000-0000-4000-8000-000000000001";
const cgroupParent = `/kubepods/besteffort/pod${podUid}`;

const labels = {
  app: "demo",
  "io.kubernetes.pod.name": "pod1",
  "io.kubernetes.pod.namespace": "default",
  "io.kubernetes.pod.uid": podUid,
} as const;

const podAnnotations = {
  "io.kubernetes.cri.sandbox-id": sandboxID,
  "io.kubernetes.cri.sandbox-name": "pod1",
  "io.kubernetes.cri.sandbox-namespace": "default",
  "io.kubernetes.cri.sandbox-uid": podUid,
} as const;

/** The create of the sandbox. */
export function recordedSandbox(pid: number): Request {
  return {
    version: "0.1",
    state: "create",
    id: sandboxID,
    sandboxID,
    pid,
    spec: {
      resources: { devices: [{ allow: false, access: "rwm" }], cpu: { shares: 2n } },
      namespaces: { ipc: "", mount: "", pid: "" },
      cgroupsPath: `${cgroupParent}/${sandboxID}`,
      annotations: {
        ...podAnnotations,
        "io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri.sandbox-log-directory": `/var/lib/recorded/run/1.6/tb-logs/1979/${podUid}`,
      },
    },
    labels,
  };
}

/** The create of the container. */
export function recordedContainer(pid: number, sandboxPid: number = pid): Request {
  return {
    version: "0.1",
    state: "create",
    id: containerID,
    sandboxID,
    pid,
    spec: {
      resources: { devices: [{ allow: false, access: "rwm" }], memory: {}, cpu: { shares: 2n } },
      namespaces: {
        ipc: `/proc/${sandboxPid}/ns/ipc`,
        mount: "",
        network: `/proc/${sandboxPid}/ns/net`,
        pid: "",
        uts: `/proc/${sandboxPid}/ns/uts`,
      },
      cgroupsPath: `${cgroupParent}/${containerID}`,
      annotations: {
        ...podAnnotations,
        "io.kubernetes.cri.container-name": "ctr",
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.image-name": "localhost/busybox:test",
      },
    },
    labels,
  };
}

/** The delete that followed a create: without labels, else the same. */
export function deleteOf(create: Request): Request {
  return { ...create, state: "delete", labels: {} };
}
