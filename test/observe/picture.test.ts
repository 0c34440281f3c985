import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ticksUpTo } from "../../scripts/draw-metrics/chart.js";
import { gauge, histogramQuantile, parseScrape, quantileOf, rate } from "../../scripts/draw-metrics/series.js";

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

describe("what it is drawn with", () => {
  const scrapes = [
    { seconds: 0, samples: parseScrape("") },
    {
      seconds: 2,
      samples: parseScrape(
        'runs_bucket{le="0.1",p="a"} 5\nruns_bucket{le="0.2",p="a"} 10\nruns_bucket{le="+Inf",p="a"} 10\nup 1',
      ),
    },
  ];

  it("takes rates and quantiles as Prometheus does", () => {
    expect(rate(scrapes, "runs_bucket", { le: "0.1" })).toEqual([undefined, 2.5]);
    expect(quantileOf(scrapes, 0.75, "runs", { p: "a" })[1]).toBeCloseTo(0.15);
    expect(quantileOf(scrapes, 0.75, "runs", { p: "b" })[1]).toBeUndefined();
    expect(gauge(scrapes, "up")).toEqual([0, 1]);
    const beyond = [
      { le: 1, count: 1 },
      { le: Number.POSITIVE_INFINITY, count: 9 },
    ];
    expect(histogramQuantile(0.5, beyond)).toBe(1);
  });

  it("has axes of round numbers that reach the highest value", () => {
    expect(ticksUpTo(7)).toEqual([0, 2, 4, 6, 8]);
    expect(ticksUpTo(40)).toEqual([0, 10, 20, 30, 40]);
    expect(ticksUpTo(0)).toEqual([0, 1]);
  });
});
