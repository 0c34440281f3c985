import { basename, dirname } from "node:path";
import { attempt, BridgeError, errorText } from "../../base/errors.js";
import { NodeFiles } from "../../host/node-files.js";
import { conmonRsDirectory, listProcesses, type Process } from "../../host/proc.js";
import { container as containerCodec, podSandbox } from "../../nri/codec.js";
import { encodeEvent } from "../../nri/events.js";
import { parseBundle } from "../../v01/bundle.js";
import type { Spec } from "../../v01/types.js";
import { findRuntimes } from "../doctor/collect/runtime.js";
import { nriDefaults } from "../doctor/collect/runtime-config.js";
import { type Given, givenOf } from "./play.js";

/** The bundle of a running pod or container. `pid` is 0 when the runtime has written no pid file. */
type LiveBundle = ReturnType<typeof findBundles>[number];

/**
 * Makes the create and the delete of a running pod or container from its bundle, without a call to the runtime.
 * @param id the id or its beginning
 * @throws BridgeError USAGE when no running pod or container has this id, when several do, or when its bundle is not valid
 */
export function readLive(id: string, root = "/"): Given {
  const files = new NodeFiles(root);
  const processes = listProcesses(files.locate("/proc"));
  const [one, ...more] = findBundles(files, processes, id);
  if (one === undefined) {
    const where = `the bundles of containerd's shims, of conmon and of conmon-rs below ${files.locate("/proc")}`;
    const text = `no running pod or container ${id} found: looked at ${where}, which needs root and the host's pid namespace`;
    throw new BridgeError("USAGE", text);
  }
  if (more.length > 0) {
    const ids = [one, ...more].map((found) => found.id).join(" and ");
    throw new BridgeError("USAGE", `${id} matches several ids: ${ids}`);
  }
  // Only the request timeout is needed of the runtime's configuration. The runtime's version does not change the timeout, so its
  // --version does not run.
  const [runtime] = findRuntimes({ files, processes, peer: undefined, askVersion: () => "" });
  return toGiven(one, runtime?.config.nri.requestTimeoutMs ?? nriDefaults.requestTimeoutMs);
}

function findBundles(files: NodeFiles, processes: readonly Process[], wanted: string) {
  const found: { id: string; path: string; bytes: Uint8Array; bundle: Spec; pid: number }[] = [];
  const add = (id: string, directory: string, shown: string) => {
    if (!id.startsWith(wanted) || found.some((known) => known.id === id)) return;
    const bytes = files.readBytes(`${directory}/config.json`);
    if (bytes === undefined) return;
    // containerd's shim for runc writes the pid to the file init.pid, conmon to the file pidfile.
    const pids = ["init.pid", "pidfile"].map((name) => Number(files.readText(`${directory}/${name}`)));
    const path = `${shown}/config.json`;
    found.push({ id, path, bytes, bundle: readBundle(path, bytes), pid: pids.find((number) => number > 0) ?? 0 });
  };
  const podOf = (directory: string) => {
    const bundle = attempt(() => parseBundle(files.readBytes(`${directory}/config.json`) ?? new Uint8Array()));
    return bundle?.annotations["io.kubernetes.cri-o.SandboxID"];
  };
  for (const { pid, command, args } of processes) {
    // conmon-rs serves a pod and its containers.
    const told = command === "conmonrs" ? conmonRsDirectory(args) : undefined;
    if (told !== undefined) {
      const [inside, storage] = [`/proc/${pid}/root${told}/../..`, dirname(dirname(told))];
      for (const name of files.list(inside)) {
        if (podOf(`${inside}/${name}/userdata`) !== basename(dirname(told))) continue;
        add(name, `${inside}/${name}/userdata`, `${storage}/${name}/userdata`);
      }
    }
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (cwd === undefined) continue;
    // A path through /proc/PID/cwd works even when the process runs in another mount namespace.
    const inside = `/proc/${pid}/cwd`;
    // conmon's working directory is <id>/userdata. That of containerd's shim is the pod's bundle, which has the containers' bundles
    // as siblings.
    if (command === "conmon") {
      add(cwd.split("/").findLast((part) => part !== "userdata") ?? "", inside, cwd);
      // A CRI-O pod without an infra container has no conmon. Its bundle is a sibling of its containers' bundles.
      const pod = podOf(inside);
      if (pod) add(pod, `${inside}/../../${pod}/userdata`, `${dirname(dirname(cwd))}/${pod}/userdata`);
    }
    if (!command.startsWith("containerd-shim")) continue;
    for (const name of files.list(`${inside}/..`)) add(name, `${inside}/../${name}`, `${dirname(cwd)}/${name}`);
  }
  return found;
}

function readBundle(path: string, bytes: Uint8Array): Spec {
  try {
    return parseBundle(bytes);
  } catch (error) {
    throw new BridgeError("USAGE", `${path}: ${errorText(error)}; the bridge would use the event's spec`);
  }
}

/** Makes the events of a bundle. The bundle's annotations, with containerd's names or else CRI-O's, name its pod and container. */
function toGiven({ id, path, bytes, bundle, pid }: LiveBundle, timeoutMs: number): Given {
  const { cgroupsPath, annotations } = bundle;
  const first = (...names: string[]) => names.flatMap((name) => annotations[name] ?? [])[0];
  const type = first("io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType");
  const isSandbox = type === "sandbox";
  const podSandboxId = first("io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID") ?? id;
  const name = first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name") ?? "";
  const namespace = first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace") ?? "";
  const uid = first("io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid") ?? "";
  const pod = {
    ...podSandbox.decode(new Uint8Array()),
    ...{ name, namespace, uid, id: isSandbox ? id : podSandboxId, pid: isSandbox ? pid : 0 },
    labels: {
      "io.kubernetes.pod.name": name,
      "io.kubernetes.pod.namespace": namespace,
      "io.kubernetes.pod.uid": uid,
    },
    annotations: isSandbox ? { ...annotations } : {},
    linux: { cgroupParent: "", cgroupsPath: isSandbox ? cgroupsPath : "", namespaces: [] },
  };
  const container = {
    ...containerCodec.decode(new Uint8Array()),
    ...{ id, podSandboxId, pid, annotations: { ...annotations } },
    name: first("io.kubernetes.cri.container-name", "io.kubernetes.container.name") ?? "",
    linux: { namespaces: [], devices: [], cgroupsPath, sysctl: {}, netDevices: {} },
  };
  const timeoutNano = BigInt(Math.round(timeoutMs)) * 1_000_000n;
  const names = isSandbox
    ? (["RunPodSandbox", "StopPodSandbox"] as const)
    : (["StartContainer", "StopContainer"] as const);
  const events = names.map((event, at) => {
    const request = encodeEvent(event, isSandbox ? { pod } : { pod, container }, "own");
    return { index: at + 1, ...request, timeoutNano, metadata: [] };
  });
  const isCrio = annotations["io.kubernetes.cri-o.ContainerType"] !== undefined;
  const about = isCrio ? { name: "cri-o", version: "1.37.0" } : { name: "containerd", version: "v2.3.4" };
  const runtime = { ...about, dialect: "dedicated" } as const;
  return {
    ...givenOf({ name: id, title: path, events, confs: [], bundles: [{ path, bytes }], runtime }),
    unknown: [
      "the pod's own labels: the bundle does not have them; the three that the kubelet sets are shown",
      ...(pid === 0 ? ["the pid: the runtime has written no pid file beside the bundle"] : []),
      "later changes of resources: the runtime does not write the bundle again",
    ],
  };
}
