import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PluginRun } from "./records.js";

const cases = fileURLToPath(new URL("../../../fixtures/cases/", import.meta.url));

/** The plugin runs that were recorded on containerd 1.6.20 for a case, in their order. */
export async function readRecordedRuns(name: string): Promise<PluginRun[]> {
  const directory = join(cases, name, "expected/runs");
  const runs: PluginRun[] = [];
  for (const file of (await readdir(directory)).sort()) {
    const plugin = /^\d+-(.+)-(?:create|update|delete)-(?:sandbox|container)\.request\.json$/.exec(file)?.[1];
    if (plugin === undefined) continue;
    const stdout = await readFile(join(directory, file.replace("request.json", "stdout")), "utf8");
    runs.push({ plugin, request: await readFile(join(directory, file)), stdout, processAlive: false });
  }
  return runs;
}
