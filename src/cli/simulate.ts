import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import type { PartialConfig } from "../config/schema.js";
import { makeDirectory } from "../files.js";
import { builtInPlugins, builtInScenarios } from "../gen/built-in.js";
import { createSpawner } from "../legacy/create-spawner.js";
import type { Spawner } from "../legacy/spawner.js";
import { createLog } from "../log/log.js";
import { silentLog } from "../logger.js";
import { type Case, readCase } from "../replay/case.js";
import { readFile } from "../replay/case-files.js";
import { createCgroupTree } from "../replay/cgroup-tree.js";
import { toJsonLine } from "../replay/lines.js";
import { playCase } from "../replay/play.js";
import { colourPalette, type Palette, plainPalette, toTimeline } from "../replay/timeline.js";
import { addConfigFlags, pluginFlags } from "./config-flags.js";
import { configLayers } from "./config-layers.js";
import { untilInterrupted } from "./interrupt.js";
import { type CliIo, exitCodes } from "./io.js";
import type { Done } from "./program.js";
import { dialectOf, dialectOption } from "./replay.js";

export function addSimulateCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("simulate")
    .description("show the bridge at work: recorded pods, an embedded runtime, the sample plugins as real processes")
    .option("--scenario <folder>", "play this case instead of the built-in ones")
    .option("--json", "one JSON line for each plugin run and each answer")
    .addOption(dialectOption());
  addConfigFlags(command, [...pluginFlags, "log-level"]).action(async (options: Record<string, unknown>) => {
    const { flags, file } = configLayers(options);
    await untilInterrupted(io, async (interrupted) => {
      const folder = mkdtempSync(join(tmpdir(), "nri-v01-bridge-simulate-"));
      const spawner = createSpawner(silentLog);
      try {
        const scenarios = typeof options.scenario === "string" ? [options.scenario] : writeScenarios(folder);
        for (const scenario of scenarios) {
          await simulate({ played: readCase(scenario), folder, flags, file, options, spawner, interrupted }, io);
        }
      } finally {
        await spawner.close();
        rmSync(folder, { recursive: true, force: true });
      }
    });
    done(exitCodes.done);
  });
}

interface Simulation {
  readonly played: Case;
  readonly folder: string;
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly spawner: Spawner;
  readonly interrupted: AbortSignal;
}

async function simulate(simulation: Simulation, io: CliIo): Promise<void> {
  const { played, folder, flags, file, options, spawner, interrupted } = simulation;
  const json = options.json === true;
  const print = (text: string) => {
    if (!json) io.stdout(text);
  };
  const palette: Palette = process.stdout.isTTY && io.environment.NO_COLOR === undefined ? colourPalette : plainPalette;
  const width = process.stdout.columns ?? 120;
  // A plugin that writes to its container's cgroup does it here, so that it can be seen and nothing else is touched.
  const cgroups = createCgroupTree(join(folder, "cgroup"), played);
  const conf = flags.confFile === undefined ? simulatedConf(cgroups.root) : readFile(flags.confFile, "--conf");
  const before = cgroups.read();
  print(`${palette.bold(played.title)}\n`);
  print(
    palette.dim(
      `${played.name}: ${played.events.length} recorded events of ${played.runtime.name} ${played.runtime.version}\n`,
    ),
  );
  await playCase({
    played,
    flags: {
      states: ["create", "update", "delete"],
      ...flags,
      pluginDirs: flags.pluginDirs ?? [writePlugins(folder)],
    },
    file,
    conf,
    dialect: dialectOf(options),
    environment: io.environment,
    spawner,
    interrupted,
    log: createLog(flags.log?.level ?? "silent", { write: (line) => io.stderr(line) }),
    onReport: (report) => {
      if (!json) return io.stdout(toTimeline(report, palette, width));
      const line = toJsonLine(report);
      if (line !== undefined) io.stdout(`${line}\n`);
    },
  });
  const after = cgroups.read();
  for (const [name, value] of before) {
    const now = after.get(name) ?? "gone";
    if (now !== value) print(`\n${palette.bold(name)} of the container: ${value} before, ${palette.good(now)} after\n`);
  }
  print("\n");
}

/** The sample plugins, told where the simulated cgroups are. */
function simulatedConf(cgroupRoot: string): Uint8Array {
  const plugins = [{ type: "clearcfs", conf: { cgroupRoot } }, { type: "labels" }];
  return Buffer.from(JSON.stringify({ version: "0.1", plugins }));
}

function writePlugins(folder: string): string {
  const directory = join(folder, "bin");
  makeDirectory(directory);
  for (const [name, text] of Object.entries(builtInPlugins)) {
    writeFileSync(join(directory, name), text);
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
}

/** Writes the built-in scenarios to disk, where a case is read from, and gives their folders. */
function writeScenarios(folder: string): string[] {
  return Object.entries(builtInScenarios).map(([name, files]) => {
    const target = join(folder, "scenarios", name);
    for (const [file, text] of Object.entries(files)) {
      makeDirectory(dirname(join(target, file)));
      writeFileSync(join(target, file), text);
    }
    return target;
  });
}
