import { mkdtempSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ParsedAdjustment, Phase } from "../../adjust/from-v01.js";
import { excerpt } from "../../base/errors.js";
import { readChange } from "../../bridge/accept.js";
import { planBackground } from "../../bridge/call-time.js";
import { mergeConfig } from "../../config/merge.js";
import { nriVersionOf } from "../../nri/versions.js";
import { createEnvironment } from "../../plugin/environment.js";
import { Installs, type InvokeOutcome, invokePlugin, type Outcome } from "../../plugin/invoke.js";
import { createFinder } from "../../plugin/lookup.js";
import type { Starter } from "../../plugin/start.js";
import { quoteText } from "../../v01/gojson/quote.js";
import { parseResult } from "../../v01/result.js";
import type { Request } from "../../v01/types.js";
import type { ConformanceCase } from "./cases.js";
import { changedFiles, makeCgroupFiles } from "./cgroup-files.js";

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
  /** The adjust keys of what its results ask for. */
  readonly asked: readonly string[];
  /** The files of its scratch cgroup that the plugin changed; null where it had none. */
  readonly changed: readonly string[] | null;
  readonly durationMs: number;
}

interface RunCaseOptions {
  /** The executable, absolute. */
  readonly plugin: string;
  /** In which a container's create is judged. */
  readonly phase: "start" | "create";
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Starter;
  /** A folder for what a case needs. */
  readonly scratch: string;
  /** Where the cgroups of each case are made, anew so that it shows what it changed. */
  readonly cgroups: string | undefined;
}

/** How long a run may take, in milliseconds: what an NRI v2 runtime allows for a whole chain. */
const limitMs = 2_000;
const killAfterMs = 100;
/** The longest result on stdout. */
const stdoutBytes = 4 * 1024 * 1024;

/** Results are judged as under the newest runtime: what an older one lacks, its own node tells. */
const runtime = {
  name: "containerd",
  version: "v2.4.0",
  nri: nriVersionOf({ runtimeName: "containerd", runtimeVersion: "v2.4.0", requestTimeout: 1n, NRIVersion: "" }),
  requestTimeoutMs: limitMs,
} as const;

/** Runs a legacy plugin through a case, with no runtime around it, and judges its results as the bridge does. */
export async function runCase(tried: ConformanceCase, options: RunCaseOptions): Promise<CaseReport> {
  const { name, title, source, runs: inputs, sideBySide = false } = tried;
  const { cgroups, plugin } = options;
  const [{ request } = {}] = inputs;
  const files = cgroups === undefined ? undefined : makeCgroupFiles(cgroups, request?.spec.cgroupsPath ?? "");
  const startedAt = performance.now();
  const runOne = async ({ request, input }: (typeof inputs)[number]) => {
    const run = await runOnce(input, request.state, tried, options);
    return { run, change: changeOf(run, request, options.phase), state: request.state };
  };
  const runs: Judged[] = [];
  if (sideBySide) runs.push(...(await Promise.all(inputs.map(runOne))));
  else for (const input of inputs) runs.push(await runOne(input));
  const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
  const problems = numbered(runs, (run) => findProblems(run, tried.expects));
  const notes = numbered(runs, (run) => findNotes(run, tried.expects));
  const changed = files && changedFiles(cgroups ?? "", files).map(({ name, was, is }) => `${name}: ${was} -> ${is}`);
  return {
    name,
    title,
    source,
    ok: problems.length === 0,
    problem: problems.length === 0 ? null : `${basename(plugin)}, ${name}: ${problems.join("; ")}`,
    note: notes.length === 0 ? null : notes.join("; "),
    asked: [...new Set(runs.flatMap(({ change }) => (change?.ok === true ? change.change.fields : [])))],
    changed: changed ?? null,
    durationMs,
  };
}

/** A run with what the bridge makes of its result. */
interface Judged {
  readonly run: InvokeOutcome;
  readonly state: string;
  readonly change: ParsedAdjustment | undefined;
}

/** What the bridge would take from a run's result, by its usual settings. */
function changeOf(run: InvokeOutcome, request: Request, created: "start" | "create"): ParsedAdjustment | undefined {
  const kind = request.id === request.sandboxID ? "sandbox" : "container";
  const phases: Readonly<Record<string, Phase>> = {
    create: kind === "sandbox" ? "start" : created,
    update: "update",
    delete: "delete",
  };
  const phase = phases[request.state];
  if (phase === undefined) return undefined;
  return readChange({ request, phase, target: { kind, pod: "" } }, run, {
    ...mergeConfig().results,
    ...{ runtime, cgroupVersion: "unknown", stage: undefined, bytesTaken: 0 },
  });
}

