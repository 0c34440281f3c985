import { existsSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Metrics } from "../../src/observe/metrics.js";
import type { MetricsSources } from "../../src/observe/metrics-registry.js";
import { metricPrefix, metricTable } from "../../src/observe/metrics-registry.js";
import { collectLog } from "../support/collect-log.js";
import { makeFolder } from "../support/places.js";
import { getPage, samplesOf } from "./scrape.js";

let folder: string;
let log: ReturnType<typeof collectLog>;
let plugins: readonly string[] | undefined;

beforeEach(() => {
  folder = makeFolder();
  log = collectLog();
  plugins = ["clearcfs", "labels"];
});

function createMetrics(over: Partial<MetricsSources> = {}): Metrics {
  const sources: MetricsSources = {
    registered: () => true,
    synchronized: () => true,
    plugins: () => plugins,
    breakerOf: (plugin) => (plugin === "labels" ? "half-open" : "closed"),
    remembered: () => 3,
    journalBytes: () => undefined,
    ...over,
  };
  const metrics = new Metrics({ sources, version: "1.2.3", log, retryMs: 10 });
  onTestFinished(() => metrics.listen(null));
  return metrics;
}

async function serve(over: Partial<MetricsSources> = {}) {
  const socketPath = join(folder, "metrics.sock");
  const metrics = createMetrics(over);
  await metrics.listen(`unix:${socketPath}`);
  const get = (path: string, method?: string) => getPage({ socketPath }, path, method);
  const sample = async (name: string) => samplesOf((await get("/metrics")).text).get(metricPrefix + name);
  return { metrics, socketPath, get, sample };
}

