import { errorText } from "../../base/errors.js";
import type { RunReport } from "../../bridge/chain.js";
import { resolveCgroupsPath } from "../../cgroup/container-cgroup.js";
import { cgroupSeen, pluginSettings } from "../../config/merge.js";
import type { Config } from "../../config/schema.js";
import { findBundle } from "../../v01/bundle.js";
import type { Explained, Given } from "./play.js";

type EventExplanation = ReturnType<typeof describeEvent>;
type PluginExplanation = EventExplanation["plugins"][number];

/** An event with its plugins' requests, their policy and where each field comes from, as `explain --json` has it. */
export function describeEvent(explained: Explained, given: Given, config: Config) {
  const { event, index, runs, answer } = explained;
  const cgroupsPath = runs[0]?.call.request.spec.cgroupsPath;
  const match = cgroupsPath === undefined ? undefined : findBundle(given.played.bundles, cgroupsPath);
  const bundle = match?.path ?? null;
  const container = "container" in event ? event.container : undefined;
  return {
    type: "explain",
    index,
    event: event.name,
    id: container?.id ?? event.pod.id,
    sandboxId: event.pod.id,
    pod: `${event.pod.namespace}/${event.pod.name}`,
    container: container?.name ?? null,
    /** What the bridge would answer when it is no OK, though each plugin did well: its conf.json cannot be read, say. */
    error: answer?.outcome.error ?? null,
    plugins: runs.map((run) => describeRun(run, bundle, config, given.confName)),
    bundle,
    unknown: given.unknown,
  } as const;
}

function describeRun({ call, run }: RunReport, bundle: string | null, config: Config, confName: string) {
  const settings = pluginSettings(config, run.plugin);
  const { phase, onFailure, timeoutMs, exitStatus, killChildren, async, breaker, limits } = settings;
  const failure =
    run.state === "delete" ? onFailure.delete : run.state === "update" ? onFailure.update : onFailure.create;
  return {
    plugin: run.plugin,
    path: run.path,
    state: run.state,
    outcome: run.outcome === "ok" ? "would run" : run.outcome,
    error: run.error,
    hint: run.hint,
    request: run.request,
    policy: { phase, onFailure: failure, timeoutMs, exitStatus, killChildren, async, breaker, limits },
    cgroup: { ...cgroupOf(call.request.spec.cgroupsPath), view: cgroupSeen(settings) },
    sources: sourcesOf(run.request, run.state, bundle, confName),
  };
}

/** Where a path is below the cgroup mount: systemd's `slice:prefix:name` is no path. */
function cgroupOf(path: string) {
  try {
    return { path, directory: path === "" ? null : resolveCgroupsPath(path), problem: null };
  } catch (error) {
    return { path, directory: null, problem: errorText(error) };
  }
}

/** Each field of a request with where it comes from, in the request's order. */
function sourcesOf(request: string, state: string, bundle: string | null, confName: string) {
  const from = bundle ?? "the event";
  const remembered = "what was remembered of the create";
  const later = state === "delete" || state === "update";
  const known: Readonly<Record<string, string>> = {
    conf: confName,
    version: confName,
    state: "the event's name and the configuration",
    id: "the event",
    sandboxID: "the event",
    pid: later ? remembered : "the event",
    spec: later ? `${remembered} (${from}), with the resources of the event` : from,
    labels: "the event: the pod's labels",
    nri: "the event (request: superset)",
    results: "the plugins before it: here as if each had answered that all is well",
  };
  const keys = Object.keys(JSON.parse(request));
  return Object.fromEntries(keys.map((key) => [key, known[key] ?? "unknown"]));
}

/** The same for people. */
export function formatEvent(explanation: EventExplanation): string {
  const { index, event, id, pod, container, error, plugins, bundle, unknown } = explanation;
  const who = container === null ? `pod ${pod}` : `container ${container} of ${pod}`;
  const lines = [`event ${index}: ${event}, ${who}, ${id.slice(0, 13)}`];
  if (error !== null) lines.push(`  the bridge answers ${error.code}: ${error.message}`);
  else if (plugins.length === 0) lines.push("  no plugin runs for it");
  for (const plugin of plugins) lines.push(...formatPlugin(plugin));
  if (plugins.length > 0) {
    lines.push(bundle === null ? "  spec from the event: no bundle is known" : `  spec from ${bundle}`);
  }
  for (const line of unknown) lines.push(`  not known: ${line}`);
  return `${lines.join("\n")}\n`;
}

function formatPlugin(one: PluginExplanation): readonly string[] {
  const { path, directory, view, problem } = one.cgroup;
  const settings = Object.entries(one.policy).map(
    ([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  const shown = path === "" ? "none" : `${path}${directory === null || directory === path ? "" : ` = ${directory}`}`;
  return [
    `  ${one.plugin} ${one.state}: ${one.outcome}${one.path === "" ? "" : `, ${one.path}`}`,
    ...(one.error === null ? [] : [`    error    ${one.error}`]),
    ...(one.hint === null ? [] : [`    hint     ${one.hint}`]),
    `    request  ${one.request}`,
    `    policy   ${settings.join(", ")}`,
    `    cgroup   ${shown}, ${view}${problem === null ? "" : `; ${problem}`}`,
    ...Object.entries(one.sources).map(([key, from], at) => `    ${at === 0 ? "from  " : "      "}   ${key}: ${from}`),
  ];
}
