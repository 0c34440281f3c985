import { samplesOf } from "../../test/observe/scrape.js";

/** What one scrape brought, and when, counted from the first. */
export interface Scrape {
  readonly seconds: number;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One value for each scrape; undefined where there is none, such as the median of no runs. */
export type Series = readonly (number | undefined)[];

export type Matcher = Readonly<Record<string, string>>;

/** Rates are those of so many seconds before a scrape, as four scrapes are Grafana's $__rate_interval. */
const windowSeconds = 4;

export function parseScrape(text: string): readonly Sample[] {
  return Array.from(samplesOf(text), ([series, value]) => {
    const [, name = "", list = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
    const labels = Object.fromEntries(
      Array.from(list.matchAll(/(\w+)="([^"]*)"/g), ([, key = "", its = ""]) => [key, its]),
    );
    return { name, labels, value };
  });
}

/** The values that a label has in any scrape, in the order in which they first came. */
export function labelValues(scrapes: readonly Scrape[], name: string, label: string): readonly string[] {
  const samples = scrapes.flatMap((scrape) => scrape.samples).filter((sample) => sample.name === name);
  return [...new Set(samples.flatMap(({ labels }) => labels[label] ?? []))];
}

/** `name{matcher}`, summed. */
export function gauge(scrapes: readonly Scrape[], name: string, matcher: Matcher = {}): Series {
  return scrapes.map((scrape) => sumOf(scrape, name, matcher));
}

/** `sum(rate(name{matcher}))`. A series that was not there yet counts as 0, since its counter began there. */
export function rate(scrapes: readonly Scrape[], name: string, matcher: Matcher): Series {
  return scrapes.map((scrape, at) => {
    const before = startOfWindow(scrapes, at);
    if (before === undefined) return undefined;
    return (sumOf(scrape, name, matcher) - sumOf(before, name, matcher)) / (scrape.seconds - before.seconds);
  });
}

/** `histogram_quantile(quantile, sum by (le) (rate(name_bucket{matcher})))`. */
export function quantileOf(scrapes: readonly Scrape[], quantile: number, name: string, matcher: Matcher): Series {
  const bounds = labelValues(scrapes, `${name}_bucket`, "le");
  return scrapes.map((scrape, at) => {
    const before = startOfWindow(scrapes, at);
    if (before === undefined) return undefined;
    const buckets = bounds.map((le) => {
      const its = { ...matcher, le };
      const count = sumOf(scrape, `${name}_bucket`, its) - sumOf(before, `${name}_bucket`, its);
      return { le: le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), count };
    });
    return histogramQuantile(quantile, buckets);
  });
}

/** As Prometheus has it: within a bucket, values are taken to lie evenly; above the last bound, at that bound. */
export function histogramQuantile(
  quantile: number,
  buckets: readonly { readonly le: number; readonly count: number }[],
): number | undefined {
  const total = buckets.at(-1)?.count ?? 0;
  if (total === 0) return undefined;
  const rank = quantile * total;
  const at = buckets.findIndex(({ count }) => count >= rank);
  const below = buckets[at - 1] ?? { le: 0, count: 0 };
  const bucket = buckets[at];
  if (bucket === undefined || bucket.le === Number.POSITIVE_INFINITY) return below.le;
  return below.le + ((bucket.le - below.le) * (rank - below.count)) / (bucket.count - below.count);
}

function startOfWindow(scrapes: readonly Scrape[], at: number): Scrape | undefined {
  return at === 0 ? undefined : scrapes[Math.max(0, at - windowSeconds)];
}

function sumOf({ samples }: Scrape, name: string, matcher: Matcher): number {
  const wanted = Object.entries(matcher);
  return samples.reduce(
    (sum, sample) =>
      sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value)
        ? sum + sample.value
        : sum,
    0,
  );
}
