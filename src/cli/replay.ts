import { type Command, Option } from "commander";
import { createPortableSpawner } from "../legacy/portable-spawner.js";
import { createLog } from "../log/log.js";
import { readCase } from "../replay/case.js";
import { readFile } from "../replay/case-files.js";
import { toJsonLine } from "../replay/lines.js";
import { type PlayReport, playCase } from "../replay/play.js";
import { plainPalette, toTimeline } from "../replay/timeline.js";
import { addConfigFlags, configLayers } from "./config-flags.js";
import { type CliIo, exitCodes } from "./io.js";
import type { Done } from "./program.js";

export function addReplayCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("replay")
    .description("play a recorded case through the bridge and the legacy plugins, with an embedded runtime")
    .argument("<folder>", "a case: events.jsonl, and case.json, conf.json, bundles/ where present")
    .option("--json", "one JSON line for each plugin run and each answer")
    .addOption(dialectOption());
  addConfigFlags(command).action(async (folder: string, options: Record<string, unknown>) => {
    const { flags, file } = configLayers(options);
    const spawner = createPortableSpawner();
    try {
      await playCase({
        played: readCase(folder),
        flags,
        file,
        conf: flags.confFile === undefined ? undefined : readFile(flags.confFile),
        dialect: dialectOf(options),
        environment: io.environment,
        spawner,
        log: createLog(flags.log?.level ?? "silent", { write: (line) => io.stderr(line) }),
        onReport: (report) => io.stdout(format(report, options.json === true)),
      });
    } finally {
      await spawner.close();
    }
    done(exitCodes.done);
  });
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
