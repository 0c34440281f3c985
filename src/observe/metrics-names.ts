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
export const latencyBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 5, 10] as const;

/**
 * Every metric of the bridge; docs/metrics.md and the dashboard are tested against this table.
 *
 * compat: containerd 2.3 (internal/nri/metrics.go) has plugin_invocations_total{plugin,operation,status,error},
 * plugin_latency_seconds{plugin,operation}, plugin_adjustments_total{plugin,operation,type} and active_plugins. Here
 * `plugin` is a legacy plugin and its operation is the v0.1 `state`; `operation` is the NRI event, as containerd says it.
 */
export const metricTable = {
  pluginInvocations: {
    name: "plugin_invocations_total",
    type: "counter",
    labels: ["plugin", "state", "status", "error"],
    help: "Runs of legacy plugins; error says why one failed: timed_out, bad_output, reported and so on",
  },
  pluginLatency: {
    name: "plugin_latency_seconds",
    type: "histogram",
    labels: ["plugin", "state"],
    help: "Time from the start of a legacy plugin to its end",
  },
  pluginDeadlineMisses: {
    name: "plugin_deadline_misses_total",
    type: "counter",
    labels: ["plugin", "state"],
    help: "Runs of legacy plugins that were ended because their time was up",
  },
  pluginAdjustments: {
    name: "plugin_adjustments_total",
    type: "counter",
    labels: ["plugin", "state", "type"],
    help: "Changes that legacy plugins asked for, by field of the container",
  },
  pluginBreaker: {
    name: "plugin_breaker_state",
    type: "gauge",
    labels: ["plugin", "breaker"],
    help: "1 for the state that a plugin's breaker is in: closed, open or half_open",
  },
  activePlugins: {
    name: "active_plugins",
    type: "gauge",
    labels: [],
    help: "Legacy plugins that conf.json lists now",
  },
  confReadable: {
    name: "conf_readable",
    type: "gauge",
    labels: [],
    help: "1 while conf.json can be read, or there is none; at 0 the creates of pods fail",
  },
  calls: {
    name: "calls_total",
    type: "counter",
    labels: ["operation", "status", "error"],
    help: "Events of the runtime that were answered",
  },
  callLatency: {
    name: "call_latency_seconds",
    type: "histogram",
    labels: ["operation"],
    help: "Time from a runtime's event to its answer",
  },
  registered: {
    name: "registered",
    type: "gauge",
    labels: [],
    help: "1 while the runtime has registered and configured the bridge",
  },
  ready: {
    name: "ready",
    type: "gauge",
    labels: [],
    help: "1 while events are delivered: registered and, where the runtime does that, synchronized",
  },
  reconnects: {
    name: "reconnects_total",
    type: "counter",
    labels: [],
    help: "Registrations after the first one",
  },
  lastEvent: {
    name: "last_event_timestamp_seconds",
    type: "gauge",
    labels: [],
    help: "When the last event came, in seconds since 1970; 0 when none has",
  },
  remembered: {
    name: "remembered",
    type: "gauge",
    labels: [],
    help: "Pods and containers that the bridge remembers a create of",
  },
  journalSize: {
    name: "journal_size_bytes",
    type: "gauge",
    labels: [],
    help: "Size of the journal on disk; absent when the state is in memory only",
  },
  eventLoopLag: {
    name: "event_loop_lag_seconds",
    type: "gauge",
    labels: [],
    help: "The longest that the event loop was held up in the last 10 seconds",
  },
  runtimeInfo: {
    name: "runtime_info",
    type: "gauge",
    labels: ["runtime", "version", "nri"],
    help: "1 for the runtime that the bridge is connected to",
  },
  buildInfo: {
    name: "build_info",
    type: "gauge",
    labels: ["version", "node"],
    help: "1 for the version of the bridge and of Node",
  },
} as const satisfies Record<string, MetricFacts>;

export type MetricKey = keyof typeof metricTable;
