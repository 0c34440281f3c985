import { join } from "node:path";
import * as z from "zod/mini";
import { BridgeError } from "../errors.js";
import { parseJson } from "./case.js";
import { readIfThere } from "./case-files.js";

/** A line of expected/lines.jsonl, which is one of `replay --json`. */
export type ExpectedLine = z.infer<typeof lineSchema>;

const lineSchema = z.looseObject({
  type: z.enum(["run", "answer"]),
  event: z.string(),
  id: z.string(),
  plugin: z.optional(z.string()),
  state: z.optional(z.string()),
});

/** Where a replay differs from what was recorded, as `replay --compare --json` has it. */
export interface Difference {
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
} as const satisfies Record<ExpectedLine["type"], readonly string[]>;

/** What `record --run` wrote of a case's runs and answers. @throws BridgeError USAGE where there is nothing to compare with */
export function readExpected(folder: string): readonly ExpectedLine[] {
  const file = join(folder, "expected/lines.jsonl");
  const text = readIfThere(file)?.toString("utf8");
  const lines = (text ?? "")
    .split("\n")
    .flatMap((line, at) => (line.trim() === "" ? [] : [parseJson(line, lineSchema, `${file}:${at + 1}`)]));
  if (lines.some(({ type }) => type === "run")) return lines;
  const what = text === undefined ? "no such file" : "it holds no plugin's run";
  throw new BridgeError("USAGE", `${file}: ${what}: there is nothing to compare with; record --run writes it`);
}

/** A line of the replay, as its text would be read. */
export function toExpected(line: string): ExpectedLine {
  return parseJson(line, lineSchema, "replay");
}

export function compareLines(
  recorded: readonly ExpectedLine[],
  replayed: readonly ExpectedLine[],
): readonly Difference[] {
  const [left, right] = [byPlace(recorded), byPlace(replayed)];
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((place) =>
    compareLine(left.get(place), right.get(place)),
  );
}

/** By what a line is about, and the how manieth of it: events of two containers may come in another order. */
function byPlace(lines: readonly ExpectedLine[]): ReadonlyMap<string, ExpectedLine> {
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

function compareLine(recorded: ExpectedLine | undefined, replayed: ExpectedLine | undefined): readonly Difference[] {
  const line = recorded ?? replayed;
  if (line === undefined) return [];
  const { type, event, id, plugin = null, state = null } = line;
  const about = { type: "difference", event, id, plugin, state } as const;
  if (recorded === undefined || replayed === undefined) {
    // An event that nothing is run for may be asked for or not, as the settings of the day are.
    if (isPlainOk(line)) return [];
    return [{ ...about, field: type, recorded: recorded ?? null, replayed: replayed ?? null }];
  }
  return compared[type].flatMap((field) => {
    const [then, now]: readonly unknown[] = [recorded[field] ?? null, replayed[field] ?? null];
    return JSON.stringify(then) === JSON.stringify(now) ? [] : [{ ...about, field, recorded: then, replayed: now }];
  });
}

function isPlainOk({ type, response, error }: ExpectedLine): boolean {
  return type === "answer" && error === null && JSON.stringify(response) === "{}";
}

/** As much of two long texts as shows where they part. */
const shownLetters = 160;
const lettersBefore = 40;

/** A difference for people. */
export function formatDifference({ event, id, plugin, state, field, recorded, replayed }: Difference): string {
  const who = `${event} ${id.slice(0, 13)}${plugin === null ? "" : `, ${plugin} ${state}`}`;
  if (recorded === null && (field === "run" || field === "answer")) return `${who}: ${field} in the replay alone\n`;
  if (replayed === null && (field === "run" || field === "answer")) return `${who}: ${field} in the recording alone\n`;
  const [then, now] = [recorded, replayed].map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  const [left = "", right = ""] = [then, now];
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
