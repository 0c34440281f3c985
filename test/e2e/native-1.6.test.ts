import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareRuns, formatTable } from "./testbed/compare.js";
import { Daemon } from "./testbed/daemon.js";
import { readRecordedRuns } from "./testbed/fixtures.js";
import { normaliseRuns } from "./testbed/normalise.js";
import { prepareTestbed } from "./testbed/packages.js";
import { hasCompiler, installPlugins } from "./testbed/records.js";
import { playScenario } from "./testbed/scenario.js";
import { scenarios } from "./testbed/scenarios.js";

const prepared = await prepareTestbed();
const compiler = await hasCompiler();
/** Hugepage limits reach the OCI spec only where there is a controller for them. */
const hugetlb = existsSync("/sys/fs/cgroup/hugetlb") || readFileSync("/proc/self/cgroup", "utf8").startsWith("0::");

describe.runIf(prepared.ok)("containerd 1.6 runs v0.1 plugins as it did when the fixtures were recorded", () => {
  let daemon: Daemon;
  const rows: (string | number)[][] = [];

  beforeAll(async () => {
    if (!prepared.ok) return;
    daemon = await Daemon.start(prepared.testbed, "native", { install: installPlugins });
  });

  afterAll(async () => {
    const head = ["case", "compared", "equal", "differing", "ms"];
    console.log(`containerd ${daemon.runtime.version}, against the fixtures\n${formatTable(head, rows)}`);
    await daemon.stop();
  });

  for (const scenario of scenarios.filter(({ recorded }) => recorded)) {
    const runnable = (compiler || !scenario.needsCompiler) && (hugetlb || scenario.name !== "resources-hugepages");
    test.runIf(runnable)(`${scenario.name}: ${scenario.title}`, async () => {
      const expected = normaliseRuns(await readRecordedRuns(scenario.name));
      const { runs, durationMs } = await playScenario(scenario, daemon, "/etc/nri/conf.json");
      const { compared, equal, differences } = compareRuns(expected, normaliseRuns(runs));
      rows.push([scenario.name, compared, equal, differences.length, durationMs]);
      expect(differences).toEqual([]);
      expect(runs.filter(({ stdout }) => stdout === "")).toEqual([]);
    });
  }
});
