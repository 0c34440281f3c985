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
  type Outcome,
  wasBegun,
} from "../plugin/invoke.js";
import { createFinder } from "../plugin/lookup.js";
import type { Starter } from "../plugin/start.js";
import { formatRequestBody, spliceRequest } from "../v01/request.js";
import { formatChainError, formatResult } from "../v01/result.js";
import type { ConfigList, Plugin, Request, Result } from "../v01/types.js";
import { applyOwn, readChange } from "./accept.js";
import type { Breakers } from "./breaker.js";
import { type EventInfo, type PluginTime, planBackground, planPlugin } from "./call-time.js";
import { logChain, logRun, shorten } from "./chain-log.js";
import { EarlyPlugin, policyOf } from "./early-plugin.js";
import type { Observers } from "./observers.js";
import { type CgroupStage, openStage } from "./plugin-stage.js";

/** One chain of legacy plugins to run. */
export interface ChainCall extends EventInfo {
  readonly list: ConfigList;
  readonly request: Request;
  readonly target: Pick<Created, "kind" | "pod" | "container">;
  /** It decides which changes results can ask for. */
  readonly phase: Phase;
  /** Answers of plugins are not read for changes: v0.1 knows no such state. */
  readonly changesNothing?: true;
  /** The results of an earlier phase. */
  readonly earlierResults?: readonly Result[];
  /** Of an update: what plugins set at the create, and asked to keep. */
  readonly kept?: Created["kept"];
}

/** What of a chain is made while its first plugin is being started. */
type Made = Pick<ChainCall, "request" | "target" | "earlierResults">;
/** One whose request is still to be made: what `make` records of it is there before the first plugin has the request. */
export type PendingChain = Omit<ChainCall, keyof Made> & { readonly make: () => Made };

/** The outcome of a chain. */
export interface ChainEnd {
  /** The failure that ended it, where onFailure makes it count: `plugin: <type>: <why>`, as containerd 1.6 had it. */
  readonly error: string | undefined;
  /** The results of the plugins, in order, without those that failed. */
  readonly results: readonly Result[];
  /** The changes that the results ask the runtime for; none when there is an error. */
  readonly change: MergedChange;
  /** Settles when the observers among the plugins have ended too; absent when none runs on. */
  readonly observed?: Promise<unknown>;
}

export const noChange: MergedChange = { updates: [], fields: [], conflicts: [] };
/** Of a chain that was not run. */
export const notRun: ChainEnd = { error: undefined, results: [], change: noChange };

/** One plugin run with what it was for: what the log, `replay --json` and the timeline are told. */
export interface RunReport {
  readonly call: ChainCall;
  readonly run: InvokeOutcome;
  /** The adjust keys of what the plugin's result asked to change. */
  readonly adjusted: readonly string[];
  /** The changes that it asked for without effect. */
  readonly notes: Change["notes"];
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
export type RunChain = (pending: PendingChain) => Promise<ChainEnd>;

/** Runs chains as the configuration says: time, policy, environment and breaker of each plugin, and the log. */
export function createRunChain(options: ChainOptions): RunChain {
  const parts = shareParts(options);
  return async (pending) => {
    const early = new EarlyPlugin(parts, pending);
    try {
      early.begin(0);
      return await new Chain(parts, { ...pending, ...pending.make() }, early).run();
    } finally {
      early.abandon();
    }
  };
}

/** Shared by all chains of a configuration. */
type ChainParts = ReturnType<typeof shareParts>;

function shareParts(options: ChainOptions) {
  const { config, environment, log } = options;
  const { pluginDirs, lookup, types, permissions } = config;
  const settingsOf = createPluginSettings(config);
  return {
    ...options,
    settingsOf,
    permissions,
    environmentFor: remember((plugin) =>
      createEnvironment({ base: environment, pluginDirs, ...settingsOf(plugin).environment }),
    ),
    installs: new Installs(),
    find: createFinder({ pluginDirs, path: searchPath(environment.PATH, pluginDirs), lookup, types }, (fields) =>
      log.warn(fields, "another executable has this plugin's name"),
    ),
    warnOnce: sayOnce((fields, sentence) => log.warn(fields, sentence)),
  };
}

/** An observer without a `timeoutMs`, in milliseconds. */
const observerTimeoutMs = 10_000;

/** Most plugins end sooner. */
const pollMs = 5;

/** A plugin whose turn has come. */
interface Turn extends Plugin {
  /** In the chain's list. */
  readonly index: number;
  readonly settings: PluginSettings;
  readonly request: string;
}

/** The outcome of one plugin. */
interface Attempt {
  readonly run: InvokeOutcome;
  /** The changes that its result asks for. */
  readonly change?: Change;
}

/** One chain: each plugin is admitted, placed, run, and its result accepted; it sees what those before it answered. */
class Chain {
  private readonly startedAt = monotonicClock();
  private readonly body: string;
  /** The results that the next plugin is shown. */
  private readonly shown: string[];
  private readonly results: Result[] = [];
  private readonly changes: Change[] = [];
  /** Every plugin that was tried, in order; observers are not among them. */
  private readonly attempts: Attempt[] = [];
  private readonly observed: Promise<void>[] = [];
  /** The fields of the chain in each line of the log. */
  private readonly fields: object;
  private readonly context: InvokeContext;

