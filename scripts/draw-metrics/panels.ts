import { metricPrefix, metricTable } from "../../src/observe/metrics.js";
import type { Line, Panel } from "./chart.js";
import { gauge, labelValues, quantileOf, rate, type Scrape } from "./series.js";

const nameOf = (key: keyof typeof metricTable) => metricPrefix + metricTable[key].name;

const ofPlugin: Readonly<Record<string, string>> = { labels: "#2e9e5b", slow: "#2f6fdb", flaky: "#d9822b" };
const withPlugins: ReadonlyMap<string, string> = new Map([
  ["RunPodSandbox", "#2f6fdb"],
  ["StartContainer", "#2e9e5b"],
  ["StopContainer", "#d9822b"],
  ["StopPodSandbox", "#8c4fc4"],
]);
const reds = ["#d14343", "#e8a13c", "#8c4fc4", "#6b7280"] as const;

/** Panels of docs/grafana-dashboard.json, with what its queries give for the scrapes. */
export function panelsOf(scrapes: readonly Scrape[]): readonly Panel[] {
  return [
    { title: "Runs a second, by plugin and state", unit: "/s", kind: "areas", lines: runs(scrapes) },
    { title: "Failed runs a second, by reason", unit: "/s", kind: "bars", lines: failures(scrapes) },
    { title: "How long a run takes: median and 99th percentile", unit: "s", kind: "lines", lines: latencies(scrapes) },
    { title: "How long an answer takes: 99th percentile", unit: "s", kind: "lines", lines: answers(scrapes) },
    { title: "Events a second", unit: "/s", kind: "lines", lines: events(scrapes) },
    {
      title: "Remembered pods and containers",
      unit: "",
      kind: "areas",
      lines: [{ name: "remembered", colour: "#8c4fc4", values: gauge(scrapes, nameOf("remembered")) }],
    },
  ];
}

function runs(scrapes: readonly Scrape[]): Line[] {
  const name = nameOf("pluginInvocations");
  return labelValues(scrapes, name, "plugin").flatMap((plugin) =>
    labelValues(scrapes, name, "state").map((state) => ({
      name: `${plugin} ${state}`,
      colour: ofPlugin[plugin] ?? "#6b7280",
      pale: state === "delete",
      values: rate(scrapes, name, { plugin, state }),
    })),
  );
}

function failures(scrapes: readonly Scrape[]): Line[] {
  const name = nameOf("pluginInvocations");
  const reasons = labelValues(scrapes, name, "error").filter((error) => error !== "");
  const lines = labelValues(scrapes, name, "plugin").flatMap((plugin) =>
    labelValues(scrapes, name, "state").flatMap((state) =>
      reasons.map((error) => ({
        name: `${plugin} ${state}: ${error}`,
        values: rate(scrapes, name, { plugin, state, error, status: "error" }),
      })),
    ),
  );
  return lines
    .filter(({ values }) => values.some((value) => value !== undefined && value > 0))
    .map((line, at) => ({ ...line, colour: reds[at % reds.length] ?? "#6b7280" }));
}

/** Of creates alone: with those of deletes, twelve lines would be too many. */
function latencies(scrapes: readonly Scrape[]): Line[] {
  const name = nameOf("pluginLatency");
  return labelValues(scrapes, `${name}_bucket`, "plugin").flatMap((plugin) =>
    [0.5, 0.99].map((quantile) => ({
      name: `${plugin} create p${quantile * 100}`,
      colour: ofPlugin[plugin] ?? "#6b7280",
      dashed: quantile > 0.5,
      values: quantileOf(scrapes, quantile, name, { plugin, state: "create" }),
    })),
  );
}

/** Of those that run plugins. */
function events(scrapes: readonly Scrape[]): Line[] {
  const name = nameOf("calls");
  return Array.from(withPlugins, ([operation, colour]) => {
    return { name: operation, colour, values: rate(scrapes, name, { operation }) };
  });
}

/** Those that run plugins have lines of their own; the others share one, that of the slowest. */
function answers(scrapes: readonly Scrape[]): Line[] {
  const name = nameOf("callLatency");
  const p99 = (operation: string) => quantileOf(scrapes, 0.99, name, { operation });
  const idle = labelValues(scrapes, `${name}_bucket`, "operation").filter((operation) => !withPlugins.has(operation));
  const ofIdle = idle.map(p99);
  const slowest = scrapes.map((_, at) => {
    const values = ofIdle.flatMap((values) => values[at] ?? []);
    return values.length === 0 ? undefined : Math.max(...values);
  });
  return [
    ...Array.from(withPlugins, ([operation, colour]) => ({ name: operation, colour, values: p99(operation) })),
    { name: `slowest of ${idle.length} others`, colour: "#6b7280", dashed: true, values: slowest },
  ];
}
