import { testImage } from "./images.js";

/** Names and values are those of the CRI, as in its protobuf schema. An int64 may be a decimal text. */
export interface LinuxResources {
  readonly cpu_shares?: number;
  readonly cpu_quota?: number;
  readonly cpu_period?: number;
  readonly cpuset_cpus?: string;
  readonly cpuset_mems?: string;
  readonly memory_limit_in_bytes?: number | string;
  readonly oom_score_adj?: number;
  readonly hugepage_limits?: readonly { readonly page_size: string; readonly limit: number }[];
}

type NamespaceMode = "POD" | "CONTAINER" | "NODE";

/** What a scenario may ask of its pod. What is left out is as the kubelet sends it for a best-effort pod. */
export interface PodOptions {
  /** The pod is called `pod<number>`. */
  readonly number: number;
  readonly network?: NamespaceMode;
  readonly pid?: NamespaceMode;
  readonly privileged?: boolean;
  readonly hostname?: string;
  /** Without labels and annotations. */
  readonly bare?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The cgroup that the kubelet would have made for a pod of this uid; null for none. */
  readonly cgroupParent?: ((uid: string) => string) | null;
}

export type PodSandboxConfig = ReturnType<typeof podConfig>;

/** A pod sandbox as the kubelet asks for it. */
export function podConfig(options: PodOptions, uid: string, logRoot: string) {
  const name = `pod${options.number}`;
  const labels = {
    "io.kubernetes.pod.name": name,
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": uid,
    app: "demo",
  };
  const annotations = options.annotations ?? {
    "kubernetes.io/config.seen": "2026-01-01T00:00:00.000000000Z",
    "kubernetes.io/config.source": "api",
    "example.com/pod-note": "hello",
  };
  const { network = "NODE", pid = "CONTAINER", privileged = false } = options;
  const { cgroupParent = (id: string) => `/kubepods/besteffort/pod${id}` } = options;
  return {
    metadata: { name, uid, namespace: "default", attempt: 0 },
    hostname: options.hostname,
    log_directory: `${logRoot}/${uid}`,
    labels: options.bare ? {} : labels,
    annotations: options.bare ? {} : annotations,
    linux: {
      security_context: { namespace_options: { network, pid, ipc: "POD" }, privileged },
      cgroup_parent: cgroupParent?.(uid),
    },
  };
}

/** What a scenario may ask of a container. */
export interface ContainerOptions {
  readonly name?: string;
  readonly attempt?: number;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly bare?: boolean;
  readonly privileged?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly resources?: LinuxResources;
  readonly mounts?: readonly {
    readonly host_path: string;
    readonly container_path: string;
    readonly readonly?: boolean;
  }[];
  readonly devices?: readonly {
    readonly host_path: string;
    readonly container_path: string;
    readonly permissions: string;
  }[];
}

export type ContainerConfig = ReturnType<typeof containerConfig>;

/** A container of a pod as the kubelet asks for it. */
export function containerConfig(options: ContainerOptions, pod: PodSandboxConfig) {
  const { name = "ctr", attempt = 0 } = options;
  const labels = {
    "io.kubernetes.container.name": name,
    "io.kubernetes.pod.name": pod.metadata.name,
    "io.kubernetes.pod.namespace": "default",
    "io.kubernetes.pod.uid": pod.metadata.uid,
  };
  const annotations = options.annotations ?? {
    "io.kubernetes.container.hash": "deadbeef",
    "io.kubernetes.container.restartCount": String(attempt),
    "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
    "io.kubernetes.container.terminationMessagePolicy": "File",
    "io.kubernetes.pod.terminationGracePeriod": "30",
    "example.com/ctr-note": "world",
  };
  const { namespace_options } = pod.linux.security_context;
  return {
    metadata: { name, attempt },
    image: { image: options.image ?? testImage },
    command: options.command ?? ["sleep", "100000"],
    log_path: `${name}_${attempt}.log`,
    labels: options.bare ? {} : labels,
    annotations: options.bare ? {} : annotations,
    linux: {
      resources: options.resources ?? (options.bare ? {} : { cpu_shares: 2, oom_score_adj: 1000 }),
      security_context: { namespace_options, privileged: options.privileged ?? false },
    },
    mounts: options.mounts,
    devices: options.devices,
  };
}
