import { basename, dirname } from "node:path";
import type { ParsedAdjustment, Phase } from "../../adjust/from-v01.js";
import { attempt, excerpt } from "../../base/errors.js";
import { readChange } from "../../bridge/accept.js";
import { planBackground } from "../../bridge/call-time.js";
import { mergeConfig } from "../../config/merge.js";
import { nriVersionOf } from "../../nri/versions.js";
import { createEnvironment } from "../../plugin/environment.js";
import { Installs, type InvokeOutcome, invokePlugin, type Outcome } from "../../plugin/invoke.js";
import { createFinder } from "../../plugin/lookup.js";
import type { Starter } from "../../plugin/start.js";
import { quoteText } from "../../v01/gojson/quote.js";
import type { Request } from "../../v01/types.js";
import { nriDefaults } from "../doctor/collect/runtime-config.js";
import type { ConformanceCase } from "./cases.js";
import { changedFiles, makeCgroupFiles } from "./cgroup-files.js";

export type CaseReport = Awaited<ReturnType<typeof runCase>>;

interface RunCaseOptions {
  readonly plugin: string;
  /** The bridge's phase by whose rules the result of a container's create is judged. */
  readonly phase: "start" | "create";
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Starter;
  readonly timeoutMs: number;
  /**
   * The directory for scratch cgroup files, which are made anew for each case to show what the plugin changes; undefined for none.
   */
  readonly cgroups: string | undefined;
}

/** The bridge's default configuration. */
const usual = mergeConfig();

/** Results are judged as under the newest runtime. What an older runtime lacks, the bridge reports on that runtime's node. */
const runtime = {
  name: "containerd",
  version: "v2.4.0",
  nri: nriVersionOf({ runtimeName: "containerd", runtimeVersion: "v2.4.0", requestTimeout: 1n, NRIVersion: "" }),
  requestTimeoutMs: nriDefaults.requestTimeoutMs,
} as const;

/** Runs a v0.1 plugin through a case without a runtime, and judges its results as the bridge does. */
export async function runCase(tried: ConformanceCase, options: RunCaseOptions) {
  const { name, title, runs: inputs, sideBySide = false } = tried;
  const { cgroups, plugin } = options;
  const [{ request } = {}] = inputs;
  const files = cgroups === undefined ? undefined : makeCgroupFiles(cgroups, request?.spec.cgroupsPath ?? "");
  const startedAt = performance.now();
  const runOne = async ({ request, input }: (typeof inputs)[number]) => {
    const run = await runOnce(input, request.state, options);
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
    ok: problems.length === 0,
    /** The faults of the plugin with their remedies, after the names of plugin and case; null when there are none. */
    problem: problems.length === 0 ? null : `${basename(plugin)}, ${name}: ${problems.join("; ")}`,
    note: notes.length === 0 ? null : notes.join("; "),
    /** The keys of `adjust` that the plugin's results ask for. */
    asked: [...new Set(runs.flatMap(({ change }) => (change?.ok === true ? change.change.fields : [])))],
    /** The scratch cgroup files that the plugin changed; null when the case had none. */
    changed: changed ?? null,
    durationMs,
  };
}

interface Judged {
  readonly run: InvokeOutcome;
  readonly state: string;
  readonly change: ParsedAdjustment | undefined;
}

/**
 * The changes that the bridge, with its default settings, would take from a run's result. Undefined for a state other than create,
 * update and delete.
 */
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
    ...usual.results,
    lostWrites: usual.lostWrites,
    ...{ runtime, cgroupVersion: "unknown", stage: undefined, bytesTaken: 0 },
  });
}

/** The texts that `say` gives for the runs, each once. When there are several runs, a text names the first run that it is about. */
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
  { environment, spawner, plugin, timeoutMs }: RunCaseOptions,
): Promise<InvokeOutcome> {
  const pluginDirs = [dirname(plugin)];
  const run = await invokePlugin(
    {
      plugin: basename(plugin),
      state,
      request,
      time: planBackground(timeoutMs, "timeoutMs", usual),
      policy: { exitStatus: "strict", killChildren: false, limits: { ...usual.limits, stderrLines: 200 } },
    },
    {
      spawner,
      find: createFinder({ pluginDirs, path: "", lookup: "plugin-dirs-first", types: "plugin-dirs" }),
      // No installer replaces the plugin during a run, so a missing plugin fails at once.
      installs: new Installs(0),
      permissions: "trust",
      environmentFor: () => createEnvironment({ base: environment, pluginDirs, pass: "all", set: {} }),
    },
  );
  const { leftGroup } = run;
  // The kill fails when the process group has ended by itself in the meantime.
  if (leftGroup !== null) attempt(() => process.kill(-leftGroup, "SIGKILL"));
  return run;
}

