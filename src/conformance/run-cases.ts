import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { planBackground } from "../call-time.js";
import { createEnvironment } from "../legacy/environment.js";
import { type InvokeOutcome, invokePlugin } from "../legacy/invoke.js";
import { createFinder } from "../legacy/lookup.js";
import type { Spawner } from "../legacy/spawner.js";
import { endedBy } from "../legacy/spawner.js";
import type { ConformanceCase } from "./cases.js";
import { compareTrees, readFileTree } from "./file-tree.js";
import { findNote, findProblems, limitMs, stdoutBytes } from "./problems.js";

/** What became of a case. */
export interface CaseReport {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly ok: boolean;
  /** What is wrong and what to do about it, with the names of plugin and case. */
  readonly problem: string | null;
  /** What the plugin said without being wrong. */
  readonly note: string | null;
  /** The files that the plugin changed where it was watched; null where it was not. */
  readonly changed: readonly string[] | null;
  readonly durationMs: number;
}

export interface RunCasesOptions {
  /** The executable, absolute. */
  readonly plugin: string;
  readonly cases: readonly ConformanceCase[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Spawner;
  /** Ends the plugin that runs, and then the cases with its reason. */
  readonly interrupted?: AbortSignal;
  /** Directories whose files are compared before and after each case. */
  readonly watched: readonly string[];
  /** Called before each case. */
  readonly prepare: () => void;
  readonly onReport: (report: CaseReport) => void;
}

const killAfterMs = 100;

/** Runs a legacy plugin through the cases, one after the other, with no runtime and no bridge around it. */
export async function runCases(given: RunCasesOptions): Promise<CaseReport[]> {
  const { interrupted } = given;
  const options = interrupted === undefined ? given : { ...given, spawner: endedBy(given.spawner, interrupted) };
  const reports: CaseReport[] = [];
  for (const conformanceCase of options.cases) {
    const report = await runCase(conformanceCase, options);
    interrupted?.throwIfAborted();
    reports.push(report);
    options.onReport(report);
  }
  return reports;
}

async function runCase(conformanceCase: ConformanceCase, options: RunCasesOptions): Promise<CaseReport> {
  const { name, title, source, inputs, expects, sideBySide = false } = conformanceCase;
  const { watched } = options;
  options.prepare();
  const before = watched.map((root) => readFileTree(root));
  const startedAt = performance.now();
  const runs: InvokeOutcome[] = [];
  if (sideBySide) runs.push(...(await Promise.all(inputs.map((input) => runOnce(input, conformanceCase, options)))));
  else for (const input of inputs) runs.push(await runOnce(input, conformanceCase, options));
  const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;

  const problems = numbered(runs, (run) => findProblems(run, expects));
  const notes = numbered(runs, (run) => findNote(run) ?? []);
  const changed = watched.flatMap((root, index) => compareTrees(before[index] ?? new Map(), readFileTree(root)));
  return {
    name,
    title,
    source,
    ok: problems.length === 0,
    problem: problems.length === 0 ? null : `${basename(options.plugin)}, ${name}: ${problems.join("; ")}`,
    note: notes.length === 0 ? null : notes.join("; "),
    changed: watched.length === 0 ? null : changed,
    durationMs,
  };
}

/** What is said of the runs, each thing once, with the number of the first run where there are several. */
function numbered(runs: readonly InvokeOutcome[], say: (run: InvokeOutcome) => string | readonly string[]): string[] {
  const first = new Map<string, number>();
  for (const [index, run] of runs.entries()) {
    for (const text of [say(run)].flat()) if (!first.has(text)) first.set(text, index + 1);
  }
  return [...first].map(([text, number]) => (runs.length === 1 ? text : `run ${number} of ${runs.length} ${text}`));
}

async function runOnce(input: string, { link }: ConformanceCase, options: RunCasesOptions): Promise<InvokeOutcome> {
  const { plugin, environment, spawner } = options;
  const folder = link === undefined ? undefined : mkdtempSync(join(tmpdir(), "nri-v01-conformance-"));
  try {
    if (folder !== undefined && link !== undefined) symlinkSync(plugin, join(folder, link));
    const pluginDirs = [folder ?? dirname(plugin)];
    const run = await invokePlugin(
      {
        plugin: link ?? basename(plugin),
        state: "create",
        request: input,
        time: planBackground(limitMs, "timeoutMs", { killAfterMs }),
        policy: { exitStatus: "ignore", killChildren: false, limits: { stdoutBytes, stderrLines: 200 } },
      },
      {
        spawner,
        find: createFinder({ pluginDirs, path: "", lookup: "plugin-dirs-first", types: "plugin-dirs" }),
        permissions: "trust",
        environmentFor: () => createEnvironment({ base: environment, pluginDirs, pass: "all", set: {} }),
      },
    );
    run.survivors.forEach(endProcess);
    return run;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}
