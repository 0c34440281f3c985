import { type Change, type MergedChange, mergeChanges, type Phase } from "../adjust/from-v01.js";
import { monotonicClock, within } from "../base/deadline.js";
import type { Log } from "../base/logger.js";
import { remember, sayOnce } from "../base/once.js";
import type { Cgroups } from "../cgroup/cgroups.js";
import { createPluginSettings, type PluginSettings } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import type { Created } from "../ledger/ledger.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { traceFields } from "../observe/trace.js";
import { createEnvironment, searchPath } from "../plugin/environment.js";
import {
  Installs,
  type InvokeContext,
  type InvokeOutcome,
  invokePlugin,
  notInvoked,
  wasBegun,
} from "../plugin/invoke.js";
import { createFinder, type Lookup } from "../plugin/lookup.js";
import { createExecutableChecks, type ExecutableCheck } from "../plugin/permissions.js";
import type { Starter } from "../plugin/start.js";
import { formatRequestBody, spliceRequest } from "../v01/request.js";
import { formatChainError, formatResult } from "../v01/result.js";
import type { ConfigList, Plugin, Request, Result } from "../v01/types.js";
import { type AppliedOwn, applyOwn, readChange } from "./accept.js";
import type { Breakers } from "./breaker.js";
import { type EventInfo, type PluginTime, planBackground, planPlugin } from "./call-time.js";
import { chainSummary, logRun, shorten } from "./chain-log.js";
import type { Observers } from "./observers.js";
import { type CgroupStage, openStage } from "./plugin-stage.js";

/** One chain of legacy plugins to run. */
export interface ChainCall extends EventInfo {
  readonly list: ConfigList;
  readonly request: Request;
  readonly target: Pick<Created, "kind" | "pod" | "container">;
  /** What results can change here. */
  readonly phase: Phase;
  /** What plugins answer is not looked at for changes: v0.1 knows no such state. */
  readonly changesNothing?: true;
  /** What the plugins of an earlier phase answered. */
  readonly earlierResults: readonly Result[];
  /** Of an update: what plugins set at the create, and asked to keep. */
  readonly kept?: Created["kept"];
}

/** What running a chain came to. */
export interface ChainEnd {
  /** The failure that ended it, where onFailure makes it count: `plugin: <type>: <why>`, as containerd 1.6 had it. */
  readonly error: string | undefined;
  /** What the plugins answered, in order, without those that failed. */
  readonly results: readonly Result[];
  /** What the results ask the runtime to change; nothing when there is an error. */
  readonly change: MergedChange;
  /** Settles when the observers among the plugins have ended too; absent when none runs on. */
  readonly observed?: Promise<unknown>;
}

/** Of a chain that was not run. */
export const noChange: ChainEnd = {
  error: undefined,
  results: [],
  change: { updates: [], fields: [], conflicts: [] },
};

/** One plugin run with what it was for: what the log, `replay --json` and the timeline are told. */
export interface RunReport {
  readonly call: ChainCall;
  readonly run: InvokeOutcome;
  /** The adjust keys of what the plugin's result asked to change. */
  readonly adjusted: readonly string[];
}

export interface ChainOptions {
  readonly config: Config;
  readonly runtime: RuntimeInfo;
  readonly cgroups: Cgroups;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Starter;
  readonly breakers: Breakers;
  readonly observers: Observers;
  readonly log: Log;
  readonly onRun: ((report: RunReport) => void) | undefined;
  readonly afterChain: () => void;
}

/** Runs the plugins of a chain one by one. */
export type RunChain = (call: ChainCall) => Promise<ChainEnd>;

/** Runs chains as the configuration says: time, policy, environment and breaker of each plugin, and the log. */
export function createRunChain(options: ChainOptions): RunChain {
  const { config, environment, log } = options;
  const { pluginDirs, lookup, types } = config;
  const settingsOf = createPluginSettings(config);
  const parts: ChainParts = {
    ...options,
    settingsOf,
    environmentFor: remember((plugin) =>
      createEnvironment({ base: environment, pluginDirs, ...settingsOf(plugin).environment }),
    ),
    installs: new Installs(),
    createCheck: createExecutableChecks(),
    find: createFinder({ pluginDirs, path: searchPath(environment.PATH, pluginDirs), lookup, types }),
    warnOnce: sayOnce((fields, sentence) => log.warn(fields, sentence)),
  };
  return (call) => new Chain(parts, call).run();
}

/** What all chains of a configuration share. */
interface ChainParts extends ChainOptions {
  readonly settingsOf: (plugin: string) => PluginSettings;
  readonly environmentFor: (plugin: string) => Readonly<Record<string, string>>;
  readonly find: (type: string) => Lookup;
  readonly installs: Installs;
  readonly createCheck: () => ExecutableCheck;
  readonly warnOnce: (fields: object, sentence: string) => void;
}

/** An observer without a `timeoutMs`, in milliseconds. */
const observerTimeoutMs = 10_000;

