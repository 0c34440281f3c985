import { applyOwn } from "./apply-own.js";
import type { CapturedChanges } from "./cgroup/diff.js";
import type { Cgroups } from "./cgroups.js";
import type { ChainCall, RunChain } from "./chain-call.js";
import { createPluginSettings, type PluginSettings } from "./config/merge.js";
import type { Config } from "./config/schema.js";
import { monotonicClock } from "./deadline.js";
import type { Breakers } from "./legacy/breaker.js";
import { planBudget } from "./legacy/budget.js";
import { type PluginPolicy, runChain } from "./legacy/chain.js";
import { createEnvironment, searchPath } from "./legacy/environment.js";
import { type InvokeContext, type InvokeOutcome, wasBegun } from "./legacy/invoke.js";
import { createFinder } from "./legacy/lookup.js";
import type { Observers } from "./legacy/observers.js";
import { createPermissionCheck } from "./legacy/permissions.js";
import type { Spawner } from "./legacy/spawner.js";
import { chainSummary } from "./log/chain-summary.js";
import type { Log } from "./logger.js";
import type { RuntimeInfo } from "./nri/handlers.js";
import { parseVersion } from "./nri/versions.js";
import { type CgroupStage, openStage } from "./plugin-stage.js";
import { createConfScrubber } from "./secrets/conf-secrets.js";
import { traceFields } from "./trace.js";
import { answerBytes, type Change, mergeChanges, parseAdjustment } from "./translate/from-v01.js";
import { parseResultExtensions } from "./v01/result-extensions.js";

/** One plugin run with what it was for: what the log, `replay --json` and the timeline are told. */
export interface RunReport {
  readonly call: ChainCall;
  readonly run: InvokeOutcome;
  /** The adjust keys of what the plugin's result asked to change. */
  readonly adjusted: readonly string[];
}

export interface ChainRunnerOptions {
  readonly config: Config;
  readonly runtime: RuntimeInfo;
  readonly cgroups: Cgroups;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Spawner;
  readonly breakers: Breakers;
  readonly observers: Observers;
  readonly log: Log;
  readonly onRun: ((report: RunReport) => void) | undefined;
  readonly afterChain: () => void;
}

/** Runs chains as the configuration says: budget, policy, environment and breaker of each plugin, and the log. */
export function createChainRunner(options: ChainRunnerOptions): RunChain {
  const { config, runtime, cgroups, environment, spawner, breakers, observers, log, onRun } = options;
  const { pluginDirs, lookup, types, permissions } = config;
  const settings = createPluginSettings(config);
  const environmentFor = remember((plugin) =>
    createEnvironment({ base: environment, pluginDirs, ...settings(plugin).environment }),
  );
  const find = createFinder({ pluginDirs, path: searchPath(environment.PATH, pluginDirs), lookup, types });
  const told = new Set<string>();
  const tellOnce = (fields: object, sentence: string) => {
    if (!told.has(sentence)) log.warn(fields, sentence);
    told.add(sentence);
  };

  return async (call) => {
    const { pod, container } = call.subject;
    const about = { event: call.event, state: call.request.state, id: call.request.id, pod, container };
    const fields = { ...about, ...traceFields(call.trace) };
    const startedAt = monotonicClock();
    const scrub = createConfScrubber(call.list);
    const changes: Change[] = [];
    const observed: Promise<void>[] = [];
    const merged = () => mergeChanges(changes, { phase: call.phase, containerId: call.request.id });
    let stage: CgroupStage | undefined;
    const context: InvokeContext = {
      spawner,
      permissions,
      permissionFaultOf: createPermissionCheck(),
      find,
      environmentFor,
      onStderrLine: (plugin, line) => log.info({ ...fields, plugin, line: scrub(plugin, line) }, "plugin's stderr"),
    };
    const ended = (run: InvokeOutcome) => {
      const adjusted = changes.findLast(({ plugin }) => plugin === run.plugin)?.fields ?? [];
      later(() => {
        const error = run.error === null ? null : scrub(run.plugin, run.error);
        logRun(log, fields, { ...run, error }, adjusted);
      });
      onRun?.({ call, run, adjusted });
    };
    const leftMs = call.deadline.remainingMs();
    const outcome = await runChain({
      config: call.list,
      request: call.request,
      budget: planBudget(call.own ? leftMs : Math.min(leftMs, runtime.requestTimeoutMs), config),
      policyFor: (plugin) => policyOf(settings(plugin), call),
      context,
      refusal: (plugin) => breakers.refusal(plugin, settings(plugin).breaker),
      onRunEnd: (plugin, run) => {
        if (run === undefined || !wasBegun(run)) breakers.release(plugin);
        else if (breakers.record(plugin, run.error !== null, settings(plugin).breaker)) {
          log.warn({ plugin, breaker: breakers.stateOf(plugin) }, "a plugin's breaker changed");
        }
      },
      earlierResults: call.earlierResults,
      stageFor: async (plugin) => {
        const opened = await openStage(call, settings(plugin), merged(), cgroups, tellOnce);
        stage = opened !== undefined && "collect" in opened ? opened : undefined;
        return opened;
      },
      judge: (run) => {
        if (call.changesNothing) return null;
        const captured = call.request.state === "delete" ? undefined : stage?.collect();
        const asked = askedChanges(call, run, captured);
        if (asked === undefined) return null;
        if (asked.error !== undefined) return asked.error;
        const { rename, annotate } = settings(run.plugin).results;
        const parsed = parseAdjustment(
          asked.result,
          asked.extensions,
          {
            plugin: run.plugin,
            phase: call.phase,
            nri: runtime.nri,
            runtime: { name: runtime.name, version: parseVersion(runtime.version) },
            cgroupVersion: cgroups.version,
            containerId: call.request.id,
            ...(stage === undefined ? {} : { shownCgroupsPath: stage.request.spec.cgroupsPath }),
            rename,
            annotate,
            bytesLeft: answerBytes - changes.reduce((sum, { bytes }) => sum + bytes, 0),
          },
          captured?.resources,
        );
        if (!parsed.ok) return parsed.error;
        const warnings = (captured?.warnings ?? []).map(({ file, text }) => ({
          level: "warn" as const,
          text: `${file}: ${text}`,
        }));
        for (const { level, text } of [...parsed.change.notes, ...warnings]) {
          log[level]({ ...fields, plugin: run.plugin, note: text }, "a result asks for what has no effect");
        }
        changes.push(parsed.change);
        return null;
      },
      observe: (start) => {
        const owed = call.request.state === "delete";
        const over = observers.run(call.request.id, async () => ended(await start()), { owed });
        if (over === null) log.error(fields, "an observer's run is dropped: too many wait already");
        // A delete that is dropped does not end: it is the next bridge's.
        if (over !== null || owed) observed.push(over ?? new Promise(() => {}));
      },
    });
    for (const run of outcome.runs) ended(run);
    let error = outcome.error === null ? undefined : shorten(outcome.error.text);
    const counts = (plugin: string) => policyOf(settings(plugin), call).onFailure === "fail";
    const applied = applyOwn(error === undefined ? changes : [], call, cgroups, counts);
    const { change, leftOut } = applied;
    error ??= applied.error;
    if (leftOut !== undefined) log.warn({ ...fields, ...leftOut }, "changes that cannot be applied are left out");
    const said = error === undefined || outcome.error === null ? error : scrub(outcome.error.plugin, error);
    if (outcome.runs.length > 0) {
      const durationMs = monotonicClock() - startedAt;
      const { runs } = outcome;
      later(() => {
        const summary = chainSummary({ ...about, runs, error: said, durationMs });
        log.info({ ...summary, ...traceFields(call.trace) }, "chain ran");
      });
    }
    for (const conflict of change.conflicts) {
      log.warn({ ...fields, ...conflict }, "two plugins set one field of the container: the last one wins");
    }
    later(options.afterChain);
    const end = { error, said, results: outcome.results, change };
    return observed.length === 0 ? end : { ...end, observed: Promise.all(observed) };
  };
}

