import { mkdtempSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { excerpt } from "../../base/errors.js";
import { planBackground } from "../../bridge/call-time.js";
import { createEnvironment } from "../../plugin/environment.js";
import { Installs, type InvokeOutcome, invokePlugin, type Outcome } from "../../plugin/invoke.js";
import { createFinder } from "../../plugin/lookup.js";
import type { Starter } from "../../plugin/start.js";
import { quoteText } from "../../v01/gojson/quote.js";
import { parseResult } from "../../v01/result.js";
import { parseResultExtensions } from "../../v01/result-extensions.js";
import type { ConformanceCase } from "./cases.js";
import { compareTrees, makeCgroupFiles, readFileTree } from "./file-tree.js";

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

interface RunCasesOptions {
  /** The executable, absolute. */
  readonly plugin: string;
  readonly cases: readonly ConformanceCase[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Starter;
  /** Ends the cases with its reason, as soon as the plugin that runs has ended. */
  readonly interrupted: AbortSignal;
  /** A folder for what a case needs. */
  readonly scratch: string;
  /** Directories whose files are compared before and after each case. */
  readonly watched: readonly string[];
  /** Where the cgroups of each case are made, anew so that it shows what it changed; they are watched too. */
  readonly cgroups: string | undefined;
  readonly onReport: (report: CaseReport) => void;
}

/** How long a run may take, in milliseconds: what an NRI v2 runtime allows for a whole chain. */
const limitMs = 2_000;
const killAfterMs = 100;
/** The longest result on stdout. */
const stdoutBytes = 4 * 1024 * 1024;

/** Runs a legacy plugin through the cases, one after the other, with no runtime and no bridge around it. */
export async function runCases(options: RunCasesOptions): Promise<CaseReport[]> {
  const reports: CaseReport[] = [];
  for (const conformanceCase of options.cases) {
    const report = await runCase(conformanceCase, options);
    options.interrupted.throwIfAborted();
    reports.push(report);
    options.onReport(report);
  }
  return reports;
}

async function runCase(conformanceCase: ConformanceCase, options: RunCasesOptions): Promise<CaseReport> {
  const { name, title, source, inputs, expects, sideBySide = false } = conformanceCase;
  const { cgroups } = options;
  const watched = [...options.watched, ...(cgroups === undefined ? [] : [cgroups])];
  if (cgroups !== undefined) makeCgroupFiles(cgroups, conformanceCase.cgroupsPath);
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
  const { environment, spawner, scratch } = options;
  let { plugin } = options;
  if (link !== undefined) {
    const linked = join(mkdtempSync(join(scratch, "link-")), link);
    symlinkSync(plugin, linked);
    plugin = linked;
  }
  const pluginDirs = [dirname(plugin)];
  const run = await invokePlugin(
    {
      plugin: basename(plugin),
      state: "create",
      request: input,
      time: planBackground(limitMs, "timeoutMs", { killAfterMs }),
      policy: { exitStatus: "ignore", killChildren: false, limits: { stdoutBytes, stderrLines: 200 } },
    },
    {
      spawner,
      find: createFinder({ pluginDirs, path: "", lookup: "plugin-dirs-first", types: "plugin-dirs" }),
      // Nothing is installed meanwhile.
      installs: new Installs(0),
      permissions: "trust",
      environmentFor: () => createEnvironment({ base: environment, pluginDirs, pass: "all", set: {} }),
    },
  );
  if (run.leftGroup !== null) endGroup(run.leftGroup);
  return run;
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}

/** How much of a plugin's words is told again. */
const excerptLength = 80;
const noteLength = 240;

/** What is wrong with a run, each with what to do about it. */
function findProblems(run: InvokeOutcome, expects: ConformanceCase["expects"]): string[] {
  const stopped = notEnded[run.outcome]?.(run);
  if (stopped !== undefined) return [stopped];
  const problems: string[] = [];
  if (run.signal !== null) {
    problems.push(`${run.signal} ended it${lastWords(run)}: end by exit, and put what went wrong into "error"`);
  } else if (expects === "result") problems.push(...resultProblems(run));
  if (run.leftGroup !== null) {
    problems.push("left a process running: wait for what it starts, or the bridge's killChildren: true ends it");
  }
  return problems;
}

/** What a run reported itself: no fault of the plugin's, which may need a real container. */
function findNote(run: InvokeOutcome): string | undefined {
  return run.outcome === "reported"
    ? `reports the error ${quoteText(excerpt(run.error ?? "", noteLength))}`
    : undefined;
}

/** The runs that did not come to an end of their own, or never began. */
const notEnded: Partial<Record<Outcome, (run: InvokeOutcome) => string>> = {
  "not-found": (run) => cannotBeRun(run),
  "not-executable": (run) => cannotBeRun(run),
  refused: (run) => cannotBeRun(run),
  skipped: (run) => cannotBeRun(run),
  "timed-out": (run) =>
    `did not end within ${limitMs} ms${lastWords(run)}: a runtime gives all plugins of a call together so long; be quicker, or raise its plugin_request_timeout`,
  "output-too-large": () =>
    `printed more than ${stdoutBytes} bytes on stdout: print the result alone, or raise the bridge's limits.stdoutBytes`,
};

function cannotBeRun({ error, hint, path }: InvokeOutcome): string {
  return `cannot be run: ${error ?? path}: ${hint ?? "let it be an executable file: chmod 0755"}`;
}

function resultProblems(run: InvokeOutcome): string[] {
  const parsed = parseResult(run.stdoutBytes);
  if (!parsed.ok) {
    if (run.stdout.trim() === "") {
      return [
        `printed nothing on stdout${lastWords(run)}: print {"plugin":"<name>","version":"0.1","error":""} also when there is nothing to do`,
      ];
    }
    return [
      `stdout is no v0.1 result, ${parsed.reason}: ${quoteText(excerpt(run.stdout, excerptLength))}${lastWords(run)}: print the one JSON object and nothing else; logs go to stderr`,
    ];
  }
  const problems = parseResultExtensions(run.stdoutBytes).problems.map(
    (problem) => `${problem}: the bridge ignores it; remove the key or correct its value`,
  );
  if (run.exitCode !== 0 && parsed.result.error === "") {
    problems.push(
      `exit status ${run.exitCode} with a result that has no error: containerd 1.6 ignored the status, exitStatus: strict does not; exit 0, or say in "error" what went wrong`,
    );
  }
  return problems;
}

/** The last line on stderr, where a program that fails says why. */
function lastWords({ stderr }: InvokeOutcome): string {
  const line = stderr.findLast((text) => text.trim() !== "");
  return line === undefined ? "" : ` (its stderr ends with ${quoteText(excerpt(line.trim(), excerptLength))})`;
}

/** A case as a row for people, with what is wrong below it. */
export function formatRow(report: CaseReport, nameWidth: number): string {
  const { ok, name, title, problem, note, changed, durationMs } = report;
  const lines = [`${ok ? "ok  " : "FAIL"}  ${name.padEnd(nameWidth)}  ${title}  (${durationMs} ms)`];
  if (problem !== null) lines.push(`      ${problem}`);
  if (note !== null) lines.push(`      note: ${note}`);
  for (const file of changed ?? []) lines.push(`      wrote ${file}`);
  return `${lines.join("\n")}\n`;
}

/** The last lines: how many are well, and what could not be seen. */
export function formatSummary(reports: readonly CaseReport[]): string {
  const well = reports.filter(({ ok }) => ok).length;
  const lines = [`\n${well} of ${reports.length} cases are well.`];
  if (reports.some(({ note }) => note !== null)) {
    lines.push(
      "A reported error is a good answer, and a create that is answered so does not start. Where the plugin only misses",
      "its settings or a live process, give them: --conf, --pid, --cgroup-conf.",
    );
  }
  if (reports.every(({ changed }) => changed === null)) {
    lines.push(
      "What the plugin wrote: not observed. --watch compares a directory, --cgroup-conf gives it cgroups to write to.",
    );
  }
  return `${lines.join("\n")}\n`;
}