  constructor(
    private readonly parts: ChainParts,
    private readonly call: ChainCall,
    private readonly early: EarlyPlugin,
  ) {
    const { log } = parts;
    const { event, request, target, trace, list } = call;
    const { pod, container } = target;
    this.body = formatRequestBody(request);
    this.shown = (call.earlierResults ?? []).map(formatResult);
    this.fields = { event, state: request.state, id: request.id, pod, container, ...traceFields(trace) };
    log.conceal(list.plugins);
    this.context = {
      ...parts,
      onStderrLine: (plugin, line) => log.info({ ...this.fields, plugin, line }, "plugin's stderr"),
    };
  }

  async run(): Promise<ChainEnd> {
    const { cgroups, afterChain, settingsOf, log } = this.parts;
    const failure = await this.runPlugins();
    for (const attempt of this.attempts) this.report(attempt);
    const counts = (plugin: string) => this.onFailure(settingsOf(plugin)) === "fail";
    const applied = applyOwn(failure === null ? this.changes : [], this.call, cgroups, counts);
    const error = failure === null ? applied.error : shorten(failure);
    const durationMs = monotonicClock() - this.startedAt;
    const runs = this.attempts.map(({ run }) => run);
    // The runtime does not wait for what is said of a chain.
    setImmediate(() => logChain(log, this.fields, { runs, error, durationMs }, applied));
    setImmediate(afterChain);
    const end = { error, results: this.results, change: applied.change };
    return this.observed.length === 0 ? end : { ...end, observed: Promise.all(this.observed) };
  }

  /** Gives the failure that is the call's answer. The first failure ends the chain, unless its policy says otherwise. */
  private async runPlugins(): Promise<string | null> {
    const { giveUpAt, remedy } = this.call.time;
    for (const [index, plugin] of this.call.list.plugins.entries()) {
      const settings = this.parts.settingsOf(plugin.type);
      const turn = { ...plugin, index, settings, request: spliceRequest(this.body, plugin.conf, this.shown) };
      if (settings.async) {
        this.observe(turn);
        continue;
      }
      const trying = this.admit(turn, () => this.place(turn));
      // A run that cannot be ended may go on; its outcome is dropped.
      const late = () =>
        this.notInvoked(turn, "timed-out", `did not end in time, and the bridge could not kill it (${remedy})`);
      const attempt = await within(giveUpAt, trying, late);
      const { run, change } = attempt;
      this.attempts.push(attempt);
      if (change !== undefined) this.changes.push(change);
      if (run.result !== undefined) {
        this.results.push(run.result);
        this.shown.push(formatResult(run.result));
      }
      const onFailure = this.onFailure(settings);
      if (run.error === null || onFailure === "continue") continue;
      return onFailure === "fail" ? formatChainError(plugin.type, run.error) : null;
    }
    return null;
  }

  /** The chain goes on without its answer, and later plugins see no result of it. It begins when the answer is on its way. */
  private observe(turn: Turn): void {
    const { config, observers, log } = this.parts;
    const owed = this.call.request.state === "delete";
    const begin = async () => {
      const timeoutMs = turn.settings.timeoutMs ?? observerTimeoutMs;
      return { run: await this.invoke(turn, planBackground(timeoutMs, "timeoutMs", config)) };
    };
    const work = async () => {
      await new Promise((nextTurn) => setImmediate(nextTurn));
      this.report(await this.admit(turn, begin));
    };
    const over = observers.run(this.call.request.id, work, { owed });
    if (over === null) log.error(this.fields, "dropped the run of an observer: too many runs wait already");
    else this.observed.push(over);
  }

