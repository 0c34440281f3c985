import { findDifferences } from "../../frozen/cases/differences.js";
import { type NormalisedRequest, normaliseRequests } from "../../support/normalise.js";
import type { PluginRun } from "./records.js";

/** A plugin's run with everything that differs between two runs of one scenario named by its role. */
export interface NormalisedRun extends NormalisedRequest {
  readonly plugin: string;
  readonly processAlive: boolean;
}

/** Maps ids, pids, uids, names and paths of one scenario's requests to the roles they play. */
export function normaliseRuns(runs: readonly PluginRun[]): NormalisedRun[] {
  const requests = normaliseRequests(runs.map((run) => run.request));
  return runs.flatMap(({ plugin, processAlive }, index) => {
    const request = requests[index];
    return request === undefined ? [] : [{ plugin, processAlive, ...request }];
  });
}

/** `create pod1`, `create ctr1`, ...: one for each run. */
export function statesOf(runs: readonly PluginRun[]): string[] {
  return normaliseRuns(runs).map(({ state, who }) => `${state} ${who}`);
}

/** One sentence for each difference: the same plugins for the same things, the same bytes, the same order. */
export function compareRuns(expected: readonly Run[], actual: readonly Run[]): string[] {
  return findDifferences({ runs: expected, errors: [] }, { runs: actual, errors: [] });
}

type Run = Pick<PluginRun, "plugin" | "request">;
