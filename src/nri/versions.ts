/** A released version, or one before a release: 2.4.0-beta.0, or Go's 0.9.1-0.20250219030224-e597e7849f24. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** True for what comes before the release of that number. */
  readonly preRelease: boolean;
}

/** The NRI version that a runtime speaks, and how we know. */
export interface NriVersion extends Version {
  readonly source: "stated" | "inferred" | "guessed";
}

/** The version of the NRI API that we are written against; told to runtimes that ask. */
export const ownNriVersion = "v0.12.2";

/**
 * From which version of a runtime on it speaks which version of NRI; from containerd's and CRI-O's go.mod files.
 * From NRI 0.12 on a runtime says so itself, if it was built with the version known.
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

/** The behaviour of runtimes by NRI version; each a rule of the protocol that changed. */
const features = {
  /** A descriptor of a plugin that it launches is closed once (NRI pull request 66, containerd issue 8860). */
  closesOnce: "0.6.0",
  /** Configure tells the runtime's timeouts, and Synchronize may come in several messages. */
  splitSynchronize: "0.7.0",
  /** Plugins that the runtime launched are synchronized too (adaptation.startPlugins). */
  synchronizesLaunched: "0.7.0",
  /** UpdatePodSandbox and PostUpdatePodSandbox. */
  podUpdates: "0.10.0",
  /** The default validator, which can require plugins. */
  validates: "0.10.0",
  /** Every event has a call of its own, with StateChange for plugins that lack it. */
  ownCalls: "0.12.0",
  /** A plugin that failed to synchronize is disconnected; before, it stayed connected and got no events. */
  closesUnsynchronized: "0.12.0",
} as const;

export function hasFeature(nri: Version, feature: keyof typeof features): boolean {
  return isAtLeast(nri, features[feature]);
}

/**
 * The behaviour of runtimes from a version of their own on, whichever NRI they speak; a runtime that is not named never does. From
 * containerd's internal/cri and CRI-O's server.
 */
const habits = {
  /** A pod has the label oci_runtime_type, and with SELinux selinux_label (containerd nri/nri_api_linux.go nriPodSandbox). */
  labelsPods: { containerd: "2.3.0" },
  /** A pod has the annotation podsandbox.image-name (containerd annotations/annotations.go). */
  namesPauseImages: { containerd: "2.0.0" },
  /** A pod still has its cgroup, namespaces, resources and OCI annotations at its StopPodSandbox (the same place; CRI-O nri-api.go). */
  keepsStoppedPods: { containerd: "2.1.0", "cri-o": "1.26.0" },
  /** And at its RemovePodSandbox (containerd sandbox_remove.go: the sandbox leaves its store after that). */
  keepsRemovedPods: { containerd: "2.3.0", "cri-o": "1.26.0" },
  /** UpdatePodSandbox is sent: containerd 2.2 has an NRI that knows it, and does not (CRI-O sandbox_update_resources.go). */
  updatesPods: { containerd: "2.3.0", "cri-o": "1.33.0" },
  /** A refused CreateContainer is followed by its StopContainer and RemoveContainer (containerd UndoCreateContainer). */
  undoesCreates: { containerd: "1.7.0" },
  /** A refused StartContainer does not start; CRI-O logs the error (container_start.go). */
  refusesStarts: { containerd: "1.7.0" },
  /** StopPodSandbox comes again, and for a killed pause process; CRI-O takes that pod as stopped (server.go handleExit). */
  stopsAgain: { containerd: "1.7.0" },
} as const;

/** Whether a runtime does something; one whose version cannot be told does as the newest. */
export function does(
  runtime: { readonly name: string; readonly version: string },
  habit: keyof typeof habits,
): boolean {
  const since = new Map<string, string>(Object.entries(habits[habit])).get(runtime.name);
  const version = parseVersion(runtime.version);
  return since !== undefined && (version === undefined || isAtLeast({ ...version, preRelease: false }, since));
}

/**
 * The containerd versions, each from the first on and before the second, that keep the name of a pod sandbox whose
 * RunPodSandbox an NRI plugin refused. After a second refusal of one pod they do not start again: `failed to reserve sandbox
 * name` (containerd issues 13355 and 13609; PR 13399 mends it in 2.2.6 and 2.3.3, there is no 2.0 or 2.1 with it).
 */
