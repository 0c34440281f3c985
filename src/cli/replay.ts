import type { Command } from "commander";
import { createLog } from "../observe/log.js";
import { asSentBy, parseRuntime } from "../tools/replay/as-runtime.js";
import { readCase, readFile, withConf } from "../tools/replay/case.js";
import { type PlayOptions, type PlayReport, playCase } from "../tools/replay/play.js";
import { compareLines, formatDifference, readExpected, toLine, toTimeline } from "../tools/replay/report.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, configLayers, pluginFlags } from "./config.js";
import { type CliIo, exitCodes, type Workplace, withPlugins } from "./io.js";

type Options = Readonly<Record<string, unknown>>;

export const runtimeOption = [
  "--runtime <name-version>",
  "send events as this runtime does: containerd-2.3.4, cri-o-1.37.0",
] as const;

export function addReplayCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("replay")
    .description("play a recorded case through the bridge and its plugins, with an embedded runtime")
    .argument("<folder>", "the case: events.jsonl, and case.json, conf.json, bundles/ where present")
    .option("--json", "print one JSON line for each plugin run and each answer")
    .option("--compare", "print only what differs from what `record --run` wrote: requests, results and answers")
    .option(...runtimeOption);
  addConfigFlags(command, [...pluginFlags, "log-level"]).action(async (folder: string, options: Options) => {
    const { flags, file } = configLayers(options);
    const read = readCase(folder);
    const recorded = typeof options.runtime === "string" ? asSentBy(read, parseRuntime(options.runtime)) : read;
    const expected = options.compare === true ? readExpected(folder) : undefined;
    const { confFile } = flags;
    const played = confFile === undefined ? recorded : withConf(recorded, confFile, readFile(confFile, "--conf"));
    const reports = await withPlugins(io, (workplace) => play(io, workplace, { played, flags, file }, options));
    const json = options.json === true;
    const well = expected === undefined ? summarize(io, reports, json) : compare(io, expected, reports, json);
    done(well ? exitCodes.done : exitCodes.faults);
  });
}

/** Prints, unless `json`, how many runs and answers there were. @returns whether no run failed and no answer is an error */
function summarize(io: CliIo, reports: readonly PlayReport[], json: boolean): boolean {
  const runs = reports.filter((report) => report.type === "run");
  const answers = reports.filter((report) => report.type === "answer");
  const failed = runs.filter(({ run }) => run.error !== null).length;
  const errors = answers.filter(({ outcome }) => outcome.error !== undefined).length;
  if (!json) {
    io.stdout(`\n${runs.length} plugin runs, ${failed} failed; ${answers.length} answers, ${errors} of them errors\n`);
  }
  return failed + errors === 0;
}

/** Prints the differences between the replay and the recording. @returns whether there is none */
function compare(
  io: CliIo,
  expected: ReturnType<typeof readExpected>,
  reports: readonly PlayReport[],
  json: boolean,
): boolean {
  const replayed = reports.flatMap((report) => toLine(report) ?? []);
  const differences = compareLines(expected, replayed);
  for (const difference of differences) {
    io.stdout(json ? `${JSON.stringify(difference)}\n` : formatDifference(difference));
  }
  const count = { recorded: expected.length, replayed: replayed.length, differences: differences.length };
  if (json) io.stdout(`${JSON.stringify({ type: "comparison", ...count })}\n`);
  else {
    const what = differences.length === 0 ? "no difference" : `${differences.length} differences`;
    io.stdout(`${expected.length} runs and answers recorded, ${replayed.length} replayed: ${what}\n`);
  }
  return differences.length === 0;
}

/**
 * Plays a case for a verb, and prints each report as it comes: as a JSON line with --json, else as `format` gives it. With
 * --compare it prints nothing.
 */
export async function play(
  io: CliIo,
  workplace: Workplace,
  given: Pick<PlayOptions, "played" | "flags" | "file">,
  { json, compare }: Options,
  format = (report: PlayReport) => toTimeline(report, process.stdout.columns ?? 160),
): Promise<readonly PlayReport[]> {
  const log = createLog(given.flags.log?.level ?? "silent", { write: (line) => io.stderr(line) });
  const reports: PlayReport[] = [];
  const onReport = (report: PlayReport) => {
    reports.push(report);
    const line = toLine(report);
    if (compare === true) return;
    if (json !== true) io.stdout(format(report));
    else if (line !== undefined) io.stdout(`${JSON.stringify(line)}\n`);
  };
  await playCase({ ...given, ...workplace, environment: io.environment, log, onReport });
  return reports;
}
