import type { Counter, Gauge, Registry } from "prom-client";
import type { RuntimeInfo } from "../nri/handlers.js";
import { formatVersion } from "../nri/versions.js";
import type { CallAnswer } from "../watch-calls.js";
import { latencyBuckets, type MetricKey, metricPrefix, metricTable } from "./names.js";
import { breakerStates, type MetricsSources, type PluginChange, type PluginRun } from "./sources.js";

/** The metrics themselves, once they are wanted. */
export type MetricsRegistry = Awaited<ReturnType<typeof createMetricsRegistry>>;

export interface RegistryOptions {
  readonly sources: MetricsSources;
  readonly isReady: () => boolean;
  readonly lagMs: () => number;
  readonly version: string;
}

/** At most so many plugins, states and fields have time series of their own. */
const limits = { plugin: 64, state: 16, type: 64 } as const;

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
  const listed = () => new Set(sources.plugins()?.slice(0, limits.plugin));
  const plugin = createLabelLimit(limits.plugin);
  const state = createLabelLimit(limits.state);
  const type = createLabelLimit(limits.type);

  const invocations = counter("pluginInvocations");
  const latency = histogram("pluginLatency");
  // increase() sees nothing of a series that begins with its first miss: what conf.json lists is at 0 before.
  const misses = counter("pluginDeadlineMisses", (its) => {
    for (const name of listed()) {
      for (const each of sources.statesOf?.(name) ?? usualStates) {
        its.inc({ plugin: plugin(name), state: state(each) }, 0);
      }
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
        its.set({ plugin: plugin(name), breaker: toSnake(breaker) }, breaker === current ? 1 : 0);
      }
    }
  });

  let registrations = 0;
  return {
    contentType: registry.contentType,
    /** The exposition, with what is asked of the sources at this moment. */
    text: () => registry.metrics(),
    pluginRan(run: PluginRun) {
      const labels = { plugin: plugin(run.plugin), state: state(run.state) };
      const ok = run.outcome === "ok";
      invocations.inc({ ...labels, status: ok ? "success" : "error", error: ok ? "" : toSnake(run.outcome) });
      latency.observe(labels, run.durationMs / 1000);
      misses.inc(labels, run.outcome === "timed-out" ? 1 : 0);
    },
    pluginAdjusted(change: PluginChange) {
      const labels = { plugin: plugin(change.plugin), state: state(change.state) };
      for (const field of change.fields) adjustments.inc({ ...labels, type: type(adjustmentType(field)) });
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

/** What stands for every value past a limit. */
export const overflowLabel = "_other";

const longestLabel = 100;

/**
 * Keeps a label's values few: each one is a time series, and conf.json is edited by installers. The first `limit`
 * values keep their names, the others share one.
 */
export function createLabelLimit(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    const label = value.slice(0, longestLabel);
    if (known.has(label)) return label;
    if (known.size >= limit) return overflowLabel;
    known.add(label);
    return label;
  };
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