describe("/metrics", () => {
  it("has every metric of the table, with its help and type, in Prometheus' text format", async () => {
    const { get } = await serve();
    const { status, headers, text } = await get("/metrics");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    for (const { name, type, help } of Object.values(metricTable)) {
      expect(text).toContain(`# HELP ${metricPrefix}${name} ${help}\n# TYPE ${metricPrefix}${name} ${type}\n`);
    }
    for (const standard of ["process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]) {
      expect(text).toContain(`# TYPE ${standard} gauge`);
    }
  });

  it("counts the runs of each plugin by state and outcome, with their time and missed deadlines", async () => {
    const { metrics, sample } = await serve();
    metrics.pluginRan({ plugin: "clearcfs", state: "create", outcome: "ok", durationMs: 1.5 });
    metrics.pluginRan({ plugin: "clearcfs", state: "create", outcome: "timed-out", durationMs: 1700 });
    const labels = 'plugin="clearcfs",state="create"';
    expect(await sample(`plugin_invocations_total{${labels},status="success",error=""}`)).toBe(1);
    expect(await sample(`plugin_invocations_total{${labels},status="error",error="timed_out"}`)).toBe(1);
    expect(await sample(`plugin_deadline_misses_total{${labels}}`)).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="0.002",${labels}}`)).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="1.5",${labels}}`)).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="2",${labels}}`)).toBe(2);
    expect(await sample(`plugin_latency_seconds_sum{${labels}}`)).toBeCloseTo(1.7015);
  });

  it("has missed deadlines at 0 before the first one, of the plugins that conf.json lists now", async () => {
    const statesOf = (plugin: string) => (plugin === "labels" ? ["create", "update"] : ["create", "delete"]);
    const { metrics, sample } = await serve({ statesOf });
    const misses = (plugin: string, state: string) =>
      sample(`plugin_deadline_misses_total{plugin="${plugin}",state="${state}"}`);
    expect(await misses("labels", "update")).toBe(0);
    expect(await misses("clearcfs", "delete")).toBe(0);
    expect(await misses("clearcfs", "update")).toBeUndefined();
    plugins = ["clearcfs", "labels", "later"];
    expect(await misses("later", "create")).toBe(0);
    metrics.pluginRan({ plugin: "later", state: "create", outcome: "timed-out", durationMs: 1700 });
    metrics.pluginRan({ plugin: "later", state: "own", outcome: "ok", durationMs: 1 });
    plugins = ["clearcfs"];
    expect(await misses("later", "create")).toBe(1);
    expect(await misses("later", "own")).toBe(0);
  });

  it("counts what plugins asked to change, by field", async () => {
    const { metrics, sample } = await serve();
    metrics.pluginAdjusted({
      plugin: "cpus",
      state: "create",
      fields: ["env.A", "env.B", "cpu.cpus", "update.c1.cpu.shares"],
    });
    const labels = 'plugin="cpus",state="create"';
    expect(await sample(`plugin_adjustments_total{${labels},type="env"}`)).toBe(2);
    expect(await sample(`plugin_adjustments_total{${labels},type="cpu.cpus"}`)).toBe(1);
    expect(await sample(`plugin_adjustments_total{${labels},type="update"}`)).toBe(1);
  });

  it("shows each plugin's breaker, of the plugins that conf.json lists now", async () => {
    const { get } = await serve();
    const breaker = `${metricPrefix}plugin_breaker_state`;
    const before = samplesOf((await get("/metrics")).text);
    expect(before.get(`${breaker}{plugin="labels",breaker="half_open"}`)).toBe(1);
    expect(before.get(`${breaker}{plugin="labels",breaker="closed"}`)).toBe(0);
    expect(before.get(`${metricPrefix}active_plugins`)).toBe(2);
    plugins = ["clearcfs"];
    const after = (await get("/metrics")).text;
    expect(after).not.toContain(`${breaker}{plugin="labels"`);
    expect(samplesOf(after).get(`${metricPrefix}active_plugins`)).toBe(1);
  });

  it("says when conf.json cannot be read", async () => {
    const { sample } = await serve();
    expect(await sample("conf_readable")).toBe(1);
    plugins = undefined;
    expect(await sample("conf_readable")).toBe(0);
  });

  it("keeps the number of series bounded, whatever conf.json lists over time", async () => {
    const { metrics, get } = await serve();
    for (let at = 0; at < 500; at++) {
      metrics.pluginRan({ plugin: `p${at}`, state: `s${at}`, outcome: "ok", durationMs: 1 });
      metrics.pluginAdjusted({ plugin: `p${at}`, state: "create", fields: [`f${at}`] });
    }
    plugins = Array.from({ length: 500 }, (_, at) => `p${at}`);
    const series = [...samplesOf((await get("/metrics")).text).keys()].filter((key) => key.startsWith(metricPrefix));
    // For each plugin in a state: a histogram, misses and how its run went.
    expect(series.length).toBeLessThan(193 * 19 + 501 + 64 * 3 + 50);
    expect(series.some((key) => key.includes('plugin="_other"'))).toBe(true);
  });

  it("leaves the journal's size out where there is none, and tells it where there is", async () => {
    const { get } = await serve();
    expect((await get("/metrics")).text).not.toMatch(/^nri_v01_bridge_journal_size_bytes/m);
    const journalled = createMetrics({ journalBytes: () => 4096 });
    const socketPath = join(folder, "other.sock");
    await journalled.listen(`unix:${socketPath}`);
    const { text } = await getPage({ socketPath }, "/metrics");
    expect(samplesOf(text).get(`${metricPrefix}journal_size_bytes`)).toBe(4096);
  });

  it("counts registrations after the first as reconnects, and names the runtime of the moment", async () => {
    const { metrics, sample } = await serve();
    const nri = { major: 0, minor: 12, patch: 1, preRelease: false, source: "stated" } as const;
    const runtime = { name: "containerd", nri, requestTimeoutMs: 2000, socketPath: "/x" };
    metrics.watcher.configured?.({ ...runtime, version: "v2.2.0" });
    expect(await sample("reconnects_total")).toBe(0);
    metrics.watcher.configured?.({ ...runtime, version: "v2.3.0" });
    expect(await sample("reconnects_total")).toBe(1);
    expect(await sample('runtime_info{runtime="containerd",version="v2.3.0",nri="0.12.1"}')).toBe(1);
    expect(await sample('runtime_info{runtime="containerd",version="v2.2.0",nri="0.12.1"}')).toBeUndefined();
  });
});

describe("the listener", () => {
  it("is open to its owner alone on a unix socket, and takes the place of one left behind", async () => {
    const { socketPath, metrics } = await serve();
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await metrics.listen(null);
    expect(existsSync(socketPath)).toBe(false);
  });

  it("costs the metrics alone when its address is taken, until that is free: the log says so once", async () => {
    const taken = createServer();
    const end = () => new Promise((done) => taken.close(done));
    await new Promise<void>((ready) => taken.listen(0, "127.0.0.1", ready));
    onTestFinished(async () => void (await end()));
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const metrics = createMetrics();
    await metrics.listen(`127.0.0.1:${port}`);
    expect(() => metrics.pluginRan({ plugin: "p", state: "create", outcome: "ok", durationMs: 1 })).not.toThrow();
    // Long enough for some that fail again.
    await sleep(50);
    const failed = {
      level: "error",
      fields: { error: expect.stringContaining("EADDRINUSE"), againEachMs: 10 },
      sentence: expect.stringContaining("the bridge goes on"),
    };
    expect(log.lines).toMatchObject([failed]);
    await end();
    await expect.poll(() => log.lines).toMatchObject([failed, { level: "info", sentence: "metrics are served" }]);
    expect((await getPage({ host: "127.0.0.1", port }, "/healthz")).status).toBe(200);
  });

  it("does not remove a file in the way, nor a socket that somebody serves", async () => {
    const { socketPath } = await serve();
    await createMetrics().listen(`unix:${socketPath}`);
    const file = join(folder, "file");
    writeFileSync(file, "mine");
    await createMetrics().listen(`unix:${file}`);
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(2);
    expect(existsSync(file)).toBe(true);
    expect((await getPage({ socketPath }, "/healthz")).status).toBe(200);
  });

  it("moves when the address changes, and the counts go on", async () => {
    const { metrics, socketPath } = await serve();
    metrics.pluginRan({ plugin: "p", state: "create", outcome: "ok", durationMs: 1 });
    const moved = join(folder, "deeper/moved.sock");
    await metrics.listen(`unix:${moved}`);
    expect(existsSync(socketPath)).toBe(false);
    const samples = samplesOf((await getPage({ socketPath: moved }, "/metrics")).text);
    const runs = 'plugin_invocations_total{plugin="p",state="create",status="success",error=""}';
    expect(samples.get(metricPrefix + runs)).toBe(1);
  });
});
