import type { Counter, Gauge } from "prom-client";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { synchronizes } from "../nri/versions.js";
import type { CallAnswer, CallWatcher } from "../nri/watch-calls.js";
import type { MetricsServer } from "./metrics-server.js";

/** A metric: its name without the prefix, its labels, and its meaning. */
export interface MetricFacts {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/** containerd's own prefix is `containerd_nri_`. A metric that both have has the same name after the prefix. */
export const metricPrefix = "nri_v01_bridge_";

/**
 * Every metric of the bridge. Tests compare docs/metrics.md and the dashboard with this table.
 *
 * compat: containerd 2.3 (internal/nri/metrics.go) has plugin_invocations_total{plugin,operation,status,error},
 * plugin_latency_seconds{plugin,operation} and active_plugins. Here the label `plugin` is a legacy plugin, and the v0.1 `state`
 * takes the place of its operation; `operation` is the NRI event under containerd's name.
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
    "Time of a legacy plugin that its call waits for, to its end",
  ),
  pluginBreaker: metric(
    "gauge",
    "plugin_breaker_open{plugin}",
    "1 while a plugin is left alone because it kept failing, or is on trial after that",
  ),
  activePlugins: metric("gauge", "active_plugins", "Legacy plugins that conf.json lists now"),
  confReadable: metric(
    "gauge",
    "conf_readable",
    "1 while conf.json can be read, or there is none; at 0 the creates of pods fail",
  ),
  calls: metric("counter", "calls_total{operation,status,error}", "Events of the runtime that were answered"),
  callLatency: metric("histogram", "call_latency_seconds{operation}", "Time from a runtime's event to its answer"),
  ready: metric(
    "gauge",
    "ready",
    "1 while events are delivered: registered and, where the runtime does that, synchronized",
  ),
  reconnects: metric("counter", "reconnects_total", "Registrations after the first one"),
  remembered: metric("gauge", "remembered", "Pods and containers that the bridge remembers a create of"),
  withoutPlugins: metric(
    "gauge",
    "started_without_plugins",
    "Pods and containers that run and started while the bridge was away: no plugin had their create",
  ),
  buildInfo: metric("gauge", "build_info{version,node}", "1 for the version of the bridge and of Node"),
} satisfies Record<string, MetricFacts>;

type MetricKey = keyof typeof metricTable;

/** @param form the metric's name and labels, as in `build_info{version,node}` */
function metric(type: MetricFacts["type"], form: string, help: string): MetricFacts {
  const [name = "", labels] = form.split(/[{}]/);
  return { name, type, labels: labels?.split(",") ?? [], help };
}

/**
 * Upper bounds in seconds. They cover a plugin that only runs `jq`, the 2 s that an NRI v2 runtime waits for an answer, and runs of
 * up to 10 s, which such a runtime does not wait for.
 */
const latencyBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 5, 10] as const;

/**
 * At most this many pairs of plugin and state have time series of their own; the others share one. The bridge takes 50 ms to make a
 * page of this size, and answers no event meanwhile.
 */
const mostSeries = 192;
const mostListed = 64;
const otherLabel = "_other";
const longestLabel = 100;

/** Sources that the bridge asks at each scrape and each probe; it keeps no value. */
export interface MetricsSources {
  /** Whether the runtime has registered and configured the bridge, and is still connected. */
  registered(): boolean;
  /** Whether the runtime has also synchronized the bridge. */
  synchronized(): boolean;
  /** Reasons other than registration why plugins do not run, each in a few words. */
  notices(): readonly string[];
  /** Plugin types that conf.json lists; undefined when it cannot be read. */
  plugins(): readonly string[] | undefined;
  breakerOf(plugin: string): string;
  /** The number of pods and containers whose create the bridge remembers. */
  remembered(): number;
  /** The number of running pods and containers that started while the bridge was away. */
  withoutPlugins(): number;
}

interface PluginRun {
  readonly plugin: string;
  /** The v0.1 state of the request: create, delete, update, or one that only this plugin knows. */
  readonly state: string;
  /** `ok`, or why the run failed. */
  readonly outcome: string;
  readonly durationMs: number;
}

