import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { CallWatcher } from "../nri/watch-calls.js";
import { type Connection, type Heart, healthOf, readinessOf, startHeart } from "./health.js";
import { formatMetricsAddress, type MetricsAddress, parseMetricsAddress } from "./metrics-address.js";
import { createMetricsRegistry, type MetricsRegistry } from "./metrics-registry.js";
import { type MetricsServer, serveMetrics } from "./metrics-server.js";
import type { MetricsSources, PluginChange, PluginRun } from "./metrics-sources.js";

export interface MetricsOptions {
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
