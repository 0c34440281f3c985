import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type MetricFacts, metricPrefix, metricTable } from "../../src/observe/metrics.js";

const docs = resolve(import.meta.dirname, "../../docs");
const table: readonly MetricFacts[] = Object.values(metricTable);

const panelSchema = z.object({
  title: z.string().min(1),
  targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).optional(),
});
const dashboardSchema = z.object({
  templating: z.object({ list: z.array(z.looseObject({ name: z.string(), type: z.string() })) }),
  panels: z.array(panelSchema),
});
const dashboard = dashboardSchema.parse(JSON.parse(readFileSync(join(docs, "grafana-dashboard.json"), "utf8")));
const targets = dashboard.panels.flatMap(({ title, targets: its = [] }) => its.map((target) => ({ title, ...target })));

function metricNames(expr: string): string[] {
  return expr.match(/\b(?:nri_v01_bridge|process|nodejs)_\w+/g) ?? [];
}

describe("the dashboard", () => {
  it("has a panel for every metric of the bridge, and none for another", () => {
    expect(targets.length).toBeGreaterThan(15);
    for (const { title, expr } of targets) expect(metricNames(expr).length, title).toBeGreaterThan(0);
    const shown = metricNames(JSON.stringify(dashboard)).filter((name) => name.startsWith(metricPrefix));
    const known = table.map(({ name, type }) => `${metricPrefix}${name}${type === "histogram" ? "_bucket" : ""}`);
    expect([...new Set(shown)].sort()).toEqual(known.sort());
  });

  it("selects, groups and names series by labels that their metric has", () => {
    for (const { title, expr, legendFormat } of targets) {
      const labels = new Set(["instance", "job", "le"]);
      for (const name of metricNames(expr)) {
        const facts = table.find((entry) => name.replace(/_(bucket|sum|count)$/, "") === metricPrefix + entry.name);
        for (const label of facts?.labels ?? []) labels.add(label);
      }
      const matchers = [...expr.matchAll(/[{,]\s*(\w+)\s*(?:=~|!=|=|!~)/g)].map(([, label]) => label);
      const groups = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
      const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      for (const label of [...matchers, ...groups, ...named])
        expect([...labels], `${title}: ${label}`).toContain(label);
      // What is grouped away cannot be named.
      if (groups.length > 0) for (const label of named) expect(groups, title).toContain(label);
    }
  });
});

describe("docs/metrics.md", () => {
  const text = readFileSync(join(docs, "metrics.md"), "utf8");

  it("lists every metric with its type, labels and meaning, as it is in the program", () => {
    for (const { name, type, labels, help } of table) {
      const cells = [`\`${metricPrefix}${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help];
      expect(text.replace(/ +/g, " ")).toContain(`| ${cells.join(" | ")} |`.replace(/ +/g, " "));
    }
  });

  it("has alerts on metrics that there are", () => {
    const known = new Set(table.map(({ name }) => metricPrefix + name));
    const [, alerts = ""] = text.split("## Alerts");
    for (const name of metricNames(alerts)) expect(known).toContain(name);
  });
});