interface MetricsOptions {
  readonly sources: MetricsSources;
  readonly version: string;
  readonly log: Log;
  /** Milliseconds until the bridge tries an address again that it could not listen at: another program may use the port. */
  readonly retryMs?: number;
}

/**
 * Metrics and health. Without an address the bridge loads and counts nothing. A server that fails costs the metrics, never an
 * event.
 */
export class Metrics {
  private registry: Awaited<ReturnType<typeof createRegistry>> | undefined;
  private server: MetricsServer | undefined;
  private wanted: string | null = null;
  private connection: Connection | undefined;
  private registrations = 0;
  private changing: Promise<void> = Promise.resolve();
  private retry: NodeJS.Timeout | undefined;
  /** Whether the bridge has logged already that it cannot serve metrics at the wanted address. */
  private told = false;

  constructor(private readonly options: MetricsOptions) {}

  /** Serves metrics at this address from now on; null stops serving. A new address keeps the counts. Throws nothing. */
  listen(text: string | null): Promise<void> {
    this.changing = this.changing.then(() => this.change(text));
    return this.changing;
  }

  /** Observes the runtime's calls. */
  readonly watcher: CallWatcher = {
    configured: (runtime) => {
      this.connection = { runtime, hadEvent: false };
      this.registrations += 1;
    },
    began: () => {
      if (this.connection?.hadEvent === false) this.connection = { ...this.connection, hadEvent: true };
    },
    ended: (event, _call, answer) => this.registry?.callAnswered(event.name, answer),
  };

  pluginRan(run: PluginRun): void {
    this.registry?.pluginRan(run);
  }

  private async change(text: string | null): Promise<void> {
    if (text === this.wanted && (text === null || this.server !== undefined)) return;
    if (text !== this.wanted) this.told = false;
    this.wanted = text;
    clearTimeout(this.retry);
    await this.server?.close();
    this.server = undefined;
    if (text === null) return;
    const { log, retryMs = 3_000 } = this.options;
    try {
      this.server = await this.serve(text);
      this.told = false;
      log.info({ address: text }, "the bridge serves metrics");
    } catch (error) {
      this.retry = setTimeout(() => void this.listen(text), retryMs).unref();
      if (this.told) return;
      this.told = true;
      const fields = { address: text, error: errorText(error), againEachMs: retryMs };
      log.error(fields, "the bridge cannot serve metrics: it goes on without them, and tries again");
    }
  }

  private async serve(text: string): Promise<MetricsServer> {
    const { sources, version } = this.options;
    const readiness = () => readinessOf(sources, this.connection);
    const [isReady, registrations] = [() => readiness().ok, () => this.registrations] as const;
    this.registry ??= await createRegistry(sources, version, isReady, registrations);
    const { registry } = this;
    const { serveMetrics } = await import("./metrics-server.js");
    return serveMetrics(text, { metrics: () => registry.page(), readyz: readiness });
  }
}

