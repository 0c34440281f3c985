import type * as nri from "../nri/types.js";
import {
  type AnnotationRules,
  type ContainerdNames,
  containerAnnotations,
  podAnnotations,
  withContainerdAliases,
  withoutNewerAnnotations,
} from "./annotations.js";
import { toRawJson } from "./gojson/raw.js";
import { toOciResources, toPresentResources, toUpdateResources } from "./oci.js";
import type { LinuxResources } from "./resources.js";
import type { Request, RequestSpec, Spec, State } from "./types.js";

/** What of a pod's or container's OCI config.json stands in a v0.1 spec. */
export interface BundleSpec {
  readonly cgroupsPath: string;
  readonly namespaces: Readonly<Record<string, string>>;
  readonly resources: LinuxResources | null;
  readonly annotations: Readonly<Record<string, string>>;
}

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

export function podTarget(pod: nri.PodSandbox): Target {
  return {
    kind: "sandbox",
    id: pod.id,
    sandboxID: pod.id,
    pid: pod.pid,
    cgroupsPath: pod.linux?.cgroupsPath ?? "",
    pod,
    container: undefined,
  };
}

/** The pod or container that an event is of. */
export function targetOf(event: { readonly pod: nri.PodSandbox; readonly container?: nri.Container }): Target {
  return event.container === undefined ? podTarget(event.pod) : containerTarget(event.pod, event.container);
}

export function containerTarget(pod: nri.PodSandbox, container: nri.Container): Target {
  return {
    kind: "container",
    id: container.id,
    // compat: CRI-O and hand-made events may leave the container's own field empty.
    sandboxID: container.podSandboxId === "" ? pod.id : container.podSandboxId,
    pid: container.pid,
    cgroupsPath: container.linux?.cgroupsPath ?? "",
    pod,
    container,
  };
}

/**
 * The OCI subset that a legacy plugin sees at a create: from the bundle where there is one, since that is what
 * containerd 1.6 read, else told from the event.
 */
export function toSpec(target: Target, bundle: BundleSpec | undefined, rules: AnnotationRules): Spec {
  const spec = bundle === undefined ? eventSpec(target, rules) : bundleSpec(bundle);
  const pod = target.kind === "container" && rules.podToContainer ? podAnnotations(target.pod.annotations, rules) : {};
  const annotations = { ...pod, ...spec.annotations };
  return { ...spec, annotations: rules.alias ? withContainerdAliases(annotations, namesOf(target)) : annotations };
}

function namesOf({ kind, sandboxID, pod, container }: Target): ContainerdNames {
  return {
    type: kind,
    sandboxID,
    sandboxName: pod.name,
    sandboxNamespace: pod.namespace,
    sandboxUid: pod.uid,
    ...(container === undefined ? {} : { containerName: container.name }),
  };
}

function bundleSpec(bundle: BundleSpec): Spec {
  return {
    resources: bundle.resources,
    namespaces: withoutUserNamespace(bundle.namespaces),
    cgroupsPath: bundle.cgroupsPath,
    annotations: withoutNewerAnnotations(bundle.annotations),
  };
}

function eventSpec({ pod, container, cgroupsPath }: Target, rules: AnnotationRules): Spec {
  const linux = container === undefined ? pod.linux : container.linux;
  return {
    resources: toOciResources(linux?.resources),
    namespaces: withoutUserNamespace(Object.fromEntries((linux?.namespaces ?? []).map((ns) => [ns.type, ns.path]))),
    cgroupsPath,
    annotations:
      container === undefined
        ? podAnnotations(pod.annotations, rules)
        : containerAnnotations(container.annotations, rules),
  };
}

/** compat: containerd 1.6 had no user namespaces, so no v0.1 plugin ever saw one. */
function withoutUserNamespace(namespaces: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(namespaces).filter(([type]) => type !== "user"));
}

/** compat: containerd adds these labels to the CRI ones for itself; the v0.1 requests of 1.6 held the CRI labels only. */
const containerdLabels: ReadonlySet<string> = new Set([
  "io.cri-containerd.kind",
  // From 2.3.0 on (internal/cri/server/podsandbox/sandbox_run.go), the second with an empty value where there is no SELinux.
  "oci_runtime_type",
  "selinux_label",
]);

/** The pod's labels as the CRI has them. */
function criLabels(labels: Readonly<nri.StringMap>): nri.StringMap {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !containerdLabels.has(key)));
}

/** The request of a create: the pid and the spec of this moment, with the pod's labels. */
export function toCreateRequest(version: string, state: State, target: Target, spec: Spec): Request {
  return {
    version,
    state,
    id: target.id,
    sandboxID: target.sandboxID,
    pid: target.pid,
    spec,
    labels: criLabels(target.pod.labels),
  };
}

/** What the requests after a create say of it again. */
type Created = Pick<Request, "id" | "sandboxID" | "pid" | "spec">;

/** The request of a delete: pid and spec as they were at the create, no labels, the resources of this moment. */
export function toDeleteRequest(version: string, created: Created, event: nri.LinuxResources | undefined): Request {
  return {
    version,
    state: "delete",
    id: created.id,
    sandboxID: created.sandboxID,
    pid: created.pid,
    spec: { ...created.spec, resources: toPresentResources(created.spec.resources, event) },
    labels: {},
  };
}

/**
 * The request of an update: what was created, with the resources that were asked for over those that it has by now. The
 * runtimes keep each update in the container's spec, which `event` shows (containerd updateContainerSpec, CRI-O
 * UpdateContainerLinuxResources).
 */
export function toUpdateRequest(
  version: string,
  created: Created,
  { pod, container }: Pick<Target, "pod" | "container">,
  asked: nri.LinuxResources | undefined,
): Request {
  const present = toPresentResources(created.spec.resources, container?.linux?.resources);
  return {
    version,
    state: "update",
    id: created.id,
    sandboxID: created.sandboxID,
    pid: created.pid,
    spec: { ...created.spec, resources: toUpdateResources(present, asked) },
    labels: criLabels(pod.labels),
  };
}

/** What an UpdatePodSandbox asks for: the resources of all containers of the pod together, and the pod's overhead. */
export interface PodResources {
  readonly linuxResources?: nri.LinuxResources;
  readonly overheadLinuxResources?: nri.LinuxResources;
}

/**
 * The spec of a pod sandbox with the resources that are asked for it: none of those that its own container has, since the
 * kubelet means the pod. Without any it stays as it is.
 */
export function toResizedSpec(spec: Spec, { linuxResources, overheadLinuxResources }: PodResources): RequestSpec {
  return {
    ...spec,
    ...(linuxResources === undefined ? {} : { resources: toUpdateResources(null, linuxResources) }),
    ...(overheadLinuxResources === undefined ? {} : { overhead: toUpdateResources(null, overheadLinuxResources) }),
  };
}

/**
 * The request with all that NRI v2 says and containerd 1.6 did not: every label, every annotation of the event, on a
 * delete too, and the event's pod and container whole under `nri`, which a v0.1 client passes over as an unknown key.
 *
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
