/** A version of a release or of a pre-release: 2.4.0-beta.0, or Go's 0.9.1-0.20250219030224-e597e7849f24. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Whether this is a version before the release with these three numbers. */
  readonly preRelease: boolean;
}

/** The NRI version that a runtime speaks, and how the bridge knows: see nriVersionOf. */
export interface NriVersion extends Version {
  readonly source: "stated" | "inferred" | "guessed";
}

/** The version of the NRI API that the bridge implements, as the bridge states it in RegisterPlugin. */
export const ownNriVersion = "v0.12.2";

/**
 * Which NRI version a runtime speaks, from which version of the runtime on; taken from containerd's and CRI-O's go.mod files. From
 * NRI 0.12 on a runtime states its NRI version itself, unless its build does not know that version.
 */
const nriByRuntime: Readonly<Record<string, readonly (readonly [since: string, nri: string])[]>> = {
  containerd: [
    ["1.7.0", "0.3.0"],
    ["1.7.7", "0.4.0"],
    ["1.7.14", "0.6.0"],
    ["1.7.16", "0.6.1"],
    ["1.7.26", "0.8.0"],
    ["2.0.0", "0.8.0"],
    ["2.2.0", "0.10.0"],
    ["2.2.1", "0.11.0"],
    ["2.3.0", "0.12.0"],
    ["2.4.0", "0.12.1"],
  ],
  "cri-o": [
    ["1.26.0", "0.2.0"],
    ["1.26.2", "0.3.0"],
    ["1.29.0", "0.5.0"],
    ["1.29.2", "0.6.0"],
    ["1.31.0", "0.6.1"],
    ["1.32.0", "0.9.0"],
    ["1.34.0", "0.10.0"],
    ["1.35.0", "0.11.0"],
    ["1.37.0", "0.12.0"],
  ],
};

/** The NRI version from which on a rule of the protocol holds. */
const features = {
  /**
   * The runtime closes the socket descriptor of a plugin that it launched only once; older runtimes close it twice (NRI pull
   * request 66, containerd issue 8860).
   */
  closesOnce: "0.6.0",
  /** Configure states the runtime's timeouts, and the runtime may split Synchronize into several messages. */
  splitSynchronize: "0.7.0",
  /** The runtime sends Synchronize to plugins that it launched, too (adaptation.startPlugins). */
  synchronizesLaunched: "0.7.0",
  /** NRI has the events UpdatePodSandbox and PostUpdatePodSandbox. */
  podUpdates: "0.10.0",
  /** NRI has the default validator, which can require plugins. */
  validates: "0.10.0",
  /** The runtime sends every event by a call of its own; by StateChange only to plugins that do not know that call. */
  ownCalls: "0.12.0",
  /** The runtime disconnects a plugin that failed to synchronize; older runtimes keep the connection and send no events. */
  closesUnsynchronized: "0.12.0",
} as const;

export function hasFeature(nri: Version, feature: keyof typeof features): boolean {
  return isAtLeast(nri, features[feature]);
}

/**
 * The version of each runtime from which on the runtime shows a behaviour, whichever NRI version it speaks. A runtime that is not
 * in an entry never shows the behaviour. Taken from containerd's internal/cri and CRI-O's server.
 */
const habits = {
  /** A pod has the label oci_runtime_type, and with SELinux selinux_label (containerd nri/nri_api_linux.go nriPodSandbox). */
  labelsPods: { containerd: "2.3.0" },
  /** A pod has the annotation podsandbox.image-name (containerd annotations/annotations.go). */
  namesPauseImages: { containerd: "2.0.0" },
  /**
   * The pod of StopPodSandbox still has its cgroup, namespaces, resources and OCI annotations (containerd nri/nri_api_linux.go
   * nriPodSandbox; CRI-O nri-api.go).
   */
  keepsStoppedPods: { containerd: "2.1.0", "cri-o": "1.26.0" },
  /**
   * The pod of RemovePodSandbox still has its cgroup, namespaces, resources and OCI annotations (containerd sandbox_remove.go:
   * containerd removes the sandbox from its store after the event).
   */
  keepsRemovedPods: { containerd: "2.3.0", "cri-o": "1.26.0" },
  /**
   * The runtime sends UpdatePodSandbox. containerd 2.2 does not, although its NRI version has the event (CRI-O
   * sandbox_update_resources.go).
   */
  updatesPods: { containerd: "2.3.0", "cri-o": "1.33.0" },
  /**
   * After a plugin refused CreateContainer, the runtime sends StopContainer and RemoveContainer for that container (containerd
   * UndoCreateContainer).
   */
  undoesCreates: { containerd: "1.7.0" },
  /**
   * The runtime does not start a container whose StartContainer a plugin refused; CRI-O logs the error and starts the container
   * (container_start.go).
   */
  refusesStarts: { containerd: "1.7.0" },
  /**
   * The runtime may send StopPodSandbox more than once for a pod, also after its pause process was killed; CRI-O takes such a pod
   * as stopped (server.go handleExit).
   */
  stopsAgain: { containerd: "1.7.0" },
} as const;

/** Whether a runtime shows a behaviour. A runtime with a version that cannot be parsed counts as the newest one. */
export function does(
  runtime: { readonly name: string; readonly version: string },
  habit: keyof typeof habits,
): boolean {
  const since = new Map<string, string>(Object.entries(habits[habit])).get(runtime.name);
  const version = parseVersion(runtime.version);
  return since !== undefined && (version === undefined || isAtLeast({ ...version, preRelease: false }, since));
}

