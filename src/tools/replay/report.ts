import { join } from "node:path";
import { styleText } from "node:util";
import * as z from "zod/mini";
import { BridgeError } from "../../base/errors.js";
import type { RunReport } from "../../bridge/chain.js";
import type { NriEvent } from "../../nri/events.js";
import { responseToJson } from "../../nri/json.js";
import { parseJson, readIfThere } from "./case.js";
import type { Answer, PlayReport } from "./play.js";

/** A report as the line that machines read; undefined for what has none. */
export function toLine(report: PlayReport): ReportLine | undefined {
  if (report.type === "run") return runLine(report);
  return report.type === "answer" ? answerLine(report) : undefined;
}

type ReportLine = ReturnType<typeof runLine> | ReturnType<typeof answerLine>;

export function runLine({ call, run }: Pick<RunReport, "call" | "run">) {
  const { request } = call;
  const utf8 = Buffer.from(run.stdout, "utf8").equals(run.stdoutBytes);
  return {
    type: "run",
    event: call.event,
    id: request.id,
    sandboxId: request.sandboxID,
    plugin: run.plugin,
    path: run.path,
    state: run.state,
    phase: call.phase === "create" ? "create" : "start",
    request: run.request,
    exitCode: run.exitCode,
    signal: run.signal,
    stdout: run.stdout,
    ...(utf8 ? {} : { stdoutBase64: Buffer.from(run.stdoutBytes).toString("base64") }),
    stderr: run.stderr,
    outcome: run.outcome,
    error: run.error,
    durationMs: toMilliseconds(run.durationMs),
  } as const;
}

type AnswerFacts = Pick<Answer, "event" | "response"> & {
  readonly outcome: Pick<Answer["outcome"], "error" | "durationMs">;
};

export function answerLine({ event, outcome, response }: AnswerFacts) {
  return {
    type: "answer",
    event: event.name,
    id: "container" in event ? event.container.id : event.pod.id,
    response: response === undefined ? {} : responseToJson(response),
    error: outcome.error ?? null,
    durationMs: toMilliseconds(outcome.durationMs),
  } as const;
}

/** To the microsecond, which is as much as the clock tells. */
function toMilliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Terminal colours; none where the output is no terminal. */
export interface Palette {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

export function createPalette(colours: boolean): Palette {
  const style = (name: "dim" | "bold" | "green" | "red") => (text: string) => (colours ? styleText(name, text) : text);
  return { dim: style("dim"), bold: style("bold"), good: style("green"), bad: style("red") };
}

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

/** A line of expected/lines.jsonl, which is one of `replay --json`. */
type ComparedLine = z.infer<typeof lineSchema>;

const lineSchema = z.looseObject({
  type: z.enum(["run", "answer"]),
  event: z.string(),
  id: z.string(),
  plugin: z.optional(z.string()),
  state: z.optional(z.string()),
});

/** Where a replay differs from what was recorded, as `replay --compare --json` has it. */
interface Difference {
  readonly type: "difference";
  readonly event: string;
  readonly id: string;
  readonly plugin: string | null;
  readonly state: string | null;
  /** `run` or `answer`: the whole line is in one of the two alone, and null in the other. */
  readonly field: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** What has to be the same; times, paths and stderr are of the machine and the moment. */
const compared = {
  run: ["phase", "request", "stdout", "stdoutBase64", "exitCode", "signal", "outcome", "error"],
  answer: ["response", "error"],
} as const satisfies Record<ComparedLine["type"], readonly string[]>;

/** What `record --run` wrote of a case's runs and answers. @throws BridgeError USAGE where there is nothing to compare with */
export function readExpected(folder: string): readonly ComparedLine[] {
  const file = join(folder, "expected/lines.jsonl");
  const text = readIfThere(file)?.toString("utf8");
  const lines = (text ?? "").split("\n").flatMap((line, at) => {
    if (line.trim() === "") return [];
    const where = `${file}:${at + 1}`;
    const parsed = parseJson(line, lineSchema, where);
    if (!isDeeper(parsed, mostLevels)) return [parsed];
    throw new BridgeError("USAGE", `${where}: it is nested more than ${mostLevels} levels deep`);
  });
  if (lines.some(({ type }) => type === "run")) return lines;
  const what = text === undefined ? "no such file" : "it holds no plugin's run";
  throw new BridgeError("USAGE", `${file}: ${what}: there is nothing to compare with; record --run writes it`);
}

/** More than any answer of NRI has. Values are compared and printed by JSON.stringify, which calls itself for each level. */
const mostLevels = 100;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** What differs in a replay; both as lines of `--json`. */
export function compareLines(
  recorded: readonly ComparedLine[],
  replayed: readonly ReportLine[],
): readonly Difference[] {
  const [left, right] = [byPlace(recorded), byPlace(replayed.map((line) => lineSchema.parse(line)))];
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((place) =>
    compareLine(left.get(place), right.get(place)),
  );
}

/** By what a line is about and its number among those: events of two containers may come in another order. */
function byPlace(lines: readonly ComparedLine[]): ReadonlyMap<string, ComparedLine> {
  const seen = new Map<string, number>();
  return new Map(
    lines.map((line) => {
      const place = JSON.stringify([line.type, line.event, line.id, line.plugin, line.state]);
      const number = (seen.get(place) ?? 0) + 1;
      seen.set(place, number);
      return [`${place} ${number}`, line];
    }),
  );
}

function compareLine(recorded: ComparedLine | undefined, replayed: ComparedLine | undefined): readonly Difference[] {
  const line = recorded ?? replayed;
  if (line === undefined) return [];
  const { type, event, id, plugin = null, state = null } = line;
  const about = { type: "difference", event, id, plugin, state } as const;
  if (recorded === undefined || replayed === undefined) {
    // An event that nothing is run for may be asked for or not, as the settings of the day are.
    if (type === "answer" && line.error === null && JSON.stringify(line.response) === "{}") return [];
    return [{ ...about, field: type, recorded: recorded ?? null, replayed: replayed ?? null }];
  }
  return compared[type].flatMap((field) => {
    const [then, now]: readonly unknown[] = [recorded[field] ?? null, replayed[field] ?? null];
    return JSON.stringify(then) === JSON.stringify(now) ? [] : [{ ...about, field, recorded: then, replayed: now }];
  });
}

/** As much of two long texts as shows where they part. */
const shownLetters = 160;
const lettersBefore = 40;

/** A difference for people. */
export function formatDifference({ event, id, plugin, state, field, recorded, replayed }: Difference): string {
  const who = `${event} ${id.slice(0, 13)}${plugin === null ? "" : `, ${plugin} ${state}`}`;
  if (field === "run" || field === "answer") {
    return `${who}: ${field} in the ${recorded === null ? "replay" : "recording"} alone\n`;
  }
  const [left = "", right = ""] = [recorded, replayed].map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  return `${who}: ${field}\n  recorded  ${around(left, same)}\n  replayed  ${around(right, same)}\n`;
}

function around(text: string, at: number): string {
  const from = text.length <= shownLetters ? 0 : Math.max(0, at - lettersBefore);
  const shown = text.slice(from, from + shownLetters);
  const line = `${from > 0 ? "…" : ""}${shown}${from + shownLetters < text.length ? "…" : ""}`;
  return JSON.stringify(line).slice(1, -1).replaceAll('\\"', '"');
}
