import { join } from "node:path";
import { styleText } from "node:util";
import * as z from "zod/mini";
import { BridgeError, excerpt } from "../../base/errors.js";
import type { RunReport } from "../../bridge/chain.js";
import type { NriEvent } from "../../nri/events.js";
import { responseToJson } from "../../nri/json.js";
import { parseJson, readIfThere } from "./case.js";
import type { Answer, PlayReport } from "./play.js";

/** A report as one line of JSON output; undefined for a report of an event, which has no line. */
export function toLine(report: PlayReport): ReportLine | undefined {
  if (report.type === "run") return runLine(report);
  return report.type === "answer" ? answerLine(report) : undefined;
}

type ReportLine = ReturnType<typeof runLine> | ReturnType<typeof answerLine>;

export function runLine({ call, run, adjusted }: RunReport) {
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
    asked: adjusted,
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

/** Rounds milliseconds to the microsecond, as the clock is no finer. */
function toMilliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** A report as text for people, in colours when stdout is a terminal. @param width the largest number of characters in a line */
export function toTimeline(report: PlayReport, width: number): string {
  if (report.type === "event") {
    const { recorded, event } = report;
    const dialect = recorded.method === event.name ? "" : styleText("dim", ` (by ${recorded.method})`);
    return `\n${styleText("bold", event.name)} ${subjectOf(event)}${dialect}\n`;
  }
  return report.type === "run" ? formatRun(report, width) : formatAnswer(report, width);
}

function formatRun({ run, adjusted, notes }: RunReport, width: number): string {
  const { plugin, path, state, outcome, durationMs, exitCode } = run;
  const end = styleText(outcome === "ok" ? "green" : "red", outcome);
  const about = styleText("dim", `${durationMs.toFixed(1)} ms, ${path || "no executable"}`);
  const lines = [
    `  ${styleText("bold", plugin)} ${state}  ${end} ${about}\n`,
    formatPart("request", run.request, width),
    ...run.stderr.map((line) => formatPart("stderr", line, width)),
    ...(run.stdout === "" ? [] : [formatPart("result", run.stdout.trimEnd(), width)]),
    ...(exitCode === 0 || exitCode === null ? [] : [formatPart("exit", String(exitCode), width)]),
    ...(adjusted.length === 0 ? [] : [formatPart("asks", adjusted.join(", "), width)]),
    ...notes.map(({ text }) => formatPart("no use", text)),
    ...(run.error === null ? [] : [formatPart("error", run.error)]),
    ...(run.hint === null ? [] : [formatPart("hint", run.hint)]),
  ];
  return lines.join("");
}

/** The bridge's answer and what it asks of the runtime: the adjustment of the container, and each update of another one. */
function formatAnswer({ outcome: { error, durationMs }, response }: Answer, width: number): string {
  const answer = error === undefined ? styleText("green", "OK") : styleText("red", `${error.code}: ${error.message}`);
  const asked = Object.entries(response === undefined ? {} : responseToJson(response)).flatMap(([key, value]) =>
    [value].flat().map((one) => formatPart(key, JSON.stringify(one), width)),
  );
  return `  answer ${answer} ${styleText("dim", `after ${durationMs.toFixed(1)} ms`)}\n${asked.join("")}`;
}

/** One line. A text longer than the width loses its middle, as both ends of a request are worth reading. */
function formatPart(name: string, text: string, width = Number.POSITIVE_INFINITY): string {
  const line = text.replaceAll("\n", "\\n");
  const room = Math.max(width - 12, 40);
  const tail = Math.floor(room / 3);
  const shown = line.length <= room ? line : `${line.slice(0, room - tail - 3)}...${line.slice(-tail)}`;
  return `    ${styleText("dim", name.padEnd(7))} ${shown}\n`;
}

function subjectOf(event: NriEvent): string {
  const pod = `${event.pod.namespace}/${event.pod.name}`;
  if (!("container" in event)) return `pod ${pod}, pid ${event.pod.pid}`;
  return `container ${event.container.name} of ${pod}, pid ${event.container.pid}`;
}

type ComparedLine = z.infer<typeof lineSchema>;

const lineSchema = z.looseObject({
  type: z.enum(["run", "answer"]),
  event: z.string(),
  id: z.string(),
  plugin: z.optional(z.string()),
  state: z.optional(z.string()),
});

/** The fields that `--compare` compares. Times, paths and stderr differ with each machine and run. */
const compared = {
  run: ["phase", "request", "stdout", "stdoutBase64", "exitCode", "signal", "outcome", "error"],
  answer: ["response", "error"],
} as const satisfies Record<ComparedLine["type"], readonly string[]>;

/**
 * The runs and answers of a case, as `record --run` wrote them.
 * @throws BridgeError USAGE when the file is missing, is not valid, or holds no run of a plugin
 */
export function readExpected(folder: string): readonly ComparedLine[] {
  const file = join(folder, "expected/lines.jsonl");
  const text = readIfThere(file)?.toString("utf8");
  const lines = (text ?? "")
    .split("\n")
    .flatMap((line, at) => (line.trim() === "" ? [] : [parseJson(line, lineSchema, `${file}:${at + 1}`)]));
  if (lines.some(({ type }) => type === "run")) return lines;
  const what = text === undefined ? "no such file" : "the file records no plugin run";
  throw new BridgeError("USAGE", `${file}: ${what}: --compare needs this file; record it with record --run`);
}

/** The differences between a recording and its replay, in the order of the recording. Lines that only the replay has come last. */
export function compareLines(recorded: readonly ComparedLine[], replayed: readonly ReportLine[]) {
  const [then, now] = [byPlace(recorded), byPlace(replayed.map((line) => lineSchema.parse(line)))];
  const places = new Set([...then.keys(), ...now.keys()]);
  return [...places].flatMap((place) => compareLine(then.get(place), now.get(place)));
}

/**
 * Keys each line by its subject and by its number among the lines of that subject: in a replay the events of two containers may
 * come in another order.
 */
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

/** One difference between a recording and its replay, as `replay --compare --json` prints it. */
type Difference = ReturnType<typeof compareLines>[number];

function compareLine(recorded: ComparedLine | undefined, replayed: ComparedLine | undefined) {
  const line = recorded ?? replayed;
  if (line === undefined) return [];
  const { type, event, id, plugin = null, state = null } = line;
  const difference = (field: string, then: unknown, now: unknown) =>
    ({ type: "difference", event, id, plugin, state, field, recorded: then, replayed: now }) as const;
  if (recorded === undefined || replayed === undefined) {
    // The bridge's settings decide whether it subscribes to an event for which no plugin runs. An empty answer in one of the two is
    // therefore no difference.
    if (type === "answer" && line.error === null && JSON.stringify(line.response) === "{}") return [];
    // Only the recording or only the replay has this line.
    return [difference(type, recorded ?? null, replayed ?? null)];
  }
  return compared[type].flatMap((field) => {
    const [then, now]: readonly unknown[] = [recorded[field] ?? null, replayed[field] ?? null];
    return JSON.stringify(then) === JSON.stringify(now) ? [] : [difference(field, then, now)];
  });
}

/** A difference as text for people. Of two long texts it shows only the part around the first difference. */
export function formatDifference({ event, id, plugin, state, field, recorded, replayed }: Difference): string {
  const who = `${event} ${id.slice(0, 13)}${plugin === null ? "" : `, ${plugin} ${state}`}: ${field}`;
  if (field === "run" || field === "answer")
    return `${who} only in the ${recorded === null ? "replay" : "recording"}\n`;
  const [left = "", right = ""] = [recorded, replayed].map((value) => {
    return typeof value === "string" ? value.replaceAll("\n", "\\n") : JSON.stringify(value);
  });
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  const from = Math.max(0, same - 40);
  const [then, now] = [left, right].map((text) => `${from > 0 ? "…" : ""}${excerpt(text.slice(from), 160)}`);
  return `${who}\n  recorded  ${then}\n  replayed  ${now}\n`;
}
