import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { metricPrefix } from "../../src/observe/metrics-names.js";
import { readCase } from "../../src/tools/replay/case.js";
import { launch } from "../../src/tools/runtime/launch.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import { program, startProgram } from "../support/program.js";
import { getPage, samplesOf } from "./scrape.js";

const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const basic = readCase(resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet"));

let folder: string;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bridge-metrics-"));
  writeFileSync(join(folder, "conf.json"), '{"version":"0.1","plugins":[{"type":"labels"},{"type":"missing"}]}');
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

async function listen() {
  const runtime = await createRuntime({ socketPath: join(folder, "nri.sock"), name: "containerd", version: "v1.7.24" });
  closing.push(() => runtime.close());
  return runtime;
}

/** @param config the bridge's own configuration, YAML */
function start(config: string, ...args: string[]) {
  writeFileSync(join(folder, "bridge.yaml"), config);
  const where = ["--socket", join(folder, "nri.sock"), "--conf", join(folder, "conf.json"), "--bin-dir", plugins];
  const own = ["--config", join(folder, "bridge.yaml"), "--state-directory", join(folder, "state")];
  const running = startProgram(["run", ...where, ...own, "--permissions", "trust", ...args]);
  closing.push(() => running.child.kill("SIGKILL"));
  return running;
}

describe("run with metrics.listen", () => {
  it("tells a scraper what the plugins did, and a probe whether events come", async () => {
    const socketPath = join(folder, "metrics.sock");
    const running = start(`metrics: {listen: "unix:${socketPath}"}\n`);
    await running.stderrMatches(/metrics are served/);
    expect(await getPage({ socketPath }, "/healthz")).toMatchObject({ status: 200 });
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({ status: 503 });
    const runtime = await listen();
    const plugin = await runtime.accept(Deadline.after(10_000));
    await running.stderrMatches(/synchronized with the runtime/);
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({
      status: 200,
      text: "ready; synchronized with containerd v1.7.24\n",
    });
    const idle = samplesOf((await getPage({ socketPath }, "/metrics")).text);
    for (const of of ['plugin="labels",state="create"', 'plugin="missing",state="delete"']) {
      expect(idle.get(`${metricPrefix}plugin_deadline_misses_total{${of}}`)).toBe(0);
    }
    const before = Date.now() / 1000;
    for (const { method, payload, timeoutNano } of basic.events) await plugin.raw(method, payload, { timeoutNano });
    const samples = samplesOf((await getPage({ socketPath }, "/metrics")).text);
    const sample = (name: string) => samples.get(metricPrefix + name);
    const labels = 'plugin="labels",state="create"';
    expect(sample(`plugin_invocations_total{${labels},status="success",error=""}`)).toBe(2);
    expect(sample(`plugin_latency_seconds_count{${labels}}`)).toBe(2);
    const missing = 'plugin="missing",state="create",status="error",error="not_found"';
    expect(sample(`plugin_invocations_total{${missing}}`)).toBe(2);
    expect(sample('calls_total{operation="StartContainer",status="error",error="unknown"}')).toBe(1);
    expect(sample('calls_total{operation="StopContainer",status="success",error=""}')).toBe(1);
    expect(sample('plugin_breaker_state{plugin="labels",breaker="closed"}')).toBe(1);
    expect(sample("active_plugins")).toBe(2);
    expect(sample("registered")).toBe(1);
    expect(sample("ready")).toBe(1);
    expect(sample("journal_size_bytes")).toBeGreaterThan(0);
    expect(sample("last_event_timestamp_seconds")).toBeGreaterThan(before - 60);
    expect(sample('runtime_info{runtime="containerd",version="v1.7.24",nri="0.6.1"}')).toBe(1);
    await runtime.close();
    await running.stderrMatches(/trying again later/);
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({
      status: 503,
      text: "not registered with the runtime\n",
    });
  });

  it("refuses an address that others can reach", async () => {
    const { code, stderr } = await start('metrics: {listen: "0.0.0.0:9464"}\n').ended;
    expect(code).toBe(2);
    expect(stderr).toContain("a loopback address with a port (127.0.0.1:9464), or unix:/path");
  });
});

describe("launched by the runtime", () => {
  it("serves metrics where the configuration that the runtime brings says so", async () => {
    const runtime = await listen();
    const path = join(folder, "10-v01-bridge");
    const socketPath = join(folder, "metrics.sock");
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@" 2>/dev/null\n`, { mode: 0o755 });
    const identity = { name: "v01-bridge", index: "10" };
    const { child, trunk } = await launch(path, identity);
    closing.push(() => child.kill("SIGKILL"));
    const config = `metrics: {listen: "unix:${socketPath}"}\nstate: memory\nlog: {output: stderr}\nconfFile: ${folder}/conf.json\n`;
    await runtime.connect(trunk, { kind: "launched", identity, config });
    await expect.poll(async () => (await getPage({ socketPath }, "/readyz").catch(() => undefined))?.status).toBe(200);
    const samples = samplesOf((await getPage({ socketPath }, "/metrics")).text);
    expect(samples.get(`${metricPrefix}registered`)).toBe(1);
    expect(samples.has(`${metricPrefix}journal_size_bytes`)).toBe(false);
    expect(samples.get(`${metricPrefix}reconnects_total`)).toBe(0);
  });
});

describe("run --log-format text", () => {
  it("writes one line for each chain, and a plugin's stderr line by line, with the trace of the call", async () => {
    const runtime = await listen();
    writeFileSync(join(folder, "conf.json"), '{"version":"0.1","plugins":[{"type":"tracer"}]}');
    writeFileSync(
      join(folder, "tracer"),
      '#!/bin/sh\ncat >/dev/null\necho traced >&2\necho \'{"plugin":"tracer","version":"0.1","error":""}\'\n',
      { mode: 0o755 },
    );
    const running = start("", "--bin-dir", folder, "--log-format", "text");
    const plugin = await runtime.accept(Deadline.after(10_000));
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    const metadata = [["traceparent", traceparent]] as const;
    const [first] = basic.events;
    if (first === undefined) throw new Error("the case holds events");
    await plugin.raw(first.method, first.payload, { metadata });
    running.child.kill("SIGTERM");
    const { stderr } = await running.ended;
    const lines = stderr.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO |WARN |ERROR) \S/);
    const printed = lines.find((line) => line.includes("plugin's stderr"));
    expect(printed).toContain(`plugin=tracer line=traced`);
    const summary = lines.filter((line) => line.includes(" chain ran "));
    expect(summary).toHaveLength(1);
    expect(summary[0]).toMatch(
      /chain ran event=RunPodSandbox pod=default\/pod1 state=create plugins=tracer:ok:[\d.]+ answer=ok id=\S+ totalMs=[\d.]+/,
    );
    expect(summary[0]).toContain(`trace_id=${traceId} span_id=b7ad6b7169203331`);
  });
});