/**
 * The outcomes that a case allows besides `ok`. A plugin may refuse a request that no runtime sends, and cannot answer an input
 * that is no request.
 */
const borne = {
  result: [],
  answer: ["reported"],
  end: ["reported", "bad-output"],
} as const satisfies Record<ConformanceCase["expects"], readonly Outcome[]>;

/** The remedies by outcome. For any other outcome, the bridge's own hint is the remedy. */
const remedies: Partial<Record<Outcome, string>> = {
  reported: "if the plugin needs its conf, a live process or its cgroup, give --conf, --pid or --cgroup-conf",
  "bad-output": 'print one JSON object, {"plugin":"<name>","version":"0.1","error":""} at least; logs go to stderr',
  "timed-out":
    "a runtime gives this time to all plugins of a call together: be quicker, or raise its plugin_request_timeout",
  killed: 'end by exit, and put what went wrong into "error"',
};

/**
 * Whether the run fails in a way that the case does not allow. By the default policy such a failure fails the runtime's call, and
 * no such container starts. An error that the plugin reports for a delete is no problem, as it holds up nothing.
 */
function isProblem({ run, state }: Judged, expects: ConformanceCase["expects"]): boolean {
  const { outcome } = run;
  if (outcome === "ok" || (outcome === "reported" && state === "delete")) return false;
  return !borne[expects].some((bearable) => bearable === outcome);
}

/** The faults of a run, each with its remedy. */
function findProblems(judged: Judged, expects: ConformanceCase["expects"]): string[] {
  const { run, state, change } = judged;
  const problems: string[] = [];
  if (isProblem(judged, expects)) {
    const remedy = remedies[run.outcome] ?? run.hint ?? undefined;
    const error = `the ${state} fails: ${howItEnded(run)}${lastWords(run)}`;
    problems.push(remedy === undefined ? error : `${error}: ${remedy}`);
  }
  if (change?.ok === false) problems.push(change.error);
  if (run.leftGroup !== null) {
    problems.push("left processes running: let it wait for them, or set killChildren: true, and the bridge ends them");
  }
  return problems;
}

/** Harmless findings: an error that no container's start depends on, and keys of the result that the bridge ignores. */
function findNotes(judged: Judged, expects: ConformanceCase["expects"]): string[] {
  const { run, change } = judged;
  const passed = change?.ok === true ? change.change.notes.map(({ text }) => text) : [];
  const reports = run.outcome === "reported" && !isProblem(judged, expects);
  return reports ? [`reports the error ${quoteText(excerpt(run.error ?? ""))}`, ...passed] : passed;
}

/**
 * How a run ended. The exit status or signal comes first when the plugin printed nothing or no JSON, as that is the cause. Else the
 * text is the bridge's error for the run.
 */
function howItEnded({ outcome, exitCode, signal, stdout, error }: InvokeOutcome): string {
  const text = excerpt(error ?? "", 400);
  const status = exitCode === null ? `ended by ${signal}` : `ended with status ${exitCode}`;
  if ((outcome !== "bad-output" && outcome !== "killed") || exitCode === 0) return text;
  return stdout === "" ? `${status} and printed nothing` : `${status}: ${text}`;
}

/** The plugin's last line on stderr, in which a failing program usually says why. */
function lastWords({ stderr }: InvokeOutcome): string {
  const line = stderr.findLast((text) => text.trim() !== "");
  return line === undefined ? "" : ` (its stderr ends with ${quoteText(excerpt(line.trim(), 80))})`;
}

/** A case's report as text for people: one row, with the problems and notes below it. */
export function formatRow(report: CaseReport, nameWidth: number): string {
  const { ok, name, title, problem, note, asked, changed, durationMs } = report;
  const lines = [`${ok ? "ok  " : "FAIL"}  ${name.padEnd(nameWidth)}  ${title}  (${durationMs} ms)`];
  if (problem !== null) lines.push(`      ${problem}`);
  if (note !== null) lines.push(`      note: ${note}`);
  if (asked.length > 0) lines.push(`      asks for ${asked.join(", ")}`);
  for (const file of changed ?? []) lines.push(`      wrote ${file}`);
  return `${lines.join("\n")}\n`;
}