/** Loads the Prometheus client, which a bridge without metrics never loads, and makes the metrics of `metricTable`. */
async function createRegistry(
  sources: MetricsSources,
  version: string,
  isReady: () => boolean,
  registrations: () => number,
) {
  const { client } = await import("./metrics-server.js");
  const registry = new client.Registry();
  // 100 ms: the default (10 ms) would wake the process a hundred times a second.
  client.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });

  const about = <Its>(key: MetricKey, look: (its: Its) => void = () => {}) => {
    const { name, help, labels } = metricTable[key];
    function collect(this: Its) {
      look(this);
    }
    return { name: `${metricPrefix}${name}`, help, labelNames: [...labels], registers: [registry], collect };
  };
  const counter = (key: MetricKey, look?: (its: Counter) => void) => new client.Counter(about(key, look));
  const gauge = (key: MetricKey, look?: (its: Gauge) => void) => new client.Gauge(about(key, look));
  const histogram = (key: MetricKey) => new client.Histogram({ ...about(key), buckets: [...latencyBuckets] });

  const known = new Set<string>();
  const seriesOf = (name: string, state: string) => {
    const plugin = name.slice(0, longestLabel);
    const series = `${plugin} ${state}`;
    if (known.size >= mostSeries && !known.has(series)) return { plugin: otherLabel, state: otherLabel };
    known.add(series);
    return { plugin, state };
  };
  const listed = () => sources.plugins()?.slice(0, mostListed) ?? [];

  // PromQL's increase() does not see the first timeout of a series that begins with it. So the series of each plugin that conf.json
  // lists begin at 0.
  const invocations = counter("pluginInvocations", (its) => {
    for (const plugin of listed()) {
      for (const state of ["create", "delete"]) {
        its.inc({ ...seriesOf(plugin, state), status: "error", error: "timed_out" }, 0);
      }
    }
  });
  const latency = histogram("pluginLatency");
  const calls = counter("calls");
  const callLatency = histogram("callLatency");
  gauge("buildInfo").set({ version, node: process.version }, 1);
  gauge("ready", (its) => its.set(isReady() ? 1 : 0));
  gauge("remembered", (its) => its.set(sources.remembered()));
  gauge("withoutPlugins", (its) => its.set(sources.withoutPlugins()));
  gauge("confReadable", (its) => its.set(sources.plugins() === undefined ? 0 : 1));
  gauge("activePlugins", (its) => its.set(sources.plugins()?.length ?? 0));
  gauge("pluginBreaker", (its) => {
    its.reset();
    for (const name of listed()) {
      its.set({ plugin: name.slice(0, longestLabel) }, sources.breakerOf(name) === "closed" ? 0 : 1);
    }
  });
  counter("reconnects", (its) => {
    its.reset();
    its.inc(Math.max(0, registrations() - 1));
  });
  return {
    /** The text of /metrics, with the values that the sources give at this moment. */
    page: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    pluginRan({ plugin, state, outcome, durationMs }: PluginRun) {
      const labels = seriesOf(plugin, state);
      invocations.inc({ ...labels, ...statusOf(outcome === "ok" ? undefined : outcome) });
      latency.observe(labels, durationMs / 1000);
    },
    callAnswered(operation: string, { error, durationMs }: Pick<CallAnswer, "error" | "durationMs">) {
      calls.inc({ operation, ...statusOf(error?.code) });
      callLatency.observe({ operation }, durationMs / 1000);
    },
  };
}

/** The labels for a success or a failure. compat: containerd's metrics write label values in snake case. */
function statusOf(error: string | undefined) {
  return { status: error === undefined ? "success" : "error", error: error?.toLowerCase().replaceAll("-", "_") ?? "" };
}

export interface Health {
  readonly ok: boolean;
  readonly text: string;
}

/** Facts about the present connection to the runtime. */
interface Connection {
  readonly runtime: RuntimeInfo;
  /** Whether an event has come on this connection: then the runtime delivers events, synchronized or not. */
  readonly hadEvent: boolean;
}

type Sources = Pick<MetricsSources, "registered" | "synchronized" | "notices">;

/**
 * Whether the runtime delivers events to the bridge: registered, and synchronized where the runtime does that. The text also says
 * what keeps plugins from running.
 */
export function readinessOf(sources: Sources, connection: Connection | undefined): Health {
  const { ok, text } = deliveryOf(sources, connection);
  return { ok, text: [text, ...sources.notices()].join("; ") };
}

/** compat: containerd before 1.7.26 does not synchronize the plugins that it launches (nri adaptation.startPlugins). */
function deliveryOf(sources: Sources, connection: Connection | undefined): Health {
  if (!sources.registered() || connection === undefined) return { ok: false, text: "not registered with the runtime" };
  const { runtime, hadEvent } = connection;
  if (sources.synchronized()) return { ok: true, text: `ready; synchronized with ${runtime.name} ${runtime.version}` };
  if (hadEvent || !synchronizes(runtime)) {
    return { ok: true, text: `ready; registered with ${runtime.name} ${runtime.version}, which did not synchronize` };
  }
  return { ok: false, text: "registered, not yet synchronized with the runtime" };
}
