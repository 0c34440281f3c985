import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { metricPrefix } from "../../src/observe/metrics.js";
import { readCase } from "../../src/tools/replay/case.js";
import { TestNode } from "../robustness/support/test-node.js";
import { getPage, samplesOf } from "./scrape.js";

const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
const basic = readCase(resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet"));

/** A node whose bridge runs the samples, and where it serves metrics. */
function createNode(config: Readonly<Record<string, unknown>> = {}) {
  const node = new TestNode({});
  const socketPath = join(node.folder, "metrics.sock");
  const metrics = { listen: `unix:${socketPath}` };
  node.writeConfig({ pluginDirs: [plugins, node.bin], permissions: "trust", metrics, ...config });
  node.writeConf("labels", "missing");
  return { node, socketPath };
}

describe("run with metrics.listen", () => {
  it("tells a scraper what the plugins did, and a probe whether events come", async () => {
    const { node, socketPath } = createNode();
    const running = node.start();
    await running.stderrMatches(/serves metrics/);
    expect(await getPage({ socketPath }, "/healthz")).toMatchObject({ status: 200 });
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({ status: 503 });
    const runtime = await node.listen();
    const plugin = await runtime.accept(Deadline.after(10_000));
    await running.stderrMatches(/synchronized with the runtime/);
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({
      status: 200,
      text: "ready; synchronized with containerd v1.7.24\n",
    });
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
    expect(sample('plugin_breaker_open{plugin="labels"}')).toBe(0);
    expect(sample("active_plugins")).toBe(2);
    expect(sample("ready")).toBe(1);
    await runtime.close();
    await running.stderrMatches(/the bridge tries again/);
    expect(await getPage({ socketPath }, "/readyz")).toMatchObject({
      status: 503,
      text: "not registered with the runtime\n",
    });
  });
});

describe("run --log-format text", () => {
  it("writes one line for each chain, and a plugin's stderr line by line, with the trace of the call", async () => {
    const { node } = createNode();
    node.installScript("tracer", "#!/bin/sh\ncat >/dev/null\necho traced >&2\necho '{}'\n");
    node.writeConf("tracer");
    const { plugin, program } = await node.connect("--log-format", "text");
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    const metadata = [["traceparent", traceparent]] as const;
    const [first] = basic.events;
    if (first === undefined) throw new Error("the case holds events");
    await plugin.raw(first.method, first.payload, { metadata });
    program.child.kill("SIGTERM");
    const { stderr } = await program.ended;
    const lines = stderr.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO |WARN |ERROR) \S/);
    const printed = lines.find((line) => line.includes("plugin's stderr"));
    expect(printed).toContain(`plugin=tracer line=traced`);
    const summary = lines.filter((line) => line.includes(" the plugins of an event ran "));
    expect(summary).toHaveLength(1);
    expect(summary[0]).toMatch(
      /the plugins of an event ran event=RunPodSandbox pod=default\/pod1 state=create plugins=tracer:ok:[\d.]+ answer=ok id=\S+ .*totalMs=[\d.]+/,
    );
    expect(summary[0]).toContain(`trace_id=${traceId} span_id=b7ad6b7169203331`);
  });
});
