import { existsSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { RuntimeInfo } from "../../src/nri/handlers.js";
import { Metrics, metricPrefix, metricTable, readinessOf } from "../../src/observe/metrics.js";
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

const external: RuntimeInfo = {
  name: "containerd",
  version: "v1.7.24",
  nri: { major: 0, minor: 6, patch: 1, preRelease: false, source: "inferred" },
  requestTimeoutMs: 2000,
  socketPath: "/var/run/nri/nri.sock",
};

function createMetrics(): Metrics {
  const sources = {
    registered: () => true,
    synchronized: () => true,
    notices: () => [],
    plugins: () => plugins,
    breakerOf: (plugin: string) => (plugin === "labels" ? "half-open" : "closed"),
    remembered: () => 3,
    withoutPlugins: () => 2,
  };
  const metrics = new Metrics({ sources, version: "1.2.3", log, retryMs: 10 });
  onTestFinished(() => metrics.listen(null));
  return metrics;
}

async function serve() {
  const socketPath = join(folder, "metrics.sock");
  const metrics = createMetrics();
  await metrics.listen(`unix:${socketPath}`);
  const get = (path: string) => getPage({ socketPath }, path);
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

  it("counts the runs of each plugin by state and outcome, with their time; missed deadlines are at 0 before the first", async () => {
    const { metrics, sample } = await serve();
    const misses = (plugin: string, state: string) =>
      sample(`plugin_invocations_total{plugin="${plugin}",state="${state}",status="error",error="timed_out"}`);
    expect(await misses("clearcfs", "create")).toBe(0);
    expect(await misses("labels", "delete")).toBe(0);
    expect(await misses("later", "create")).toBeUndefined();
    metrics.pluginRan({ plugin: "clearcfs", state: "create", outcome: "ok", durationMs: 1.5 });
    metrics.pluginRan({ plugin: "clearcfs", state: "create", outcome: "timed-out", durationMs: 1700 });
    const labels = 'plugin="clearcfs",state="create"';
    expect(await sample(`plugin_invocations_total{${labels},status="success",error=""}`)).toBe(1);
    expect(await misses("clearcfs", "create")).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="0.002",${labels}}`)).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="1.5",${labels}}`)).toBe(1);
    expect(await sample(`plugin_latency_seconds_bucket{le="2",${labels}}`)).toBe(2);
    expect(await sample(`plugin_latency_seconds_sum{${labels}}`)).toBeCloseTo(1.7015);
  });

  it("shows each plugin's breaker, of the plugins that conf.json lists now", async () => {
    const { get } = await serve();
    const breaker = `${metricPrefix}plugin_breaker_open`;
    const before = samplesOf((await get("/metrics")).text);
    expect(before.get(`${breaker}{plugin="labels"}`)).toBe(1);
    expect(before.get(`${breaker}{plugin="clearcfs"}`)).toBe(0);
    expect(before.get(`${metricPrefix}active_plugins`)).toBe(2);
    plugins = ["clearcfs"];
    const after = (await get("/metrics")).text;
    expect(after).not.toContain(`${breaker}{plugin="labels"`);
    expect(samplesOf(after).get(`${metricPrefix}active_plugins`)).toBe(1);
    expect(samplesOf(after).get(`${metricPrefix}conf_readable`)).toBe(1);
    plugins = undefined;
    expect(samplesOf((await get("/metrics")).text).get(`${metricPrefix}conf_readable`)).toBe(0);
  });

  it("keeps the number of series bounded, whatever conf.json lists over time", async () => {
    const { metrics, get } = await serve();
    for (let at = 0; at < 500; at++) {
      metrics.pluginRan({ plugin: `p${at}`, state: `s${at}`, outcome: "ok", durationMs: 1 });
    }
    plugins = Array.from({ length: 500 }, (_, at) => `p${at}`.padEnd(1000, "x"));
    const { text } = await get("/metrics");
    // A page of half a megabyte takes 50 ms.
    expect(text.length).toBeLessThan(500_000);
    expect(text).toContain('plugin="_other"');
  });

  it("counts registrations after the first as reconnects", async () => {
    const { metrics, sample } = await serve();
    for (const reconnects of [0, 1]) {
      metrics.watcher.configured?.(external);
      expect(await sample("reconnects_total")).toBe(reconnects);
    }
  });
});

describe("readiness", () => {
  const { socketPath: _, ...launched } = external;
  const seen = (runtime: RuntimeInfo, hadEvent = false) => ({ runtime, hadEvent });
  it.each<[string, readonly string[], ReturnType<typeof seen> | undefined, string]>([
    ["not connected", [], undefined, "not registered with the runtime"],
    ["the connection is lost", [], seen(external, true), "not registered with the runtime"],
    ["not yet synchronized", ["registered"], seen(external), "registered, not yet synchronized"],
    ["synchronized", ["registered", "synchronized"], seen(external), "ready; synchronized with containerd v1.7"],
    ["not synchronized, but events come", ["registered"], seen(external, true), "ready; registered"],
    ["launched: containerd 1.7 never synchronizes", ["registered"], seen(launched), "ready; registered"],
  ])("%s", (_case, state, connection, text) => {
    const is = (what: string) => () => state.includes(what);
    const sources = { registered: is("registered"), synchronized: is("synchronized"), notices: () => ["a, b", "c"] };
    const expected = { ok: text.startsWith("ready"), text: expect.stringMatching(new RegExp(`^${text}.*; a, b; c$`)) };
    expect(readinessOf(sources, connection)).toEqual(expected);
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
      sentence: expect.stringContaining("it goes on"),
    };
    expect(log.lines).toMatchObject([failed]);
    await end();
    await expect
      .poll(() => log.lines)
      .toMatchObject([failed, { level: "info", sentence: "the bridge serves metrics" }]);
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
