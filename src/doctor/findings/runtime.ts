import { inferNriVersion, isAtLeast, mayFail, parseVersion } from "../../nri/versions.js";
import type { Facts, RuntimeFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { restart } from "../fixes.js";

/** Whether the runtime speaks NRI v2 at all; undefined when its version is not known. */
export function speaksNri2({ name, version }: RuntimeFacts): boolean | undefined {
  return parseVersion(version) === undefined ? undefined : inferNriVersion(name, version) !== undefined;
}

export function isContainerd(runtime: RuntimeFacts | undefined, atLeast: string, before?: string): boolean {
  const version = runtime?.name === "containerd" ? parseVersion(runtime.version) : undefined;
  if (version === undefined || !isAtLeast(version, atLeast)) return false;
  return before === undefined || !isAtLeast(version, before);
}

/** The runtime as people name it. */
export function nameOf({ name, version }: RuntimeFacts): string {
  return version === "" ? name : `${name} ${version}`;
}

/** Is there a runtime, does it run, and can it speak NRI v2. */
export function runtimeFindings({ runtime, socket }: Facts, migrate: boolean): readonly Finding[] {
  if (runtime === undefined) {
    return [
      {
        id: "runtime-missing",
        severity: "error",
        what: "neither containerd nor CRI-O runs here or is installed",
        why: "plugins are run for the events of a runtime",
        fix: "from a container, mount the node's / and give it as --root; where there is none, install containerd 1.7 or later, or CRI-O 1.26 or later",
        where: "/",
      },
    ];
  }
  return [...oldFindings(runtime, migrate), ...processFindings(runtime, socket.kind === "socket")];
}

function oldFindings(runtime: RuntimeFacts, migrate: boolean): readonly Finding[] {
  const speaks = speaksNri2(runtime);
  if (speaks === undefined) {
    return [
      {
        id: "runtime-version-unknown",
        severity: "warning",
        what: `${runtime.path} does not tell its version`,
        why: `which dialect of NRI it speaks, and which defaults it has, depends on it; the findings below take the newest${mayFail("RunPodSandbox", runtime) ? "" : "; the bridge does not tell such a containerd that a pod sandbox failed"}`,
        fix: `see what ${runtime.path} --version says`,
        where: runtime.path,
      },
    ];
  }
  if (speaks || migrate) return [];
  const fix = "nri-v01-bridge doctor --migrate # says what will change for each plugin; then upgrade the runtime";
  return [
    {
      id: "runtime-too-old",
      severity: "error",
      what: `${nameOf(runtime)} does not speak NRI v2`,
      why:
        runtime.name === "containerd"
          ? "containerd up to 1.6 runs v0.1 plugins itself, and the bridge has nothing to connect to"
          : "CRI-O has NRI from 1.26 on",
      fix,
      where: runtime.path,
    },
  ];
}

function processFindings(runtime: RuntimeFacts, hasSocket: boolean): readonly Finding[] {
  const { name, version, diskVersion, pid, path } = runtime;
  if (pid === undefined && hasSocket) {
    return [
      {
        id: "runtime-out-of-sight",
        severity: "warning",
        what: `the NRI socket is here, and no process of ${name} is in sight`,
        why: "without the runtime's pid namespace OCI bundles cannot be read (specs come from events and lose fields), and ended pods are not noticed",
        fix: "in the DaemonSet set hostPID: true; in a container runtime --pid=host",
        where: "/proc",
      },
    ];
  }
  if (pid === undefined) {
    return [
      {
        id: "runtime-stopped",
        severity: "warning",
        what: `${nameOf(runtime)} is installed and does not run`,
        why: "there are no events, and what it would do is told from its files alone",
        fix: `if it is this node's runtime: ${restart(runtime)}`,
        where: path,
      },
    ];
  }
  if (diskVersion === "" || version === diskVersion) return [];
  return [
    {
      id: "runtime-restart-pending",
      severity: "warning",
      what: `${name} ${version} runs, and ${diskVersion} is installed`,
      why: "the upgrade takes effect at the next restart, and with it other defaults and another dialect of NRI",
      fix: restart(runtime),
      where: path,
    },
  ];
}
