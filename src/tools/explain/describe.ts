import type { RunReport } from "../../bridge/chain.js";
import { findBundle } from "../../v01/bundle.js";
import type { Explained, Given } from "./play.js";

type EventExplanation = ReturnType<typeof describeEvent>;
type PluginExplanation = EventExplanation["plugins"][number];

/** An event with the request to each plugin and the source of each field, as `explain --json` prints it. */
export function describeEvent({ event, index, runs, answer }: Explained, given: Given) {
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
    /** The error that the bridge answers although no plugin failed, for example because it cannot read conf.json; else null. */
    error: answer?.outcome.error ?? null,
    plugins: runs.map((run) => describeRun(run, bundle, given.confName)),
    bundle,
    unknown: given.unknown,
  } as const;
}

function describeRun({ run }: RunReport, bundle: string | null, confName: string) {
  const { plugin, path, state, outcome, error, hint, request } = run;
  const sources = sourcesOf(request, state, bundle, confName);
  return { plugin, path, state, outcome: outcome === "ok" ? "would run" : outcome, error, hint, request, sources };
}

/** The source of each field of a request, in the order of the request. */
function sourcesOf(request: string, state: string, bundle: string | null, confName: string) {
  const from = bundle ?? "the event";
  const remembered = "remembered from the create";
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
    results: "the plugins before it: here as if each had succeeded",
  };
  const keys = Object.keys(JSON.parse(request));
  return Object.fromEntries(keys.map((key) => [key, known[key] ?? "unknown"]));
}

export function formatEvent(explanation: EventExplanation): string {
  const { index, event, id, pod, container, error, plugins, bundle, unknown } = explanation;
  const who = container === null ? `pod ${pod}` : `container ${container} of ${pod}`;
  const lines = [`event ${index}: ${event}, ${who}, ${id.slice(0, 13)}`];
  if (error !== null) lines.push(`  the bridge answers ${error.code}: ${error.message}`);
  else if (plugins.length === 0) lines.push("  no plugin runs for it");
  for (const plugin of plugins) lines.push(...formatPlugin(plugin));
  if (plugins.length > 0) {
    lines.push(bundle === null ? "  spec from the event: no bundle found" : `  spec from ${bundle}`);
  }
  for (const line of unknown) lines.push(`  not known: ${line}`);
  return `${lines.join("\n")}\n`;
}

function formatPlugin({ plugin, path, state, outcome, error, hint, request, sources }: PluginExplanation) {
  return [
    `  ${plugin} ${state}: ${outcome}${path === "" ? "" : `, ${path}`}`,
    ...(error === null ? [] : [`    error    ${error}`]),
    ...(hint === null ? [] : [`    hint     ${hint}`]),
    `    request  ${request}`,
    ...Object.entries(sources).map(([key, from], at) => `    ${at === 0 ? "from  " : "      "}   ${key}: ${from}`),
  ];
}
