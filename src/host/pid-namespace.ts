import type { Answer } from "./answer.js";
import { type Machine, readPidNamespace } from "./process-identity.js";
import { readProcessStat } from "./process-stat.js";

/**
 * Whether the pids that the runtime names are ours: whether both are in one pid namespace.
 *
 * @param peer the runtime's own process where it is known
 * @param named a pid of an event that is still on its way, so that its process runs; 0 when there is none
 */
export function sharesPidNamespace(peer: number | undefined, named: number, machine: Machine): Answer {
  const { procRoot, pidNamespace: own } = machine;
  const runtimes = peer === undefined ? undefined : readPidNamespace(peer, procRoot);
  if (own !== "" && runtimes !== undefined) {
    return own === runtimes
      ? { answer: "yes", reason: `the runtime is process ${peer}, and in our pid namespace` }
      : { answer: "no", reason: `the runtime is process ${peer}, and in another pid namespace (${runtimes})` };
  }
  if (named <= 0) return { answer: "unknown", reason: "the runtime's process is not known, and no event named one" };
  return readProcessStat(named, procRoot) === "missing"
    ? { answer: "no", reason: `process ${named}, which the runtime named, is not here` }
    : { answer: "yes", reason: `process ${named}, which the runtime named, is here` };
}
