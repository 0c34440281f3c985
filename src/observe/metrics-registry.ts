import type { Counter, Gauge, Registry } from "prom-client";
import type { RuntimeInfo } from "../nri/handlers.js";
import { formatVersion } from "../nri/versions.js";
import type { CallAnswer } from "../nri/watch-calls.js";
import { latencyBuckets, type MetricKey, metricPrefix, metricTable } from "./metrics-names.js";
import { breakerStates, type MetricsSources, type PluginChange, type PluginRun } from "./metrics-sources.js";

/** The metrics themselves, once they are wanted. */
export type MetricsRegistry = Awaited<ReturnType<typeof createMetricsRegistry>>;

export interface RegistryOptions {
  readonly sources: MetricsSources;
  readonly isReady: () => boolean;
  readonly lagMs: () => number;
  readonly version: string;
}

/**
 * At most so many plugins in a state, and changes of theirs, have time series of their own: a page of them all is written within
 * 50 ms, in which no event is answered.
 */
const limits = { plugins: 64, runs: 192, changes: 512 } as const;

const usualStates = ["create", "delete"] as const;

/** Loads the Prometheus client, which a bridge without metrics never does, and makes the metrics of the table. */
export async function createMetricsRegistry(options: RegistryOptions) {
  const client = await import("prom-client");
  const registry: Registry = new client.Registry();
  // 100 ms: the default would wake the process a hundred times a second.
  client.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });

  const about = (key: MetricKey) => {
    const { name, help, labels } = metricTable[key];
    return { name: `${metricPrefix}${name}`, help, labelNames: [...labels], registers: [registry] };
  };
  const counter = (key: MetricKey, collect = (_its: Counter) => {}): Counter =>
    new client.Counter({
      ...about(key),
      collect() {
        collect(this);
      },
    });
  const gauge = (key: MetricKey, collect = (_its: Gauge) => {}): Gauge =>
    new client.Gauge({
      ...about(key),
      collect() {
        collect(this);
      },
    });
  const histogram = (key: MetricKey) => new client.Histogram({ ...about(key), buckets: [...latencyBuckets] });

  const { sources } = options;
  const listed = () => new Set(sources.plugins()?.slice(0, limits.plugins));
  const limitRuns = createSeriesLimit(limits.runs);
  const limitChanges = createSeriesLimit(limits.changes);

  const invocations = counter("pluginInvocations");
  const latency = histogram("pluginLatency");
  // increase() sees nothing of a series that begins with its first miss: what conf.json lists is at 0 before.
  const misses = counter("pluginDeadlineMisses", (its) => {
    for (const name of listed()) {
      for (const state of sources.statesOf?.(name) ?? usualStates) its.inc(limitRuns({ plugin: name, state }), 0);
    }
  });
  const adjustments = counter("pluginAdjustments");
  const calls = counter("calls");
  const callLatency = histogram("callLatency");
  const reconnects = counter("reconnects");
  const lastEvent = gauge("lastEvent");
  const runtimeInfo = gauge("runtimeInfo");
  gauge("buildInfo").set({ version: options.version, node: process.version }, 1);
  gauge("registered", (its) => its.set(sources.registered() ? 1 : 0));
  gauge("ready", (its) => its.set(options.isReady() ? 1 : 0));
  gauge("remembered", (its) => its.set(sources.remembered()));
  gauge("eventLoopLag", (its) => its.set(options.lagMs() / 1000));
  gauge("confReadable", (its) => its.set(sources.plugins() === undefined ? 0 : 1));
  gauge("activePlugins", (its) => its.set(sources.plugins()?.length ?? 0));
  gauge("journalSize", (its) => {
    const bytes = sources.journalBytes();
    // A gauge without labels is 0 from the start, which here would be a lie.
    if (bytes === undefined) its.remove();
    else its.set(bytes);
  });
  gauge("pluginBreaker", (its) => {
    its.reset();
    for (const name of listed()) {
      const current = sources.breakerOf(name);
      for (const breaker of breakerStates) {
        const plugin = name.slice(0, longestLabel);
        its.set({ plugin, breaker: toSnake(breaker) }, breaker === current ? 1 : 0);
      }
    }
  });

  let registrations = 0;
  return {
    contentType: registry.contentType,
    /** The exposition, with what is asked of the sources at this moment. */
    text: () => registry.metrics(),
    pluginRan({ plugin, state, outcome, durationMs }: PluginRun) {
      const labels = limitRuns({ plugin, state });
      const ok = outcome === "ok";
      invocations.inc({ ...labels, status: ok ? "success" : "error", error: ok ? "" : toSnake(outcome) });
      latency.observe(labels, durationMs / 1000);
      misses.inc(labels, outcome === "timed-out" ? 1 : 0);
    },
    pluginAdjusted({ plugin, state, fields }: PluginChange) {
      for (const field of fields) adjustments.inc(limitChanges({ plugin, state, type: adjustmentType(field) }));
    },
    callAnswered(operation: string, { error, durationMs }: Pick<CallAnswer, "error" | "durationMs">) {
      calls.inc({
        operation,
        status: error === undefined ? "success" : "error",
        error: error?.code.toLowerCase() ?? "",
      });
      callLatency.observe({ operation }, durationMs / 1000);
    },
    eventCame: (atMs: number) => lastEvent.set(atMs / 1000),
    configured({ name, version, nri }: RuntimeInfo) {
      registrations += 1;
      if (registrations > 1) reconnects.inc();
      runtimeInfo.reset();
      runtimeInfo.set({ runtime: name.slice(0, 64), version: version.slice(0, 64), nri: formatVersion(nri) }, 1);
    },
  };
}

/** What stands for the values past a limit. */
export const overflowLabel = "_other";

const longestLabel = 100;

type Labels = Readonly<Record<string, string>>;

/**
 * Keeps time series few, since conf.json is edited by installers. The first `limit` combinations of labels keep their values, the
 * others share one.
 */
export function createSeriesLimit(limit: number): (labels: Labels) => Labels {
  const known = new Set<string>();
  return (labels) => {
    const cut = mapLabels(labels, (value) => value.slice(0, longestLabel));
    const series = Object.values(cut).join("\n");
    if (known.size >= limit && !known.has(series)) return mapLabels(labels, () => overflowLabel);
    known.add(series);
    return cut;
  };
}

function mapLabels(labels: Labels, change: (value: string) => string): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, change(value)]));
}

/** Adjust keys that are a family, with a name of the plugin's choice behind the first dot. */
const families: ReadonlySet<string> = new Set([
  ..."annotation env mount device rlimit hook cdi sysctl hugepage unified update".split(" "),
]);

/**
 * What of a container an adjust key is about: `cpu.shares`, `env`, and `update` for another container's, as containerd's
 * own metric says it. Few enough for a label.
 */
export function adjustmentType(field: string): string {
  const [family = ""] = field.split(".");
  return families.has(family) ? family : field;
}

/** compat: containerd's metrics write label values in snake case. */
function toSnake(text: string): string {
  return text.replaceAll("-", "_");
}
