import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const docs = resolve(import.meta.dirname, "../../docs");
const dashboardSchema = z.object({ panels: z.array(z.object({ title: z.string() })) });

describe("docs/metrics.svg", () => {
  it("shows panels of the dashboard and no others, and docs/metrics.md shows it", () => {
    const dashboard = dashboardSchema.parse(JSON.parse(readFileSync(join(docs, "grafana-dashboard.json"), "utf8")));
    const svg = readFileSync(join(docs, "metrics.svg"), "utf8");
    const titles = Array.from(svg.matchAll(/<text [^>]*class="t">([^<]*)</g), ([, title]) => title);
    expect(titles.length).toBeGreaterThanOrEqual(4);
    expect(dashboard.panels.map(({ title }) => title)).toEqual(expect.arrayContaining(titles));
    expect(svg).not.toContain("NaN");
    expect(readFileSync(join(docs, "metrics.md"), "utf8")).toMatch(/!\[[^\]]+\]\(metrics\.svg\)/);
  });
});
