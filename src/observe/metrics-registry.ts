import type { Counter, Gauge, Registry } from "prom-client";
import type { RuntimeInfo } from "../nri/handlers.js";
import { formatVersion } from "../nri/versions.js";
import type { CallAnswer } from "../nri/watch-calls.js";

/** The metrics themselves, once they are wanted. */
export type MetricsRegistry = Awaited<ReturnType<typeof createMetricsRegistry>>;

interface RegistryOptions {
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
  ..."annotation env mount device rlimit hook cdi sysctl hugepage unified namespace netDevice evict update".split(" "),
]);

/**
 * What of a container an adjust key is about: `cpu.shares`, `env`, and `update` for another container's, as containerd's
 * own metric says it. Few enough for a label.
 */
function adjustmentType(field: string): string {
  const [family = ""] = field.split(".");
  return families.has(family) ? family : field;
}

/** compat: containerd's metrics write label values in snake case. */
function toSnake(text: string): string {
  return text.replaceAll("-", "_");
}

/** What a metric is: its name without the prefix, its labels, and what it tells. */
export interface MetricFacts {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/** Beside containerd's own `containerd_nri_`: the rest of a name says the same thing where both have it. */
export const metricPrefix = "nri_v01_bridge_";

/**
 * Upper bounds in seconds: from a plugin that is one `jq` to the 2 s that an NRI v2 runtime waits, and to the 10 s of what
 * it does not wait for.
 */
const latencyBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 5, 10] as const;

/**
 * Every metric of the bridge; docs/metrics.md and the dashboard are tested against this table.
 *
 * compat: containerd 2.3 (internal/nri/metrics.go) has plugin_invocations_total{plugin,operation,status,error},
 * plugin_latency_seconds{plugin,operation}, plugin_adjustments_total{plugin,operation,type} and active_plugins. Here
 * `plugin` is a legacy plugin and its operation is the v0.1 `state`; `operation` is the NRI event, as containerd says it.
 */
export const metricTable = {
  pluginInvocations: metric(
    "counter",
    "plugin_invocations_total{plugin,state,status,error}",
    "Runs of legacy plugins; error says why one failed: timed_out, bad_output, reported and so on",
  ),
  pluginLatency: metric(
    "histogram",
    "plugin_latency_seconds{plugin,state}",
    "Time from the start of a legacy plugin to its end",
  ),
  pluginDeadlineMisses: metric(
    "counter",
    "plugin_deadline_misses_total{plugin,state}",
    "Runs of legacy plugins that were ended because their time was up",
  ),
  pluginAdjustments: metric(
    "counter",
    "plugin_adjustments_total{plugin,state,type}",
    "Changes that legacy plugins asked for, by field of the container",
  ),
  pluginBreaker: metric(
    "gauge",
    "plugin_breaker_state{plugin,breaker}",
    "1 for the state that a plugin's breaker is in: closed, open or half_open",
  ),
  activePlugins: metric("gauge", "active_plugins", "Legacy plugins that conf.json lists now"),
  confReadable: metric(
    "gauge",
    "conf_readable",
    "1 while conf.json can be read, or there is none; at 0 the creates of pods fail",
  ),
  calls: metric("counter", "calls_total{operation,status,error}", "Events of the runtime that were answered"),
  callLatency: metric("histogram", "call_latency_seconds{operation}", "Time from a runtime's event to its answer"),
  registered: metric("gauge", "registered", "1 while the runtime has registered and configured the bridge"),
  ready: metric(
    "gauge",
    "ready",
    "1 while events are delivered: registered and, where the runtime does that, synchronized",
  ),
  reconnects: metric("counter", "reconnects_total", "Registrations after the first one"),
  lastEvent: metric(
    "gauge",
    "last_event_timestamp_seconds",
    "When the last event came, in seconds since 1970; 0 when none has",
  ),
  remembered: metric("gauge", "remembered", "Pods and containers that the bridge remembers a create of"),
  journalSize: metric(
    "gauge",
    "journal_size_bytes",
    "Size of the journal on disk; absent when the state is in memory only",
  ),
  eventLoopLag: metric(
    "gauge",
    "event_loop_lag_seconds",
    "The longest that the event loop was held up in the last 10 seconds",
  ),
  runtimeInfo: metric(
    "gauge",
    "runtime_info{runtime,version,nri}",
    "1 for the runtime that the bridge is connected to",
  ),
  buildInfo: metric("gauge", "build_info{version,node}", "1 for the version of the bridge and of Node"),
} satisfies Record<string, MetricFacts>;

type MetricKey = keyof typeof metricTable;

/** @param form name and labels, as in `build_info{version,node}` */
function metric(type: MetricFacts["type"], form: string, help: string): MetricFacts {
  const [name = "", labels] = form.split(/[{}]/);
  return { name, type, labels: labels?.split(",") ?? [], help };
}

/** The states of a breaker, as bridge/breaker has them. */
export const breakerStates = ["closed", "open", "half-open"] as const;
export type BreakerState = (typeof breakerStates)[number];

/** What is asked when somebody scrapes; nothing of it is kept. */
export interface MetricsSources {
  /** The runtime has registered and configured us, and is still there. */
  registered(): boolean;
  /** It has synchronized us too. */
  synchronized(): boolean;
  /** What keeps plugins from running beside that, each in a few words; nothing where this is not there. */
  notices?(): readonly string[];
  /** Plugin types that conf.json lists; undefined when it cannot be read. */
  plugins(): readonly string[] | undefined;
  /** The states that a plugin is run for; those of containerd 1.6 where this is not there. */
  statesOf?(plugin: string): readonly string[];
  breakerOf(plugin: string): BreakerState;
  /** Pods and containers that a create is remembered of. */
  remembered(): number;
  /** Undefined when the state is in memory only. */
  journalBytes(): number | undefined;
}

/** One run of a legacy plugin. */
export interface PluginRun {
  readonly plugin: string;
  /** create, delete, update, or a state of the plugin's own. */
  readonly state: string;
  /** `ok`, or why it failed. */
  readonly outcome: string;
  readonly durationMs: number;
}

/** What a legacy plugin asked to change. */
export interface PluginChange {
  readonly plugin: string;
  readonly state: string;
  /** Adjust keys, each counted once: `cpu.shares`, `env.DEBUG`. */
  readonly fields: readonly string[];
}
