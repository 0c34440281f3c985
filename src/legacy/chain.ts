import { formatRequestBody, spliceRequest } from "../v01/request.js";
import { formatChainError, formatResult } from "../v01/result.js";
import type { ConfigList, Plugin, Request, Result } from "../v01/types.js";
import { type Budget, planAsyncBudget, planPluginBudget } from "./budget.js";
import { type InvokeContext, type InvokeOutcome, type InvokePolicy, invokePlugin, notInvoked } from "./invoke.js";
import type { Stage } from "./stage.js";

/** What one plugin may do, and what its failure costs. */
export interface PluginPolicy extends InvokePolicy {
  /** `fail`: the chain ends with its error; `ignore`: the chain ends well; `continue`: the next plugin runs. */
  readonly onFailure: "fail" | "ignore" | "continue";
  /** Milliseconds for one run; null for what is left of the call, or 10 s for an observer. */
  readonly timeoutMs: number | null;
  /** An observer: the chain goes on without its answer, and later plugins see no result of it. */
  readonly async?: boolean;
}

const observerTimeoutMs = 10_000;

export interface ChainOptions {
  readonly config: ConfigList;
  readonly request: Request;
  /** The whole chain's. */
  readonly budget: Budget;
  readonly policyFor: (plugin: string) => PluginPolicy;
  readonly context: InvokeContext;
  /**
   * Where a plugin runs, when not plainly on the node; why there is no such place, which is a failure of the plugin.
   * Observers always run on the node: nobody waits for what they did elsewhere.
   */
  readonly stageFor?: (plugin: string) => Promise<Stage | { readonly error: string } | undefined>;
  /** Why a plugin is not to be run at this moment; null when it may. */
  readonly refusal?: (plugin: string) => string | null;
  /** Told of each run that was not refused when it ends, also an observer's; undefined when it could not be made. */
  readonly onRunEnd?: (plugin: string, run: InvokeOutcome | undefined) => void;
  /** Looks at a result before it counts: gives why it cannot be accepted, which is a failure of its plugin, or null. */
  readonly judge?: (run: InvokeOutcome) => string | null;
  /** What plugins have answered for this request before: the results of an earlier phase. */
  readonly earlierResults?: readonly Result[];
  /** Starts the run of an observer when it is its turn, and may do so after the chain has ended. It never rejects. */
  readonly observe?: (start: () => Promise<InvokeOutcome>) => void;
}

export interface ChainOutcome {
  /** What the plugins of this chain answered, in order, without those that failed. */
  readonly results: readonly Result[];
  /** Every plugin that was tried, in order; an observer's run goes to `observe`. */
  readonly runs: readonly InvokeOutcome[];
  /** The failure that is the call's answer. `text`: `plugin: <type>: <why>`, as containerd 1.6 had it. */
  readonly error: { readonly plugin: string; readonly text: string } | null;
}

/**
 * Runs the plugins of conf.json one by one. Each sees what those before it answered; the first failure ends the chain,
 * unless its policy says otherwise.
 */
export async function runChain(options: ChainOptions): Promise<ChainOutcome> {
  const { config, request, policyFor } = options;
  const body = formatRequestBody(request);
  const formatted = (options.earlierResults ?? []).map(formatResult);
  const results: Result[] = [];
  const runs: InvokeOutcome[] = [];
  for (const plugin of config.plugins) {
    const policy = policyFor(plugin.type);
    const text = spliceRequest(body, plugin.conf, formatted);
    if (policy.async) {
      options.observe?.(() => admitted(plugin, text, options, () => runPlugin(plugin, text, policy, options)));
      continue;
    }
    const run = await admitted(plugin, text, options, () => runOnStage(plugin, text, formatted, policy, options));
    runs.push(run);
    if (run.result !== undefined) {
      results.push(run.result);
      formatted.push(formatResult(run.result));
    }
    if (run.error === null || policy.onFailure === "continue") continue;
    const failure = formatChainError(plugin.type, run.error);
    return { results, runs, error: policy.onFailure === "fail" ? { plugin: plugin.type, text: failure } : null };
  }
  return { results, runs, error: null };
}

/** Asks before anything is done for a run, and says how it went before the next one asks. */
async function admitted(
  { type }: Plugin,
  text: string,
  { request, refusal, onRunEnd }: ChainOptions,
  begin: () => Promise<InvokeOutcome>,
): Promise<InvokeOutcome> {
  const why = refusal?.(type) ?? null;
  if (why !== null) return notInvoked({ plugin: type, state: request.state, request: text }, "skipped", why);
  let run: InvokeOutcome | undefined;
  try {
    run = await begin();
    return run;
  } finally {
    onRunEnd?.(type, run);
  }
}

/** Runs a plugin where it is to run, and looks at its result while that place is still there. */
async function runOnStage(
  plugin: Plugin,
  text: string,
  results: readonly string[],
  policy: PluginPolicy,
  options: ChainOptions,
): Promise<InvokeOutcome> {
  const stage = await options.stageFor?.(plugin.type);
  if (stage === undefined) return judged(await runPlugin(plugin, text, policy, options), options);
  if ("error" in stage) {
    const { state } = options.request;
    return notInvoked({ plugin: plugin.type, state, request: text }, "refused", stage.error);
  }
  try {
    const staged = spliceRequest(formatRequestBody(stage.request), plugin.conf, results);
    return judged(await runPlugin(plugin, staged, policy, options, stage), options);
  } finally {
    stage.close();
  }
}

/** A run whose result cannot be accepted has failed. */
function judged(run: InvokeOutcome, { judge }: ChainOptions): InvokeOutcome {
  const fault = run.result === undefined ? null : (judge?.(run) ?? null);
  if (fault === null) return run;
  const { result: _refused, ...rest } = run;
  return { ...rest, outcome: "bad-output", error: fault };
}

function runPlugin(
  plugin: Plugin,
  text: string,
  policy: PluginPolicy,
  options: ChainOptions,
  stage?: Stage,
): Promise<InvokeOutcome> {
  const budget = policy.async
    ? planAsyncBudget(policy.timeoutMs ?? observerTimeoutMs, options.budget.killAfterMs)
    : planPluginBudget(options.budget, policy.timeoutMs);
  return invokePlugin(
    {
      plugin: plugin.type,
      state: options.request.state,
      request: text,
      conf: plugin.conf,
      budget,
      policy,
      stage,
    },
    options.context,
  );
}
