import type * as nri from "../nri/types.js";
import { type AnnotationRules, toOciAnnotations } from "./annotations.js";
import { toRawJson } from "./gojson/raw.js";
import { toOciResources, toPresentResources, toUpdateResources } from "./oci.js";
import type { Request, RequestSpec, Spec, State } from "./types.js";

/** A pod sandbox or container as the bridge speaks of it: what both kinds of event have in common. */
export interface Target {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  readonly sandboxID: string;
  /** 0 when there is no process yet, or the runtime did not say. */
  readonly pid: number;
  readonly cgroupsPath: string;
  readonly pod: nri.PodSandbox;
  readonly container: nri.Container | undefined;
}

export function targetOf(event: { readonly pod: nri.PodSandbox; readonly container?: nri.Container }): Target {
  return event.container === undefined ? podTarget(event.pod) : containerTarget(event.pod, event.container);
}

export function podTarget(pod: nri.PodSandbox): Target {
  return toTarget(pod, undefined);
}

export function containerTarget(pod: nri.PodSandbox, container: nri.Container): Target {
  return toTarget(pod, container);
}

function toTarget(pod: nri.PodSandbox, container: nri.Container | undefined): Target {
  const { id, pid, linux } = container ?? pod;
  return {
    kind: container === undefined ? "sandbox" : "container",
    id,
    // compat: CRI-O and hand-made events may leave the container's own field empty.
    sandboxID: container?.podSandboxId || pod.id,
    pid,
    cgroupsPath: linux?.cgroupsPath ?? "",
    pod,
    container,
  };
}

/** The spec of a create: from the bundle, which containerd 1.6 read, else told from the event. */
export function toSpec(target: Target, bundle: Spec | undefined, rules: AnnotationRules): Spec {
  const { resources, namespaces, cgroupsPath } = bundle ?? fromEvent(target);
  return {
    resources,
    namespaces: withoutUserNamespace(namespaces),
    cgroupsPath,
    annotations: toOciAnnotations(target, bundle?.annotations, rules),
  };
}

function fromEvent({ pod, container, cgroupsPath }: Target): Omit<Spec, "annotations"> {
  const { linux } = container ?? pod;
  const namespaces = Object.fromEntries((linux?.namespaces ?? []).map(({ type, path }) => [type, path]));
  return { resources: toOciResources(linux?.resources), namespaces, cgroupsPath };
}

/** compat: containerd 1.6 had no user namespaces, so no v0.1 plugin ever saw one. */
function withoutUserNamespace(namespaces: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(namespaces).filter(([type]) => type !== "user"));
}

/** compat: containerd adds these labels to the CRI ones for itself; the v0.1 requests of 1.6 held the CRI labels only. */
const containerdLabels: ReadonlySet<string> = new Set([
  "io.cri-containerd.kind",
  // From 2.3.0 on (internal/cri/server/podsandbox/sandbox_run.go), the second with SELinux alone: no empty label is stored.
  "oci_runtime_type",
  "selinux_label",
]);

function criLabels(labels: Readonly<nri.StringMap>): nri.StringMap {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !containerdLabels.has(key)));
}

type Created = Pick<Request, "id" | "sandboxID" | "pid" | "spec">;

function toRequest(
  version: string,
  state: State,
  { id, sandboxID, pid }: Omit<Created, "spec">,
  spec: Spec,
  labels: nri.StringMap,
): Request {
  return { version, state, id, sandboxID, pid, spec, labels };
}

/** The request of a create: the pid and the spec of this moment, with the pod's labels. */
export function toCreateRequest(version: string, state: State, target: Target, spec: Spec): Request {
  return toRequest(version, state, target, spec, criLabels(target.pod.labels));
}

/** The request of a delete: pid and spec as they were at the create, no labels, the resources of this moment. */
export function toDeleteRequest(version: string, created: Created, event: nri.LinuxResources | undefined): Request {
  const resources = toPresentResources(created.spec.resources, event);
  return toRequest(version, "delete", created, { ...created.spec, resources }, {});
}

/**
 * The request of an update: the create's, with the asked resources over the present ones. The runtimes keep each update in the
 * spec, which `event` shows (containerd updateContainerSpec, CRI-O UpdateContainerLinuxResources).
 */
export function toUpdateRequest(
  version: string,
  created: Created,
  { pod, container }: Pick<Target, "pod" | "container">,
  asked: nri.LinuxResources | undefined,
): Request {
  const present = toPresentResources(created.spec.resources, container?.linux?.resources);
  const spec = { ...created.spec, resources: toUpdateResources(present, asked) };
  return toRequest(version, "update", created, spec, criLabels(pod.labels));
}

/** The request of an UpdatePodSandbox: the resources of all containers of the pod together, and the pod's overhead. */
export interface PodResources {
  readonly linuxResources?: nri.LinuxResources;
  readonly overheadLinuxResources?: nri.LinuxResources;
}

/** A pod's spec with the resources that are asked for it; not those of its own container, since the kubelet means the pod. */
export function toResizedSpec(spec: Spec, { linuxResources, overheadLinuxResources }: PodResources): RequestSpec {
  return {
    ...spec,
    ...(linuxResources === undefined ? {} : { resources: toUpdateResources(null, linuxResources) }),
    ...(overheadLinuxResources === undefined ? {} : { overhead: toUpdateResources(null, overheadLinuxResources) }),
  };
}

/**
 * The request with what 1.6 did not say: all labels and annotations, on a delete too, and `nri`, an unknown key to v0.1 clients.
 * @param nri the pod and container in protobuf's JSON form
 */
export function toSuperset(request: Request, { pod, container }: Target, nri: object): Request {
  return {
    ...request,
    spec: {
      ...request.spec,
      annotations: { ...request.spec.annotations, ...(container === undefined ? pod : container).annotations },
    },
    labels: pod.labels,
    nri: toRawJson(JSON.stringify(nri)),
  };
}
