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
  /** The phase decides which changes a plugin's result can ask for. */
  readonly phase: Phase;
  /** The bridge reads no changes from the plugins' results: the state is one that v0.1 does not have. */
  readonly changesNothing?: true;
  /** The results of the plugins in the create phase, which the start phase's requests carry. */
  readonly earlierResults?: readonly Result[];
  /** For an update: the resources that plugins set at the create and asked the bridge to keep. */
  readonly kept?: Created["kept"];
}

/** The parts of a chain that the bridge makes while the first plugin's process starts. */
type Made = Pick<ChainCall, "request" | "target" | "earlierResults">;
/** A chain whose request does not exist yet. `make` also records it in the ledger, before the first plugin gets the request. */
export type PendingChain = Omit<ChainCall, keyof Made> & { readonly make: () => Made };

/** The outcome of a chain. */
export interface ChainEnd {
  /**
   * The failure that ended the chain, as `plugin: <type>: <why>` in containerd 1.6's form; undefined without a failure, or where
   * onFailure says that the call does not fail.
   */
  readonly error: string | undefined;
  /** The results of the plugins that succeeded, in order. */
  readonly results: readonly Result[];
  /** The changes that the results ask the runtime for; empty when `error` is set. */
  readonly change: MergedChange;
  /** Settles when the chain's observers (`async: true`) have ended too; absent when the chain has none. */
  readonly observed?: Promise<unknown>;
}

export const noChange: MergedChange = { updates: [], fields: [], conflicts: [] };
/** The end of a chain without any plugin run. */
export const notRun: ChainEnd = { error: undefined, results: [], change: noChange };

/** One plugin run and its chain call, as the log, `replay --json` and the timeline get them. */
export interface RunReport {
  readonly call: ChainCall;
  readonly run: InvokeOutcome;
  /** The adjust keys of the changes that the plugin's result asked for. */
  readonly adjusted: readonly string[];
  /** The changes that the plugin asked for and that have no effect. */
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

/**
 * Creates the function that runs chains with the configured time, policy, environment and breaker of each plugin, and logs them.
 */
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

/** The parts that all chains of one configuration share. */
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
      log.warn(fields, "several executables have this plugin's name: the bridge runs the one at `path`"),
    ),
    warnOnce: sayOnce((fields, sentence) => log.warn(fields, sentence)),
  };
}

/** The time limit of an observer whose settings have no `timeoutMs`, in milliseconds. */
const observerTimeoutMs = 10_000;

/** The bridge polls for a plugin's end this long, in milliseconds, before it waits for an event: most end sooner. */
const pollMs = 5;

/** A plugin whose turn in the chain has come, with its request. */
interface Turn extends Plugin {
  /** The plugin's position in the chain's list. */
  readonly index: number;
  readonly settings: PluginSettings;
  readonly request: string;
}

/** The outcome of one plugin's turn. */
interface Attempt {
  readonly run: InvokeOutcome;
  /** The changes that the plugin's result asks for; undefined when the bridge reads none from this run. */
  readonly change?: Change;
}

/**
 * One chain. For each plugin in order, the chain asks the breaker, opens the cgroup view, runs the plugin and reads its result;
 * each plugin's request carries the results of the plugins before it.
 */
class Chain {
  private readonly startedAt = monotonicClock();
  private readonly body: string;
  /** The results that the next plugin's request carries, as JSON text. */
  private readonly shown: string[];
  private readonly results: Result[] = [];
  private readonly changes: Change[] = [];
  /** The outcome of each plugin that the chain waited for, in order, runs that were skipped included; observers are not in it. */
  private readonly attempts: Attempt[] = [];
  private readonly observed: Promise<void>[] = [];
  /** The fields that identify this chain in each line of the log. */
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
    // The answer to the runtime leaves before the bridge writes the log of the chain.
    setImmediate(() => logChain(log, this.fields, { runs, error, durationMs }, applied));
    setImmediate(afterChain);
    const end = { error, results: this.results, change: applied.change };
    return this.observed.length === 0 ? end : { ...end, observed: Promise.all(this.observed) };
  }

  /**
   * Returns the failure that fails the call, or null. The first failed plugin ends the chain, unless its `onFailure` is `continue`.
   */
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
      // The kernel may not end a plugin's process in time: the chain goes on, and the bridge drops that run's outcome.
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

  /**
   * Starts an observer after the answer has left. The chain does not wait for the observer, and later plugins see no result of it.
   */
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
    if (over === null)
      log.error(this.fields, "the bridge skips an observer (async: true): too many runs of observers wait already");
    else this.observed.push(over);
  }

  /** Asks the plugin's breaker before the run, and reports the run's outcome to the breaker before the next run asks. */
  private async admit(turn: Turn, begin: () => Promise<Attempt>): Promise<Attempt> {
    const { breakers, log } = this.parts;
    const { type, settings } = turn;
    const refusal = breakers.refusal(type, settings.breaker);
    if (refusal !== null) return this.notInvoked(turn, "skipped", refusal);
    const attempt = await begin();
    const { run } = attempt;
    if (wasBegun(run) && breakers.record(type, run.error !== null, settings.breaker)) {
      log.warn(
        { plugin: type, breaker: breakers.stateOf(type) },
        "the breaker of a plugin changed: the bridge does not run the plugin while its breaker is open",
      );
    }
    return attempt;
  }

  /** Runs a plugin in a captured cgroup view or on the node, and reads its result before the view closes. */
  private async place(turn: Turn): Promise<Attempt> {
    const { cgroups, warnOnce } = this.parts;
    const { call } = this;
    const { terminateAt, remedy } = call.time;
    const { phase, kept } = call;
    const changed = () => mergeChanges(this.changes, { phase, containerId: call.request.id, kept });
    const opening = openStage(call, turn.settings, changed, cgroups, warnOnce);
    // The wait for the view ends when the plugin's own time would end.
    const stage = await within(terminateAt, opening, () => {
      void opening.then((late) => late !== undefined && "close" in late && late.close());
      return { error: `not run: the bridge did not make the plugin's captured cgroup view in time (${remedy})` };
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

  /** Reads the changes that the result asks for. A run whose result cannot be accepted counts as failed. */
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
      log[level]({ ...this.fields, plugin: run.plugin, note: text }, "a change by a plugin may have no effect");
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