  /** Asks the plugin's breaker before anything is done for a run, and tells it how the run went before the next one asks. */
  private async admit(turn: Turn, begin: () => Promise<Attempt>): Promise<Attempt> {
    const { breakers, log } = this.parts;
    const { type, settings } = turn;
    const refusal = breakers.refusal(type, settings.breaker);
    if (refusal !== null) return this.notInvoked(turn, "skipped", refusal);
    const attempt = await begin();
    const { run } = attempt;
    if (wasBegun(run) && breakers.record(type, run.error !== null, settings.breaker)) {
      log.warn({ plugin: type, breaker: breakers.stateOf(type) }, "the breaker of a plugin changed its state");
    }
    return attempt;
  }

  /** Runs a plugin in its captured view or on the node, and reads its result while that place is still there. */
  private async place(turn: Turn): Promise<Attempt> {
    const { cgroups, warnOnce } = this.parts;
    const { call } = this;
    const { terminateAt, remedy } = call.time;
    const { phase, kept } = call;
    const changed = () => mergeChanges(this.changes, { phase, containerId: call.request.id, kept });
    const opening = openStage(call, turn.settings, changed, cgroups, warnOnce);
    // As long as the plugin could run.
    const stage = await within(terminateAt, opening, () => {
      void opening.then((late) => late !== undefined && "close" in late && late.close());
      return { error: `not run: the bridge did not make the plugin's cgroup view in time (${remedy})` };
    });
    if (stage !== undefined && "error" in stage) return this.notInvoked(turn, "refused", stage.error);
    const request =
      stage === undefined ? turn.request : spliceRequest(formatRequestBody(stage.request), turn.conf, this.shown);
    try {
      const run = await this.invoke({ ...turn, request }, planPlugin(call.time, turn.settings.timeoutMs), stage);
      return this.accept(run, turn.settings, stage);
    } finally {
      stage?.close();
    }
  }

  private invoke({ type, conf, index, settings, request }: Turn, time: PluginTime, stage?: CgroupStage) {
    const isWaitedFor = !settings.async && !this.call.inBackground;
    const policy = { ...policyOf(settings), ...(isWaitedFor ? { pollMs } : {}) };
    const early = this.early.take(index);
    const onGiven = () => settings.async || this.early.begin(index + 1);
    const { state } = this.call.request;
    return invokePlugin({ plugin: type, state, request, conf, time, policy, stage, early, onGiven }, this.context);
  }

  /** Reads what the result asks to change; a run whose result cannot be accepted has failed. */
  private accept(run: InvokeOutcome, { results, lostWrites }: PluginSettings, stage: CgroupStage | undefined): Attempt {
    const { runtime, cgroups, log } = this.parts;
    const read = readChange(this.call, run, {
      ...{ runtime, cgroupVersion: cgroups.version, stage, lostWrites, ...results },
      bytesTaken: this.changes.reduce((sum, { bytes }) => sum + bytes, 0),
    });
    if (read === undefined) return { run };
    if (!read.ok) {
      const { result: _refused, ...rest } = run;
      return { run: { ...rest, outcome: "bad-output", error: read.error } };
    }
    for (const { level, text } of read.change.notes) {
      log[level]({ ...this.fields, plugin: run.plugin, note: text }, "plugin asked for a change without effect here");
    }
    return { run, change: read.change };
  }

  private notInvoked({ type, request }: Turn, outcome: Outcome, error: string): Attempt {
    return { run: notInvoked({ plugin: type, state: this.call.request.state, request }, outcome, error) };
  }

  private onFailure({ onFailure }: PluginSettings): "fail" | "ignore" | "continue" {
    const { state } = this.call.request;
    return state === "delete" ? onFailure.delete : state === "update" ? onFailure.update : onFailure.create;
  }

  private report({ run, change }: Attempt): void {
    const { log, onRun } = this.parts;
    const adjusted = change?.fields ?? [];
    setImmediate(() => logRun(log, this.fields, run, adjusted));
    onRun?.({ call: this.call, run, adjusted, notes: change?.notes ?? [] });
  }
}
