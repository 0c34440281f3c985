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
  return requests.flatMap((normalised, index) => {
    const run = runs[index];
    return run === undefined ? [] : [{ plugin: run.plugin, processAlive: run.processAlive, ...normalised }];
  });
}
