/** Under which conditions a case is played. */
export type Mode = "as recorded" | "events only" | "2 s";

/** A difference from containerd 1.6.20 that is meant: what differs, to the field, and why. */
export interface KnownException {
  readonly cases: readonly string[];
  readonly modes: readonly Mode[];
  readonly reason: string;
  /** As `findDifferences` says them. A case that does not differ so, or not at all, fails. */
  readonly differences: readonly string[];
}

const noteShown = 'spec/annotations/example.com/ctr-note is "world" instead of absent';

const containerAnnotations =
  "an event holds all of a container's CRI annotations, of which 1.6 showed those that container_annotations names; only the bundle tells them apart";
const podAnnotations =
  "of a pod's annotations, which users write, only those of the runtime are believed; annotations.oci names the patterns that pod_annotations had";
const timeLimit = "containerd 1.6 had no limit; an NRI v2 runtime drops a plugin that needs longer than its 2 s";

/** Cases with events of their own for which no bundle was recorded: their specs come from the events in any mode. */
const withoutBundle: readonly Mode[] = ["as recorded", "events only"];

export const knownExceptions: readonly KnownException[] = [
  {
    cases: ["kill-process", "remove-running", "self-exit", "stop-twice"],
    modes: withoutBundle,
    reason: containerAnnotations,
    differences: [`recorder create ctr1: ${noteShown}`, `recorder delete ctr1: ${noteShown}`],
  },
  {
    cases: ["conf-changes-live"],
    modes: withoutBundle,
    reason: containerAnnotations,
    differences: [`recorder2 create ctr1: ${noteShown}`, `recorder delete ctr1: ${noteShown}`],
  },
  {
    cases: ["two-containers-and-restart"],
    modes: withoutBundle,
    reason: containerAnnotations,
    differences: [
      `recorder create ctr1: ${noteShown}`,
      `recorder create ctr2: ${noteShown}`,
      `recorder create ctr3: ${noteShown}`,
      `recorder delete ctr1: ${noteShown}`,
      `recorder delete ctr2: ${noteShown}`,
      `recorder delete ctr3: ${noteShown}`,
    ],
  },
  {
    cases: [
      "annotations-passed",
      "basic-hostnet",
      "basic-podnet",
      "cgroup-none",
      "device-and-mounts",
      "ns-pod-pid",
      "resources-cpu",
      "resources-hugepages",
      "resources-memory",
      "resources-unlimited-quota",
      "update",
    ],
    modes: ["events only"],
    reason: containerAnnotations,
    differences: [`recorder create ctr1: ${noteShown}`, `recorder delete ctr1: ${noteShown}`],
  },
  {
    cases: ["chained", "result-shapes"],
    modes: ["events only"],
    reason: containerAnnotations,
    differences: [
      `recorder create ctr1: ${noteShown}`,
      `recorder delete ctr1: ${noteShown}`,
      `recorder2 create ctr1: ${noteShown}`,
      `recorder2 delete ctr1: ${noteShown}`,
      `recorder3 create ctr1: ${noteShown}`,
      `recorder3 delete ctr1: ${noteShown}`,
    ],
  },
  {
    cases: ["annotations-passed"],
    modes: ["events only"],
    reason: podAnnotations,
    differences: [
      'recorder create pod1: spec/annotations/both is absent instead of "pod"',
      'recorder create pod1: spec/annotations/x<y is absent instead of "&\u2028\\""',
      'recorder delete pod1: spec/annotations/both is absent instead of "pod"',
      'recorder delete pod1: spec/annotations/x<y is absent instead of "&\u2028\\""',
    ],
  },
  {
    cases: ["sleep3@pod-create"],
    modes: ["2 s"],
    reason: timeLimit,
    differences: [
      "error RunPodSandbox: UNKNOWN: nri invoke: plugin: recorder: did not end within <n> ms and was ended (the runtime's plugin_request_timeout sets the limit)",
      "recorder2 create pod1: did not run",
    ],
  },
  {
    cases: ["sleep3@ctr-create"],
    modes: ["2 s"],
    reason: timeLimit,
    differences: [
      "error StartContainer: UNKNOWN: nri invoke: plugin: recorder: did not end within <n> ms and was ended (the runtime's plugin_request_timeout sets the limit)",
      "recorder2 create ctr1: did not run",
    ],
  },
];

/** What differs in a case, sorted; empty for most. */
export function exceptionsOf(name: string, mode: Mode): readonly string[] {
  return of(name, mode)
    .flatMap(({ differences }) => differences)
    .toSorted();
}

/** Why something differs in a case. */
export function reasonsOf(name: string, mode: Mode): readonly string[] {
  return of(name, mode).map(({ reason }) => reason);
}

function of(name: string, mode: Mode): KnownException[] {
  return knownExceptions.filter(({ cases, modes }) => cases.includes(name) && modes.includes(mode));
}
