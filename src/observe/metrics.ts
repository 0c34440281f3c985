import { type Clock, monotonicClock } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { synchronizes } from "../nri/versions.js";
import type { CallWatcher } from "../nri/watch-calls.js";
import {
  createMetricsRegistry,
  type MetricsRegistry,
  type MetricsSources,
  type PluginChange,
  type PluginRun,
} from "./metrics-registry.js";
import {
  formatMetricsAddress,
  type MetricsAddress,
  type MetricsServer,
  parseMetricsAddress,
  serveMetrics,
} from "./metrics-server.js";

interface MetricsOptions {
  readonly sources: MetricsSources;
  readonly version: string;
  readonly log: Log;
  /** Until an address is tried again that cannot be had, in milliseconds: a port may be another program's for a while. */
  readonly retryMs?: number;
}

const defaultRetryMs = 3_000;

/**
 * Metrics and health, off until `listen` is given an address: until then nothing is loaded, counted or timed. A listener
 * that fails costs the metrics, never an event.
 */
export class Metrics {
  private registry: MetricsRegistry | undefined;
  private heart: Heart | undefined;
  private server: MetricsServer | undefined;
  private wanted: string | null = null;
  private connection: Connection | undefined;
  private changing: Promise<void> = Promise.resolve();
  private retry: NodeJS.Timeout | undefined;
  /** The log has said that the wanted address cannot be served. */
  private told = false;

  constructor(private readonly options: MetricsOptions) {}

  /** Listens there from now on, or no longer (null). The counts go on over a change of the address. Throws nothing. */
  listen(text: string | null): Promise<void> {
    this.changing = this.changing.then(() => this.change(text));
    return this.changing;
  }

  /** To be told of the runtime's calls. */
  readonly watcher: CallWatcher = {
    configured: (runtime) => {
      this.connection = { runtime, hadEvent: false };
      this.registry?.configured(runtime);
    },
    began: () => {
      if (this.connection?.hadEvent === false) this.connection = { ...this.connection, hadEvent: true };
      this.registry?.eventCame(Date.now());
    },
    ended: (event, _call, answer) => this.registry?.callAnswered(event.name, answer),
  };

  pluginRan(run: PluginRun): void {
    this.registry?.pluginRan(run);
  }

  pluginAdjusted(change: PluginChange): void {
    this.registry?.pluginAdjusted(change);
  }

  private readiness() {
    return readinessOf(this.options.sources, this.connection);
  }

  private async change(text: string | null): Promise<void> {
    if (text === this.wanted && (text === null || this.server !== undefined)) return;
    if (text !== this.wanted) this.told = false;
    this.wanted = text;
    clearTimeout(this.retry);
    await this.server?.close();
    this.server = undefined;
    if (text === null) return;
    const { log, retryMs = defaultRetryMs } = this.options;
    try {
      this.server = await this.serve(parseMetricsAddress(text));
      this.told = false;
      log.info({ address: formatMetricsAddress(this.server.address) }, "metrics are served");
    } catch (error) {
      this.retry = setTimeout(() => void this.listenAgain(text), retryMs).unref();
      if (this.told) return;
      this.told = true;
      log.error(
        { address: text, error: errorText(error), againEachMs: retryMs },
        "metrics cannot be served: the bridge goes on without them, and tries again",
      );
    }
  }

  private listenAgain(text: string): Promise<void> {
    this.changing = this.changing.then(() => (this.wanted === text ? this.change(text) : undefined));
    return this.changing;
  }

  private async serve(address: MetricsAddress): Promise<MetricsServer> {
    const registry = await this.start();
    return serveMetrics(address, {
      metrics: async () => ({ contentType: registry.contentType, text: await registry.text() }),
      healthz: () => healthOf(this.heart?.lagMs() ?? 0),
      readyz: () => this.readiness(),
    });
  }

  private async start(): Promise<MetricsRegistry> {
    const { sources, version } = this.options;
    if (this.registry !== undefined) return this.registry;
    this.heart ??= startHeart();
    const { heart } = this;
    this.registry = await createMetricsRegistry({
      sources,
      version,
      isReady: () => this.readiness().ok,
      lagMs: () => heart.lagMs(),
    });
    // In launched mode the address comes with Configure, which the registry then has missed.
    if (this.connection !== undefined) this.registry.configured(this.connection.runtime);
    return this.registry;
  }
}

/** An answer to a probe: 200 when there is no reason against it. */
export interface Health {
  readonly ok: boolean;
  readonly text: string;
}

/** The event loop may be held up so long before the bridge counts as dead: longer than any call of a runtime lasts. */
const maxLagMs = 5_000;

/** Whether the process does its work: a probe that fails here is mended by a restart. */
export function healthOf(lagMs: number): Health {
  const lag = `event loop: late by ${Math.round(lagMs)} ms at most in the last 10 s`;
  return lagMs <= maxLagMs ? { ok: true, text: `ok; ${lag}` } : { ok: false, text: `not ok; ${lag}` };
}

/** What was seen on the present connection. */
export interface Connection {
  readonly runtime: RuntimeInfo;
  /** An event has come: whatever was said before, events are delivered. */
  readonly hadEvent: boolean;
}

type Sources = Pick<MetricsSources, "registered" | "synchronized" | "notices">;

/** Whether events are delivered: registered, and synchronized where the runtime does that; and what keeps plugins from running. */
export function readinessOf(sources: Sources, connection: Connection | undefined): Health {
  const { ok, text } = deliveryOf(sources, connection);
  return { ok, text: [text, ...(sources.notices?.() ?? [])].join("; ") };
}

/**
 * compat: containerd before 1.7.26 starts the plugins that it launches before it knows any pod, and does not synchronize
 * them (nri adaptation.startPlugins): such a plugin is registered and that is all.
 */
function deliveryOf(sources: Sources, connection: Connection | undefined): Health {
  if (!sources.registered() || connection === undefined) return { ok: false, text: "not registered with the runtime" };
  const { runtime, hadEvent } = connection;
  if (sources.synchronized()) return { ok: true, text: `ready; synchronized with ${runtime.name} ${runtime.version}` };
  if (hadEvent || !synchronizes(runtime)) {
    return { ok: true, text: `ready; registered with ${runtime.name} ${runtime.version}, which did not synchronize` };
  }
  return { ok: false, text: "registered, not yet synchronized with the runtime" };
}

const beatMs = 500;
const windowMs = 10_000;

/** Tells how long the event loop was held up, by a timer that comes late then. */
interface Heart {
  /** The longest that it was late in the last 10 seconds, in milliseconds; what it is late right now counts. */
  lagMs(): number;
  stop(): void;
}

export function startHeart(clock: Clock = monotonicClock): Heart {
  let expected = clock() + beatMs;
  let worst = { lag: 0, at: clock() };
  const note = () => {
    const now = clock();
    const lag = Math.max(0, now - expected);
    if (lag >= worst.lag || now - worst.at > windowMs) worst = { lag, at: now };
    return now;
  };
  const timer = setInterval(() => {
    expected = note() + beatMs;
  }, beatMs);
  timer.unref();
  return {
    lagMs() {
      note();
      return worst.lag;
    },
    stop: () => clearInterval(timer),
  };
}