/** When the answer is on its way: the runtime does not wait for what is said of a chain. */
function later(work: () => void): void {
  setImmediate(work);
}

/** What a run's result may ask to change; undefined when nothing is to be read from it. */
function askedChanges(call: ChainCall, { result, stdoutBytes }: InvokeOutcome, captured: CapturedChanges | undefined) {
  if (result === undefined) return undefined;
  const [fault] = captured?.errors ?? [];
  if (fault !== undefined) {
    const value = fault.value === undefined ? "" : ` ${JSON.stringify(fault.value)}`;
    return { error: `what it wrote to ${fault.file} cannot be used:${value} ${fault.text}` };
  }
  // NRI v2 has no adjustments of sandboxes, and a plugin may print the same for every request: only its writes count.
  if (call.subject.kind === "sandbox") {
    return captured === undefined
      ? undefined
      : { error: undefined, result: { metadata: {} }, extensions: { problems: [] } };
  }
  return { error: undefined, result, extensions: parseResultExtensions(stdoutBytes) };
}

function policyOf(settings: PluginSettings, { request: { state } }: ChainCall): PluginPolicy {
  const { onFailure, limits, timeoutMs, exitStatus, killChildren, async, startAhead } = settings;
  return {
    onFailure: state === "delete" ? onFailure.delete : state === "update" ? onFailure.update : onFailure.create,
    timeoutMs,
    exitStatus,
    killChildren,
    async,
    startAhead,
    limits: { stdoutBytes: limits.stdoutBytes, stderrLines: limits.stderrLinesPerRun },
  };
}

function logRun(log: Log, fields: object, run: InvokeOutcome, adjusted: readonly string[]): void {
  const { plugin, path, outcome, durationMs, exitCode, signal, error, hint, shadowed, survivors } = run;
  const about = {
    ...fields,
    plugin,
    path,
    outcome,
    durationMs: Math.round(durationMs * 1000) / 1000,
    exitCode,
    signal,
  };
  if (shadowed.length > 0) log.warn({ plugin, path, shadowed }, "another executable has this plugin's name");
  if (survivors.length > 0) log.info({ ...about, survivors }, "a plugin left processes running");
  // The keys alone: a value may be a secret. A runtime that refuses a field in conflict with another NRI plugin names the
  // field and the bridge; this line has the legacy plugin.
  if (error === null) log.info({ ...about, ...(adjusted.length > 0 ? { adjusts: adjusted } : {}) }, "plugin ran");
  else log.warn({ ...about, error: shorten(error), ...(hint === null ? {} : { hint }) }, "plugin failed");
}

/** More of an error is nobody's reading, and a ttRPC status holds no more: a plugin may say four megabytes. */
const maxErrorLength = 8192;

function shorten(error: string): string {
  const cut = error.length - maxErrorLength;
  return cut > 0 ? `${error.slice(0, maxErrorLength)}… (${cut} characters cut)` : error;
}

/** Asks once for each key; the keys are the plugin types of conf.json, which are few. */
function remember<T>(ask: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const value = known.get(key) ?? ask(key);
    if (known.size < 1000) known.set(key, value);
    return value;
  };
}