/** What trying one plugin came to. */
interface Attempt {
  readonly run: InvokeOutcome;
  /** What its result asks to change. */
  readonly change?: Change;
}

/** One chain: each plugin is admitted, placed, run, and its result accepted; it sees what those before it answered. */
class Chain {
  private readonly startedAt = monotonicClock();
  private readonly body: string;
  /** What the next plugin is shown of those before it. */
  private readonly shown: string[];
  private readonly results: Result[] = [];
  private readonly changes: Change[] = [];
  /** Every plugin that was tried, in order; observers are not among them. */
  private readonly runs: { readonly run: InvokeOutcome; readonly adjusted: readonly string[] }[] = [];
  private readonly observed: Promise<void>[] = [];
  /** What each line of the log says of the chain. */
  private readonly fields: object;
  private readonly context: InvokeContext;

  constructor(
    private readonly parts: ChainParts,
    private readonly call: ChainCall,
  ) {
    const { config, spawner, find, installs, environmentFor, log } = parts;
    this.body = formatRequestBody(call.request);
    this.shown = call.earlierResults.map(formatResult);
    this.fields = { ...aboutOf(call), ...traceFields(call.trace) };
    log.conceal(call.list.plugins);
    this.context = {
      spawner,
      find,
      installs,
      environmentFor,
      permissions: config.permissions,
      permissionFaultOf: parts.createCheck(),
      onStderrLine: (plugin, line) => log.info({ ...this.fields, plugin, line }, "plugin's stderr"),
    };
  }

  async run(): Promise<ChainEnd> {
    const { cgroups, afterChain, settingsOf } = this.parts;
    const failure = await this.runPlugins();
    for (const { run, adjusted } of this.runs) this.report(run, adjusted);
    const counts = (plugin: string) => this.onFailure(settingsOf(plugin)) === "fail";
    const applied = applyOwn(failure === null ? this.changes : [], this.call, cgroups, counts);
    const error = failure === null ? applied.error : shorten(failure.text);
    this.logEnd(applied, error);
    later(afterChain);
    const end = { error, results: this.results, change: applied.change };
    return this.observed.length === 0 ? end : { ...end, observed: Promise.all(this.observed) };
  }

  /** Gives the failure that is the call's answer. The first failure ends the chain, unless its policy says otherwise. */
  private async runPlugins(): Promise<{ readonly plugin: string; readonly text: string } | null> {
    for (const plugin of this.call.list.plugins) {
      const settings = this.parts.settingsOf(plugin.type);
      const text = spliceRequest(this.body, plugin.conf, this.shown);
      if (settings.async) {
        this.observe(plugin, settings, text);
        continue;
      }
      const attempt = this.admit(plugin, settings, text, () => this.place(plugin, settings, text));
      // What cannot be ended may go on; what it comes to then is dropped.
      const { run, change } = await within(this.call.time.giveUpAt, attempt, () => this.notEnded(plugin.type, text));
      this.runs.push({ run, adjusted: change?.fields ?? [] });
      if (change !== undefined) this.changes.push(change);
      if (run.result !== undefined) {
        this.results.push(run.result);
        this.shown.push(formatResult(run.result));
      }
      const onFailure = this.onFailure(settings);
      if (run.error === null || onFailure === "continue") continue;
      return onFailure === "fail" ? { plugin: plugin.type, text: formatChainError(plugin.type, run.error) } : null;
    }
    return null;
  }

  /** The chain goes on without its answer, and later plugins see no result of it. It may begin after the chain has ended. */
  private observe(plugin: Plugin, settings: PluginSettings, text: string): void {
    const { config, observers, log } = this.parts;
    const time = planBackground(settings.timeoutMs ?? observerTimeoutMs, "timeoutMs", config);
    const owed = this.call.request.state === "delete";
    const start = () =>
      this.admit(plugin, settings, text, async () => ({ run: await this.invoke(plugin, settings, text, time) }));
    const over = observers.run(this.call.request.id, async () => this.report((await start()).run, []), { owed });
    if (over === null) log.error(this.fields, "an observer's run is dropped: too many wait already");
    // A delete that is dropped does not end: it is the next bridge's.
    if (over !== null || owed) this.observed.push(over ?? new Promise(() => {}));
  }

  /** Asks the plugin's breaker before anything is done for a run, and tells it how the run went before the next one asks. */
  private async admit(
    { type }: Plugin,
    settings: PluginSettings,
    text: string,
    begin: () => Promise<Attempt>,
  ): Promise<Attempt> {
    const { breakers, log } = this.parts;
    const refusal = breakers.refusal(type, settings.breaker);
    if (refusal !== null) return this.notInvoked(type, text, "skipped", refusal);
    let attempt: Attempt | undefined;
    try {
      attempt = await begin();
      return attempt;
    } finally {
      if (attempt === undefined || !wasBegun(attempt.run)) breakers.release(type);
      else if (breakers.record(type, attempt.run.error !== null, settings.breaker)) {
        log.warn({ plugin: type, breaker: breakers.stateOf(type) }, "a plugin's breaker changed");
      }
    }
  }

