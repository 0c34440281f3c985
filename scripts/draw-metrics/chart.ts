import type { Scrape, Series } from "./series.js";

export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly values: Series;
  readonly dashed?: boolean;
  readonly pale?: boolean;
}

/** Lines as they are, or areas or bars one upon the other. */
export interface Panel {
  readonly title: string;
  readonly unit: "/s" | "s" | "";
  readonly kind: "lines" | "areas" | "bars";
  readonly lines: readonly Line[];
}

const [width, height, gap, columns] = [1000, 600, 10, 2] as const;
const cell = { width: (width - gap) / columns - gap, height: 186 } as const;
/** Where the axes cross, and how far they go. */
const plot = { x: 54, y: 34, width: cell.width - 54 - 174, height: cell.height - 34 - 24 } as const;
const ink = { frame: "#d5d9df", grid: "#e8eaee" } as const;
const style =
  "text{font:11px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:13px;fill:#1c2430}.e{text-anchor:end}.m{text-anchor:middle}";

/** The whole picture: panels in two columns over the same time. */
export function drawPicture(panels: readonly Panel[], scrapes: readonly Scrape[]): string {
  const seconds = scrapes.map((scrape) => scrape.seconds);
  const cells = panels.map((panel, at) => {
    const x = gap + (at % columns) * (cell.width + gap);
    const y = gap + Math.floor(at / columns) * (cell.height + gap);
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel, seconds).join("\n")}\n</g>`;
  });
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`;
  return `${head}<style>${style}</style><rect width="${width}" height="${height}" fill="#f4f5f7"/>\n${cells.join("\n")}\n</svg>\n`;
}

function drawPanel(panel: Panel, seconds: readonly number[]): string[] {
  const bands =
    panel.kind === "lines" ? panel.lines.map((line) => ({ line, from: [], to: line.values })) : stack(panel.lines);
  const highest = Math.max(0, ...bands.flatMap(({ to }) => to.map((value) => value ?? 0)));
  const ticks = ticksUpTo(highest);
  const top = ticks.at(-1) ?? 1;
  const end = Math.max(1, ...seconds);
  const x = (time: number) => plot.x + (time / end) * plot.width;
  const y = (value: number) => plot.y + plot.height * (1 - value / top);
  return [
    `<rect width="${cell.width}" height="${cell.height}" rx="4" fill="#fff" stroke="${ink.frame}"/>`,
    text(12, 20, panel.title, "t"),
    ...ticks.flatMap((tick) => [
      `<path d="M${plot.x} ${round(y(tick))}h${round(plot.width)}" stroke="${tick === 0 ? "#9aa1ab" : ink.grid}"/>`,
      text(plot.x - 6, y(tick) + 4, formatValue(tick, panel.unit, top), "e"),
    ]),
    ...ticksOfTime(end).map((tick) => text(x(tick), plot.y + plot.height + 16, `${tick} s`, "m")),
    ...bands.flatMap(({ line, from, to }) => {
      if (panel.kind === "bars")
        return bars(
          line,
          seconds.map(x),
          from.map(y),
          to.map((value) => y(value ?? 0)),
        );
      return strokes(
        line,
        seconds.map(x),
        to.map((value) => (value === undefined ? undefined : y(value))),
        from.map(y),
      );
    }),
    ...panel.lines.flatMap((line, at) => legend(line, plot.y + 6 + at * 17)),
  ];
}

interface Band {
  readonly line: Line;
  readonly from: readonly number[];
  readonly to: Series;
}

function stack(lines: readonly Line[]): Band[] {
  let base: readonly number[] = lines[0]?.values.map(() => 0) ?? [];
  return lines.map((line) => {
    const from = base;
    base = line.values.map((value, at) => (from[at] ?? 0) + (value ?? 0));
    return { line, from, to: base };
  });
}

/** A line, broken where there is no value; above a base, with the area down to it. */
function strokes(line: Line, x: readonly number[], y: Series, base: readonly number[]): string[] {
  const points = x.flatMap((at, index) => {
    const value = y[index];
    return value === undefined ? [] : [{ at, value, joined: y[index - 1] !== undefined, base: base[index] }];
  });
  const path = points.map(({ at, value, joined }) => `${joined ? "L" : "M"}${round(at)} ${round(value)}`).join("");
  const dash = line.dashed ? ' stroke-dasharray="4 3"' : "";
  const stroke = `<path d="${path}" fill="none" stroke="${line.colour}" stroke-width="1.5" stroke-linejoin="round"${dash}/>`;
  if (base.length === 0) return [stroke];
  const back = points.toReversed().map((point) => `L${round(point.at)} ${round(point.base ?? 0)}`);
  return [`<path d="${path}${back.join("")}Z" fill="${line.colour}" fill-opacity="${opacity(line)}"/>`, stroke];
}

function bars(line: Line, x: readonly number[], from: readonly number[], to: readonly number[]): string[] {
  const wide = (plot.width / x.length) * 0.7;
  return x.flatMap((at, index) => {
    const [bottom = 0, top = 0] = [from[index], to[index]];
    if (bottom - top < 0.1) return [];
    const left = Math.max(plot.x, at - wide);
    return `<rect x="${round(left)}" y="${round(top)}" width="${round(wide)}" height="${round(bottom - top)}" fill="${line.colour}"/>`;
  });
}

function legend(line: Line, y: number): string[] {
  const x = plot.x + plot.width + 12;
  const dash = line.dashed ? ' stroke-dasharray="4 3"' : "";
  const faint = line.pale ? ' stroke-opacity="0.45"' : "";
  return [
    `<path d="M${x} ${y}h14" stroke="${line.colour}" stroke-width="${line.dashed ? 2 : 4}"${dash}${faint}/>`,
    text(x + 19, y + 4, line.name, ""),
  ];
}

function opacity({ pale }: Line): number {
  return pale ? 0.15 : 0.5;
}

/** From 0 in steps of 1, 2 or 5 to the first that is no less; five at most. */
export function ticksUpTo(highest: number): readonly number[] {
  if (highest <= 0) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(highest / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((its) => its * 4 >= highest * 0.999) ?? 10 * power;
  return Array.from({ length: Math.ceil((highest * 0.999) / step) + 1 }, (_, at) => at * step);
}

function ticksOfTime(end: number): readonly number[] {
  return Array.from({ length: Math.floor(end / 5) + 1 }, (_, at) => at * 5);
}

/** Seconds below one are written in milliseconds, all of an axis alike. */
function formatValue(value: number, unit: Panel["unit"], top: number): string {
  const [scaled, name] = unit === "s" && top < 1 ? [value * 1000, " ms"] : [value, unit === "s" ? " s" : unit];
  return `${Number(scaled.toPrecision(3))}${name}`;
}

function text(x: number, y: number, content: string, kind: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}"${kind === "" ? "" : ` class="${kind}"`}>${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
