import type * as nri from "../nri/types.js";
import { type AnnotationRules, toOciAnnotations } from "./annotations.js";
import { toRawJson } from "./gojson/raw.js";
import { toOciResources, toPresentResources, toUpdateResources } from "./oci.js";
import type { Request, RequestSpec, Spec, State } from "./types.js";

/** The pod sandbox or container that an event is about, in one form for both. */
export interface Target {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  readonly sandboxID: string;
  /** 0 when the process does not exist yet, or the runtime sent no pid. */
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
    // compat: CRI-O and hand-made events may leave the container's own podSandboxId empty.
    sandboxID: container?.podSandboxId || pod.id,
    pid,
    cgroupsPath: linux?.cgroupsPath ?? "",
    pod,
    container,
  };
}

/** The spec for a create's request: from the OCI bundle, which containerd 1.6 read, or from the event where there is no bundle. */
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

/** compat: containerd adds these labels to the CRI labels for its own use; the v0.1 requests of 1.6 held the CRI labels only. */
const containerdLabels: ReadonlySet<string> = new Set([
  "io.cri-containerd.kind",
  // containerd writes the next two from 2.3.0 on (internal/cri/server/podsandbox/sandbox_run.go), the second one only with SELinux:
  // it stores no empty label.
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

/** The request of a create: the current pid and spec, with the pod's labels. */
export function toCreateRequest(version: string, state: State, target: Target, spec: Spec): Request {
  return toRequest(version, state, target, spec, criLabels(target.pod.labels));
}

/** The request of a delete: pid and spec as they were at the create, the current resources, and no labels. */
export function toDeleteRequest(version: string, created: Created, event: nri.LinuxResources | undefined): Request {
  const resources = toPresentResources(created.spec.resources, event);
  return toRequest(version, "delete", created, { ...created.spec, resources }, {});
}

/**
 * The request of an update: pid and spec of the create, with the requested resources laid over the present ones. The runtimes store
 * each update in the container's spec, and the event's container shows that spec (containerd updateContainerSpec, CRI-O
 * UpdateContainerLinuxResources).
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

/** What an UpdatePodSandbox asks for: the resources of all containers of the pod together, and the pod's overhead. */
export interface PodResources {
  readonly linuxResources?: nri.LinuxResources;
  readonly overheadLinuxResources?: nri.LinuxResources;
}

/**
 * A pod's spec with the resources that an UpdatePodSandbox asks for. They replace those of the pause container, since the kubelet's
 * values are for the whole pod.
 */
export function toResizedSpec(spec: Spec, { linuxResources, overheadLinuxResources }: PodResources): RequestSpec {
  return {
    ...spec,
    ...(linuxResources === undefined ? {} : { resources: toUpdateResources(null, linuxResources) }),
    ...(overheadLinuxResources === undefined ? {} : { overhead: toUpdateResources(null, overheadLinuxResources) }),
  };
}

/**
 * The request with the data that containerd 1.6 did not send: all labels and annotations, on a delete too, and `nri`, a key that
 * v0.1 clients do not know.
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
