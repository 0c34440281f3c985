import type { NriEvent } from "../nri/events.js";
import type { PlayReport } from "./play.js";

/** Terminal colours; none where the output is no terminal. */
export interface Palette {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

export const plainPalette: Palette = { dim: String, bold: String, good: String, bad: String };

export const colourPalette: Palette = {
  dim: (text) => `\u001b[2m${text}\u001b[22m`,
  bold: (text) => `\u001b[1m${text}\u001b[22m`,
  good: (text) => `\u001b[32m${text}\u001b[39m`,
  bad: (text) => `\u001b[31m${text}\u001b[39m`,
};

/** A report as people read it: the event, what each plugin was asked and said, and the answer to the runtime. */
export function toTimeline(report: PlayReport, { dim, bold, good, bad }: Palette, width: number): string {
  if (report.type === "event") {
    const { recorded, event } = report;
    const dialect = recorded.method === event.name ? "" : dim(` (by ${recorded.method})`);
    return `\n${bold(event.name)} ${subjectOf(event)}${dialect}\n`;
  }
  if (report.type === "run") {
    const { run } = report;
    const end = run.outcome === "ok" ? good("ok") : bad(run.outcome);
    const lines = [
      `  ${bold(run.plugin)} ${run.state}  ${end} ${dim(`${run.durationMs.toFixed(1)} ms, ${run.path || "no executable"}`)}`,
      `    ${dim("request")} ${shorten(run.request, width - 12)}`,
      ...run.stderr.map((line) => `    ${dim("stderr ")} ${shorten(line, width - 12)}`),
      ...(run.stdout === "" ? [] : [`    ${dim("result ")} ${shorten(run.stdout.trimEnd(), width - 12)}`]),
      ...(run.error === null ? [] : [`    ${bad("error  ")} ${run.error}`]),
    ];
    return `${lines.join("\n")}\n`;
  }
  const { outcome, response } = report;
  const answer = outcome.error === undefined ? good("OK") : bad(`${outcome.error.code}: ${outcome.error.message}`);
  const updates = response?.update.length ? `, ${response.update.length} container updates` : "";
  return `  ${dim("answer")} ${answer}${updates} ${dim(`after ${outcome.durationMs.toFixed(1)} ms`)}\n`;
}

function subjectOf(event: NriEvent): string {
  const pod = `${event.pod.namespace}/${event.pod.name}`;
  if (!("container" in event)) return `pod ${pod}, pid ${event.pod.pid}`;
  return `container ${event.container.name} of ${pod}, pid ${event.container.pid}`;
}

/** One line, cut to a width, with the middle left out: both ends of a request say something. */
function shorten(text: string, width: number): string {
  const line = text.replaceAll("\n", "\\n");
  const room = Math.max(width, 40);
  if (line.length <= room) return line;
  const tail = Math.floor(room / 3);
  return `${line.slice(0, room - tail - 3)}...${line.slice(-tail)}`;
}