/** What is said of the runs, each thing once, with the number of the first run where there are several. */
function numbered(runs: readonly Judged[], say: (run: Judged) => readonly string[]): string[] {
  const first = new Map<string, number>();
  for (const [index, run] of runs.entries()) {
    for (const text of say(run)) if (!first.has(text)) first.set(text, index + 1);
  }
  return [...first].map(([text, number]) => (runs.length === 1 ? text : `run ${number} of ${runs.length} ${text}`));
}

async function runOnce(
  request: string,
  state: string,
  { link }: ConformanceCase,
  { environment, spawner, scratch, ...options }: RunCaseOptions,
): Promise<InvokeOutcome> {
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
      state,
      request,
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
  run.survivors.forEach(endProcess);
  return run;
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}

/** How much of a plugin's words is told again. */
const excerptLength = 80;
const errorLength = 240;

/** What is wrong with a run, each with what to do about it. */
function findProblems({ run, state, change }: Judged, expects: ConformanceCase["expects"]): string[] {
  const stopped = notEnded[run.outcome]?.(run);
  if (stopped !== undefined) return [stopped];
  const problems: string[] = [];
  if (run.signal !== null) {
    problems.push(`${run.signal} ended it${lastWords(run)}: end by exit, and put what went wrong into "error"`);
  } else if (expects !== "end") problems.push(...resultProblems(run));
  if (change?.ok === false) problems.push(change.error);
  if (run.outcome === "reported" && failsTheCall(state, expects)) {
    problems.push(
      `fails the ${state} with the error ${quoteText(excerpt(run.error ?? "", errorLength))}: where it only misses its settings, a live process or its cgroup, give them by --conf, --pid and --cgroup-conf`,
    );
  }
  if (run.survivors.length > 0) {
    const { length } = run.survivors;
    problems.push(
      `left ${length === 1 ? "a process" : `${length} processes`} running: wait for what it starts, or the bridge's killChildren: true ends it`,
    );
  }
  return problems;
}

/** Whether an error that a plugin reports is the call's answer, by the usual policy: then no such container starts. */
function failsTheCall(state: string, expects: ConformanceCase["expects"]): boolean {
  return expects === "result" && state !== "delete";
}

/** What a run said that harms nothing: an error where no container waits for it, and keys that the bridge passes over. */
function findNotes({ run, state, change }: Judged, expects: ConformanceCase["expects"]): string[] {
  const passed = change?.ok === true ? change.change.notes.map(({ text }) => text) : [];
  if (run.outcome !== "reported" || failsTheCall(state, expects)) return passed;
  return [`reports the error ${quoteText(excerpt(run.error ?? "", errorLength))}`, ...passed];
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
  if (parsed.ok) {
    if (run.exitCode === 0 || parsed.result.error !== "") return [];
    return [
      `exit status ${run.exitCode} with a result that has no error: containerd 1.6 ignored the status, exitStatus: strict does not; exit 0, or say in "error" what went wrong`,
    ];
  }
  if (run.stdout.trim() === "") {
    return [
      `printed nothing on stdout${lastWords(run)}: print {"plugin":"<name>","version":"0.1","error":""} also when there is nothing to do`,
    ];
  }
  return [
    `stdout is no v0.1 result, ${parsed.reason}: ${quoteText(excerpt(run.stdout, excerptLength))}${lastWords(run)}: print the one JSON object and nothing else; logs go to stderr`,
  ];
}

/** The last line on stderr, where a program that fails says why. */
function lastWords({ stderr }: InvokeOutcome): string {
  const line = stderr.findLast((text) => text.trim() !== "");
  return line === undefined ? "" : ` (its stderr ends with ${quoteText(excerpt(line.trim(), excerptLength))})`;
}

/** A case as a row for people, with what is wrong below it. */
export function formatRow(report: CaseReport, nameWidth: number): string {
  const { ok, name, title, problem, note, asked, changed, durationMs } = report;
  const lines = [`${ok ? "ok  " : "FAIL"}  ${name.padEnd(nameWidth)}  ${title}  (${durationMs} ms)`];
  if (problem !== null) lines.push(`      ${problem}`);
  if (note !== null) lines.push(`      note: ${note}`);
  if (asked.length > 0) lines.push(`      asks for ${asked.join(", ")}`);
  for (const file of changed ?? []) lines.push(`      wrote ${file}`);
  return `${lines.join("\n")}\n`;
}