/**
 * The faulty containerd versions, as ranges from the first version to before the second. They keep the name of a pod sandbox whose
 * RunPodSandbox an NRI plugin refused. After a second refusal of one pod such a containerd does not start again: `failed to reserve
 * sandbox name` (containerd issues 13355 and 13609; PR 13399 fixes it in 2.2.6 and 2.3.3, and no 2.0 or 2.1 has the fix).
 */
const keepRefusedSandboxes = [
  ["2.0.0", "2.2.6"],
  ["2.3.0", "2.3.3"],
] as const;

/** The fault of `keepRefusedSandboxes` and its remedy, in words for the log and for the verb `doctor`. */
export const refusedSandboxFault = {
  fault: "containerd issue 13609: once a pod's sandbox was refused twice, this containerd fails at its next restart",
  remedy: "upgrade to containerd 2.2.6 or 2.3.3, or later",
} as const;

/** Whether the bridge may answer an event of this runtime with an error without harm to the runtime. */
export function mayFail(event: string, runtime: { readonly name: string; readonly version: string }): boolean {
  if (event !== "RunPodSandbox" || runtime.name !== "containerd") return true;
  const version = parseVersion(runtime.version);
  // A version that cannot be parsed may be a faulty one, unless its text starts with major version 0 or 1.
  if (version === undefined) return /^v?[01](\.|$)/.test(runtime.version.trim());
  // A pre-release has the faults of its release.
  const release = { ...version, preRelease: false };
  return !keepRefusedSandboxes.some(([since, before]) => isAtLeast(release, since) && !isAtLeast(version, before));
}

/**
 * Whether a runtime sends Synchronize, and sends no event before it.
 * @param socketPath absent when the runtime launched the bridge
 */
export function synchronizes({ nri, socketPath }: { readonly nri: Version; readonly socketPath?: string }): boolean {
  return socketPath !== undefined || hasFeature(nri, "synchronizesLaunched");
}

/** Whether a version is the version of this release, or a later version. */
export function isAtLeast({ major, minor, patch, preRelease }: Version, release: string): boolean {
  const least = parseRelease(release);
  return (major - least.major || minor - least.minor || patch - least.patch || -Number(preRelease)) >= 0;
}

export function formatVersion({ major, minor, patch, preRelease }: Version): string {
  return `${major}.${minor}.${patch}${preRelease ? "-pre" : ""}`;
}

/**
 * Reads a version as runtimes print it: an optional "v", three numbers (the third may be missing), and what a distribution adds
 * (2.2.1-0ubuntu1~24.04.2), which is no pre-release. Undefined when the text does not start with a version, and for 0.0.0, with
 * which builds say that they do not know their version (NRI's "0.0.0-unknown", Go's v0.0.0-<time>-<commit>).
 */
export function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(.*)$/s.exec(text.trim());
  if (match === null) return undefined;
  const [, major, minor, patch = "0", rest = ""] = match;
  if (Number(major) + Number(minor) + Number(patch) === 0) return undefined;
  // A pseudo-version's pre-release ends in a time of 14 digits and a commit.
  const preRelease = /^[-~.]?(alpha|beta|rc|dev|pre)/i.test(rest) || /^-(.*\.)?\d{14}-[0-9a-f]{12}/.test(rest);
  return { major: Number(major), minor: Number(minor), patch: Number(patch), preRelease };
}

/**
 * The NRI version of a runtime: "stated" in its Configure request, else "inferred" from its name and version, else "guessed" as the
 * oldest version with the fields of its Configure request. A guess must not be too new, because the runtime ends the registration
 * of a plugin that subscribes to an event unknown to the runtime. A version older than the fields of the Configure request is not
 * used, because the bridge would then subscribe to too few events.
 */
export function nriVersionOf(configure: {
  readonly runtimeName: string;
  readonly runtimeVersion: string;
  readonly requestTimeout: bigint;
  readonly NRIVersion: string;
}): NriVersion {
  // Only NRI >= 0.12 has the field NRIVersion; a build that does not know its version states 0.0.0-unknown or (devel).
  const least = configure.NRIVersion !== "" ? "0.12.0" : configure.requestTimeout > 0n ? "0.7.0" : "0.2.0";
  const stated = parseVersion(configure.NRIVersion);
  if (stated !== undefined && isAtLeast(stated, least)) return { ...stated, source: "stated" };
  const inferred = inferNriVersion(configure.runtimeName, configure.runtimeVersion);
  if (inferred !== undefined && isAtLeast(inferred, least)) return { ...inferred, source: "inferred" };
  return { ...parseRelease(least), source: "guessed" };
}

/**
 * The NRI version that a runtime of this name and version was released with; undefined for a runtime other than containerd and
 * CRI-O, a version that cannot be parsed, and a version before the first one in the table.
 */
export function inferNriVersion(runtimeName: string, runtimeVersion: string): Version | undefined {
  const table = Object.hasOwn(nriByRuntime, runtimeName) ? nriByRuntime[runtimeName] : undefined;
  const version = parseVersion(runtimeVersion);
  if (table === undefined || version === undefined) return undefined;
  const entry = table.findLast(([since]) => isAtLeast(version, since));
  return entry === undefined ? undefined : parseRelease(entry[1]);
}

/** The first version of each runtime that has an NRI version or a later one: `containerd 2.2.0 or cri-o 1.34.0`. */
export function runtimesWith(nri: string): string {
  return Object.entries(nriByRuntime)
    .map(([name, versions]) => `${name} ${versions.find(([, of]) => isAtLeast(parseRelease(of), nri))?.[0]}`)
    .join(" or ");
}

function parseRelease(text: string): Version {
  return parseVersion(text) ?? { major: 0, minor: 0, patch: 0, preRelease: false };
}
