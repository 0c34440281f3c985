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

const patterns =
  "of the annotations that users write, an event does not tell which the runtime let through; annotations.pod and .container name the patterns";
const timeLimit = "containerd 1.6 had no limit; an NRI v2 runtime drops a plugin that needs longer than its 2 s";

export const knownExceptions: readonly KnownException[] = [
  {
    cases: ["annotations-passed"],
    modes: ["events only"],
    reason: patterns,
    differences: [
      'recorder create pod1: spec/annotations/both is absent instead of "pod"',
      'recorder create pod1: spec/annotations/x<y is absent instead of "&\u2028\\""',
      'recorder delete pod1: spec/annotations/both is absent instead of "pod"',
      'recorder delete pod1: spec/annotations/x<y is absent instead of "&\u2028\\""',
      'recorder create ctr1: spec/annotations/both is absent instead of "ctr"',
      'recorder create ctr1: spec/annotations/x<y is absent instead of "&\u2028\\""',
      'recorder delete ctr1: spec/annotations/both is absent instead of "ctr"',
      'recorder delete ctr1: spec/annotations/x<y is absent instead of "&\u2028\\""',
    ],
  },
  {
    cases: ["sleep3@pod-create"],
    modes: ["2 s"],
    reason: timeLimit,
    differences: [
      "error RunPodSandbox: UNKNOWN: nri invoke: plugin: recorder: did not end within <n> ms and was killed (the runtime's plugin_request_timeout sets the limit)",
      "recorder2 create pod1: did not run",
    ],
  },
  {
    cases: ["sleep3@ctr-create"],
    modes: ["2 s"],
    reason: timeLimit,
    differences: [
      "error StartContainer: UNKNOWN: nri invoke: plugin: recorder: did not end within <n> ms and was killed (the runtime's plugin_request_timeout sets the limit)",
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
