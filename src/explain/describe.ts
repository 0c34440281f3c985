import { resolveCgroupsPath } from "../cgroup/container-cgroup.js";
import type { RunReport } from "../chain.js";
import { pluginSettings } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import { placeOf } from "../doctor/collect/plugin-place.js";
import { errorText } from "../errors.js";
import type { Given } from "./given.js";
import { type Origin, originOf, sourcesOf } from "./origins.js";
import type { Explained } from "./play.js";

/** What a plugin is asked in an event, as `explain --json` has it. */
export interface PluginExplanation {
  readonly plugin: string;
  readonly path: string;
  readonly state: string;
  /** `would run`, or why it does not. */
  readonly outcome: string;
  readonly error: string | null;
  readonly hint: string | null;
  readonly request: string;
  readonly policy: object;
  readonly cgroup: {
    readonly path: string;
    readonly directory: string | null;
    readonly view: "host" | "capture";
    readonly problem: string | null;
  };
  readonly sources: Readonly<Record<string, string>>;
}

export interface EventExplanation {
  readonly type: "explain";
  readonly index: number;
  readonly event: string;
  readonly id: string;
  readonly sandboxId: string;
  readonly pod: string;
  readonly container: string | null;
  /** What the bridge would answer when it is no OK, though each plugin did well: its conf.json cannot be read, say. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly plugins: readonly PluginExplanation[];
  readonly bundle: string | null;
  /** What the event of NRI v2 lacks; with a bundle it is there all the same. */
  readonly lost: readonly string[];
  readonly unknown: readonly string[];
}

/** An event with its plugins' requests, their policy and where each field comes from. */
export function describeEvent(explained: Explained, given: Given, config: Config, confFile: string): EventExplanation {
  const { event, index, runs, answer } = explained;
  const [first] = runs;
  const origin: Origin =
    first === undefined ? { bundle: undefined, lost: [] } : originOf(explained, first.call.request, given.played);
  const container = "container" in event ? event.container : undefined;
  return {
    type: "explain",
    index,
    event: event.name,
    id: container?.id ?? event.pod.id,
    sandboxId: event.pod.id,
    pod: `${event.pod.namespace}/${event.pod.name}`,
    container: container?.name ?? null,
    error: answer?.outcome.error ?? null,
    plugins: runs.map((run) => describeRun(run, origin, config, confFile)),
    bundle: origin.bundle ?? null,
    lost: origin.lost,
    unknown: given.unknown,
  };
}

function describeRun({ call, run }: RunReport, origin: Origin, config: Config, confFile: string): PluginExplanation {
  const { onFailure, timeoutMs, exitStatus, killChildren, async, breaker, limits } = pluginSettings(config, run.plugin);
  const { phase, cgroup } = placeOf(config, run.plugin);
  const failure =
    run.state === "delete" ? onFailure.delete : run.state === "update" ? onFailure.update : onFailure.create;
  const ran = run.outcome === "ok";
  return {
    plugin: run.plugin,
    path: run.path,
    state: run.state,
    outcome: ran ? "would run" : run.outcome,
    error: run.error,
    hint: run.hint,
    request: run.request,
    policy: { phase, onFailure: failure, timeoutMs, exitStatus, killChildren, async, breaker, limits },
    cgroup: { ...cgroupOf(call.request.spec.cgroupsPath), view: cgroup },
    sources: sourcesOf(run.request, run.state, origin, confFile),
  };
}

function cgroupOf(path: string): Pick<PluginExplanation["cgroup"], "path" | "directory" | "problem"> {
  if (path === "") return { path, directory: null, problem: null };
  try {
    return { path, directory: resolveCgroupsPath(path), problem: null };
  } catch (error) {
    return { path, directory: null, problem: errorText(error) };
  }
}

/** The same for people. */
export function formatEvent(explanation: EventExplanation): string {
  const { index, event, id, pod, container, error, plugins, bundle, lost, unknown } = explanation;
  const who = container === null ? `pod ${pod}` : `container ${container} of ${pod}`;
  const lines = [`event ${index}: ${event}, ${who}, ${id.slice(0, 13)}`];
  if (error !== null) lines.push(`  the bridge answers ${error.code}: ${error.message}`);
  else if (plugins.length === 0) lines.push("  no plugin runs for it");
  for (const plugin of plugins) lines.push(...formatPlugin(plugin));
  if (plugins.length > 0) {
    lines.push(bundle === null ? "  spec from the event: no bundle is known" : `  spec from ${bundle}`);
    for (const line of lost) lines.push(bundle === null ? `  lost: ${line}` : `  only in the bundle: ${line}`);
  }
  for (const line of unknown) lines.push(`  not known: ${line}`);
  return `${lines.join("\n")}\n`;
}

function formatPlugin({
  plugin,
  path,
  state,
  outcome,
  error,
  hint,
  request,
  policy,
  cgroup,
  sources,
}: PluginExplanation): readonly string[] {
  const settings = Object.entries(policy).map(
    ([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  const directory = cgroup.directory === null || cgroup.directory === cgroup.path ? "" : ` = ${cgroup.directory}`;
  return [
    `  ${plugin} ${state}: ${outcome}${path === "" ? "" : `, ${path}`}`,
    ...(error === null ? [] : [`    error    ${error}`]),
    ...(hint === null ? [] : [`    hint     ${hint}`]),
    `    request  ${request}`,
    `    policy   ${settings.join(", ")}`,
    `    cgroup   ${cgroup.path === "" ? "none" : `${cgroup.path}${directory}`}, ${cgroup.view}${cgroup.problem === null ? "" : `; ${cgroup.problem}`}`,
    ...Object.entries(sources).map(([key, from], at) => `    ${at === 0 ? "from  " : "      "}   ${key}: ${from}`),
  ];
}
