import { type Command, Option } from "commander";
import { createSpawner } from "../legacy/create-spawner.js";
import { createLog } from "../log/log.js";
import { silentLog } from "../logger.js";
import { readCase } from "../replay/case.js";
import { readFile } from "../replay/case-files.js";
import { compareLines, type ExpectedLine, formatDifference, readExpected, toExpected } from "../replay/compare.js";
import { toJsonLine } from "../replay/lines.js";
import { type PlayReport, playCase } from "../replay/play.js";
import { plainPalette, toTimeline } from "../replay/timeline.js";
import { addConfigFlags, pluginFlags } from "./config-flags.js";
import { configLayers } from "./config-layers.js";
import { untilInterrupted } from "./interrupt.js";
import { type CliIo, exitCodes } from "./io.js";
import type { Done } from "./program.js";

export function addReplayCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("replay")
    .description("play a recorded case through the bridge and the legacy plugins, with an embedded runtime")
    .argument("<folder>", "a case: events.jsonl, and case.json, conf.json, bundles/ where present")
    .option("--json", "one JSON line for each plugin run and each answer")
    .option("--compare", "show only what differs from what `record --run` wrote: requests, results and answers")
    .addOption(dialectOption())
    .addHelpText(
      "after",
      "\nExit codes: 0 done; 1 a plugin failed or the bridge answered an error, with --compare: something differs." +
        "\nThe settings are those of now, from flags and --config: a recording holds none.",
    );
  addConfigFlags(command, [...pluginFlags, "log-level"]).action(
    async (folder: string, options: Record<string, unknown>) => {
      const { flags, file } = configLayers(options);
      const json = options.json === true;
      const played = readCase(folder);
      const expected = options.compare === true ? readExpected(folder) : undefined;
      const reports: PlayReport[] = [];
      const conf = flags.confFile === undefined ? undefined : readFile(flags.confFile, "--conf");
      await untilInterrupted(io, async (interrupted) => {
        const spawner = createSpawner(silentLog);
        try {
          await playCase({
            played,
            flags,
            file,
            conf,
            dialect: dialectOf(options),
            environment: io.environment,
            spawner,
            interrupted,
            log: createLog(flags.log?.level ?? "silent", { write: (line) => io.stderr(line) }),
            onReport: (report) => {
              reports.push(report);
              if (expected === undefined) io.stdout(format(report, json));
            },
          });
        } finally {
          await spawner.close();
        }
      });
      const well = expected === undefined ? summarize(io, reports, json) : compare(io, expected, reports, json);
      done(well ? exitCodes.done : exitCodes.faults);
    },
  );
}

/** Tells people how many runs and answers there were. @returns whether all of them are well */
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

/** Tells what differs from the recording. @returns whether nothing does */
function compare(io: CliIo, expected: readonly ExpectedLine[], reports: readonly PlayReport[], json: boolean): boolean {
  const replayed = reports.flatMap((report) => toJsonLine(report) ?? []).map(toExpected);
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

export function dialectOption(): Option {
  return new Option(
    "--dialect <dialect>",
    "send events by StateChange (NRI < 0.12), or by calls of their own (as recorded when not given)",
  ).choices(["state-change", "dedicated"]);
}

export function dialectOf({ dialect }: Readonly<Record<string, unknown>>): "state-change" | "dedicated" | undefined {
  return dialect === "state-change" || dialect === "dedicated" ? dialect : undefined;
}

function format(report: PlayReport, json: boolean): string {
  if (!json) return toTimeline(report, plainPalette, 160);
  const line = toJsonLine(report);
  return line === undefined ? "" : `${line}\n`;
}