  /** Runs a plugin in its captured view or on the node, and reads its result while that place is still there. */
  private async place(plugin: Plugin, settings: PluginSettings, text: string): Promise<Attempt> {
    const stage = await this.openStage(settings);
    if (stage !== undefined && "error" in stage) return this.notInvoked(plugin.type, text, "refused", stage.error);
    const shown = stage === undefined ? text : spliceRequest(formatRequestBody(stage.request), plugin.conf, this.shown);
    try {
      const run = await this.invoke(plugin, settings, shown, planPlugin(this.call.time, settings.timeoutMs), stage);
      return this.accept(run, settings, stage);
    } finally {
      stage?.close();
    }
  }

  /** Waits for the plugin's captured view, where it has one, as long as the plugin could run. */
  private openStage(settings: PluginSettings): ReturnType<typeof openStage> {
    const { cgroups, warnOnce } = this.parts;
    const { terminateAt, remedy } = this.call.time;
    const opening = openStage(this.call, settings, () => this.merged(), cgroups, warnOnce);
    return within(terminateAt, opening, () => {
      void opening.then((stage) => stage !== undefined && "close" in stage && stage.close());
      return { error: `not run: its cgroup view was not ready in time (${remedy})` };
    });
  }

  private invoke(
    { type, conf }: Plugin,
    { limits, exitStatus, killChildren, startAhead }: PluginSettings,
    request: string,
    time: PluginTime,
    stage?: CgroupStage,
  ): Promise<InvokeOutcome> {
    const { stdoutBytes, stderrLinesPerRun: stderrLines } = limits;
    const policy = { exitStatus, killChildren, startAhead, limits: { stdoutBytes, stderrLines } };
    const { state } = this.call.request;
    return invokePlugin({ plugin: type, state, request, conf, time, policy, stage }, this.context);
  }

  /** Reads what the result asks to change; a run whose result cannot be accepted has failed. */
  private accept(run: InvokeOutcome, { results }: PluginSettings, stage: CgroupStage | undefined): Attempt {
    const { runtime, cgroups, log } = this.parts;
    const read = readChange(this.call, run, {
      ...{ runtime, cgroupVersion: cgroups.version, stage, ...results },
      bytesTaken: this.changes.reduce((sum, { bytes }) => sum + bytes, 0),
    });
    if (read === undefined || read.ok) {
      for (const { level, text } of read?.change.notes ?? []) {
        log[level]({ ...this.fields, plugin: run.plugin, note: text }, "a result asks for what has no effect");
      }
      return read === undefined ? { run } : { run, change: read.change };
    }
    const { result: _refused, ...rest } = run;
    return { run: { ...rest, outcome: "bad-output", error: read.error } };
  }

  private notInvoked(plugin: string, request: string, outcome: "refused" | "skipped", error: string): Attempt {
    return { run: notInvoked({ plugin, state: this.call.request.state, request }, outcome, error) };
  }

  private notEnded(plugin: string, request: string): Attempt {
    const error = `did not end in time, and cannot be ended (${this.call.time.remedy})`;
    return { run: notInvoked({ plugin, state: this.call.request.state, request }, "timed-out", error) };
  }

  private onFailure({ onFailure }: PluginSettings): "fail" | "ignore" | "continue" {
    const { state } = this.call.request;
    return state === "delete" ? onFailure.delete : state === "update" ? onFailure.update : onFailure.create;
  }

  private merged(): MergedChange {
    const { phase, request, kept } = this.call;
    return mergeChanges(this.changes, { phase, containerId: request.id, kept });
  }

  private report(run: InvokeOutcome, adjusted: readonly string[]): void {
    const { log, onRun } = this.parts;
    later(() => logRun(log, this.fields, run, adjusted));
    onRun?.({ call: this.call, run, adjusted });
  }

  private logEnd({ change, leftOut }: AppliedOwn, error: string | undefined): void {
    const { log } = this.parts;
    if (leftOut !== undefined) log.warn({ ...this.fields, ...leftOut }, "changes that cannot be applied are left out");
    if (this.runs.length > 0) {
      const durationMs = monotonicClock() - this.startedAt;
      const runs = this.runs.map(({ run }) => run);
      later(() => {
        const summary = chainSummary({ ...aboutOf(this.call), runs, error, durationMs });
        log.info({ ...summary, ...traceFields(this.call.trace) }, "chain ran");
      });
    }
    for (const conflict of change.conflicts) {
      log.warn({ ...this.fields, ...conflict }, "two plugins set one field of the container: the last one wins");
    }
  }
}

function aboutOf({ event, request: { state, id }, target: { pod, container } }: ChainCall) {
  return { event, state, id, pod, container };
}

/** When the answer is on its way: the runtime does not wait for what is said of a chain. */
function later(work: () => void): void {
  setImmediate(work);
}