const keepRefusedSandboxes = [
  ["2.0.0", "2.2.6"],
  ["2.3.0", "2.3.3"],
] as const;

/** The same for the log and for doctor. */
export const refusedSandboxFault = {
  fault: "containerd issue 13609: after a pod's sandbox was refused twice, this containerd does not start again",
  remedy: "upgrade to containerd 2.2.6 or 2.3.3, or later",
} as const;

/** Whether a runtime can be answered with an error for an event, without harm to itself. */
export function mayFail(event: string, runtime: { readonly name: string; readonly version: string }): boolean {
  if (event !== "RunPodSandbox" || runtime.name !== "containerd") return true;
  const version = parseVersion(runtime.version);
  // A build that does not say that it is older may be any.
  if (version === undefined) return /^v?[01](\.|$)/.test(runtime.version.trim());
  // A pre-release has the faults of its release.
  const release = { ...version, preRelease: false };
  return !keepRefusedSandboxes.some(([since, before]) => isAtLeast(release, since) && !isAtLeast(version, before));
}

/**
 * Whether a runtime sends Synchronize, and no event before.
 * @param socketPath absent when it launched us
 */
export function synchronizes({ nri, socketPath }: { readonly nri: Version; readonly socketPath?: string }): boolean {
  return socketPath !== undefined || hasFeature(nri, "synchronizesLaunched");
}

/** Whether a version is that of a release, or later. */
export function isAtLeast({ major, minor, patch, preRelease }: Version, release: string): boolean {
  const least = parseRelease(release);
  return (major - least.major || minor - least.minor || patch - least.patch || -Number(preRelease)) >= 0;
}

export function formatVersion({ major, minor, patch, preRelease }: Version): string {
  return `${major}.${minor}.${patch}${preRelease ? "-pre" : ""}`;
}

/**
 * Reads a version as runtimes print it: an optional "v", three numbers (the third may be missing), and what a
 * distribution adds (2.2.1-0ubuntu1~24.04.2), which is no pre-release. Undefined when there is no number to read, and for
 * 0.0.0: builds that do not know their version say so (NRI's "0.0.0-unknown", Go's v0.0.0-<time>-<commit>).
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
 * The NRI version of a runtime: the one that it states, else the one that its name and version tell, else the oldest
 * that its Configure request could be of. Never too new a guess: an event that the runtime does not know would cost the
 * registration. Never older than its Configure request either: it would be asked for too few events.
 */
export function nriVersionOf(configure: {
  readonly runtimeName: string;
  readonly runtimeVersion: string;
  readonly requestTimeout: bigint;
  readonly NRIVersion: string;
}): NriVersion {
  // A build that does not know its version states 0.0.0-unknown or (devel); and the field is there from 0.12 on only.
  const least = configure.NRIVersion !== "" ? "0.12.0" : configure.requestTimeout > 0n ? "0.7.0" : "0.2.0";
  const stated = parseVersion(configure.NRIVersion);
  if (stated !== undefined && isAtLeast(stated, least)) return { ...stated, source: "stated" };
  const inferred = inferNriVersion(configure.runtimeName, configure.runtimeVersion);
  if (inferred !== undefined && isAtLeast(inferred, least)) return { ...inferred, source: "inferred" };
  return { ...parseRelease(least), source: "guessed" };
}

/** The NRI version that a runtime of this name and version was released with. */
export function inferNriVersion(runtimeName: string, runtimeVersion: string): Version | undefined {
  const table = Object.hasOwn(nriByRuntime, runtimeName) ? nriByRuntime[runtimeName] : undefined;
  const version = parseVersion(runtimeVersion);
  if (table === undefined || version === undefined) return undefined;
  const entry = table.findLast(([since]) => isAtLeast(version, since));
  return entry === undefined ? undefined : parseRelease(entry[1]);
}

/** The first runtimes with an NRI version: `containerd 2.2.0 or cri-o 1.34.0`. */
export function runtimesWith(nri: string): string {
  return Object.entries(nriByRuntime)
    .map(([name, versions]) => `${name} ${versions.find(([, of]) => isAtLeast(parseRelease(of), nri))?.[0]}`)
    .join(" or ");
}

function parseRelease(text: string): Version {
  return parseVersion(text) ?? { major: 0, minor: 0, patch: 0, preRelease: false };
}
