import { writeFileSync } from "node:fs";

import { formatGoal, formatValue, type Goal, isMet } from "./goals.js";
import type { Report } from "./report.js";

const [width, left, right, row, head] = [860, 330, 90, 22, 34] as const;
const scaleWidth = width - left - right;
const colours = { floor: "#8a8f98", bridge: "#2f6fdb", met: "#2e9e5b", missed: "#d14343", limit: "#444b55" } as const;

/** Draws the medians with their 90th and 99th percentiles, and each goal with how much of it is used up. */
export function writePlot(path: string, goals: readonly Goal[], reports: readonly Report[]): void {
  let y = 0;
  const parts: string[] = [];
  for (const report of reports) {
    parts.push(group(y, drawReport(report)));
    y += head + report.rows.length * row + 16;
  }
  parts.push(group(y, drawGoals(goals)));
  y += head + goals.length * row + 16;
  const style = "text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:14px}.e{text-anchor:end}";
  const background = `<rect width="${width}" height="${y}" fill="#fff"/>`;
  writeFileSync(
    path,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}"><style>${style}</style>${background}\n${parts.join("\n")}\n</svg>\n`,
  );
}

/** Bars to the median; a line from there to the 90th percentile, a thinner one to the 99th, cut where the scale ends. */
function drawReport({ title, rows }: Report): string[] {
  const longest = Math.max(...rows.map(({ p90 }) => p90));
  const x = (time: number) => left + Math.min(1, time / longest) * scaleWidth;
  return [
    text(12, 20, `${title}: median, 90th and 99th percentile`, "t"),
    ...rows.flatMap(({ name, p50, p90, p99 }, index) => {
      const y = head + index * row;
      const isFloor = /^(raw|posix_spawn|node) /.test(name);
      return [
        text(left - 8, y + 14, name, "e"),
        bar(y, x(p50), isFloor ? colours.floor : colours.bridge),
        line(x(p50), x(p90), y, 3),
        line(x(p90), x(p99), y, 1),
        text(width - 8, y + 14, `${(p50 / 1000).toFixed(p50 < 10_000 ? 3 : 1)} ms`, "e"),
      ];
    }),
  ];
}

/** Each goal is a bar that may reach the line, and no further. */
function drawGoals(goals: readonly Goal[]): string[] {
  const limit = left + scaleWidth * 0.75;
  return [
    text(12, 20, "Goals: how much of each is used up", "t"),
    ...goals.flatMap((goal, index) => {
      const y = head + index * row;
      const used = Math.max(0, Math.min(1.33, goal.value / goal.below));
      return [
        text(left - 8, y + 14, goal.what.replaceAll("`", ""), "e"),
        bar(y, left + used * (limit - left), isMet(goal) ? colours.met : colours.missed),
        text(width - 8, y + 14, `${formatValue(goal)} ${formatGoal(goal)}`, "e"),
      ];
    }),
    `<path d="M${limit} ${head - 4}V${head + goals.length * row}" stroke="${colours.limit}" stroke-dasharray="3 3"/>`,
  ];
}

function group(y: number, content: readonly string[]): string {
  return `<g transform="translate(0 ${y})">\n${content.join("\n")}\n</g>`;
}

function bar(y: number, to: number, colour: string): string {
  return `<rect x="${left}" y="${y + 3}" width="${Math.max(1, to - left).toFixed(1)}" height="14" fill="${colour}"/>`;
}

function line(from: number, to: number, y: number, thickness: number): string {
  return `<path d="M${from.toFixed(1)} ${y + 10}H${to.toFixed(1)}" stroke="${colours.limit}" stroke-width="${thickness}"/>`;
}

function text(x: number, y: number, content: string, kind: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" class="${kind}">${escaped}</text>`;
}
