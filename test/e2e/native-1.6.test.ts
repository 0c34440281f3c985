import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCases } from "../support/recorded-cases.js";
import { compareRuns, formatTable } from "./testbed/compare.js";
import type { Daemon } from "./testbed/daemon.js";
import { findMissingNeeds } from "./testbed/machine.js";
import { prepareTestbed } from "./testbed/packages.js";
import { playScenario } from "./testbed/scenario.js";
import { scenarios } from "./testbed/scenarios.js";
import { startNative } from "./testbed/target.js";

const prepared = await prepareTestbed();
const missing = await findMissingNeeds();

describe.runIf(prepared.ok)("containerd 1.6 runs v0.1 plugins as it did when the fixtures were recorded", () => {
  let daemon: Daemon;
  const rows: (string | number)[][] = [];

  beforeAll(async () => {
    if (prepared.ok) daemon = await startNative(prepared.testbed);
  });

  afterAll(async () => {
    const head = ["case", "runs", "differences", "ms"];
    console.log(`containerd ${daemon.runtime.version}, against the fixtures\n${formatTable(head, rows)}`);
    await daemon.stop();
  });

  for (const scenario of scenarios.filter(({ recorded }) => recorded)) {
    const lacking = [scenario.needs, scenario.recordedNeeds].some((need) => need && missing.has(need));
    test.skipIf(lacking)(`${scenario.name}: ${scenario.title}`, async () => {
      const expected = readCases().find(({ name }) => name === scenario.name);
      const { runs, durationMs } = await playScenario(scenario, daemon, "/etc/nri/conf.json");
      const differences = compareRuns(expected?.runs ?? [], runs);
      rows.push([scenario.name, runs.length, differences.length, durationMs]);
      expect(differences).toEqual([]);
      expect(runs.filter(({ stdout }) => stdout === "")).toEqual([]);
    });
  }
});
