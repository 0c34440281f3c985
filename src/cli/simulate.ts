import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { makeDirectory } from "../base/files.js";
import type { PartialConfig } from "../config/schema.js";
import { builtInPlugins, builtInScenarios } from "../gen/built-in.js";
import { decodeEvent } from "../nri/events.js";
import { changedFiles, makeCgroupFiles } from "../tools/conformance/cgroup-files.js";
import { asSentBy, parseRuntime } from "../tools/replay/as-runtime.js";
import { type Case, readCase, readFile, withConf } from "../tools/replay/case.js";
import { addConfigFlags, configLayers, pluginFlags } from "./config.js";
import { type CliIo, exitCodes, withPlugins } from "./io.js";
import type { Done } from "./program.js";
import { play, runtimeOption } from "./replay.js";

export function addSimulateCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("simulate")
    .description("show the bridge at work: recorded pods, an embedded runtime, the sample plugins as real processes")
    .option("--scenario <folder>", "play this case instead of the built-in ones")
    .option(...runtimeOption)
    .option("--json", "one JSON line for each plugin run and each answer");
  addConfigFlags(command, [...pluginFlags, "log-level"]).action(async (options: Record<string, unknown>) => {
    const { flags, file } = configLayers(options);
    const print = (text: string) => {
      if (options.json !== true) io.stdout(text);
    };
    await withPlugins(io, async (workplace) => {
      const { scratch } = workplace;
      const runtime = typeof options.runtime === "string" ? parseRuntime(options.runtime) : undefined;
      const own = typeof options.scenario === "string" ? readCase(options.scenario) : undefined;
      const builtIn = own === undefined ? writeScenarios(scratch).map(readCase) : [];
      const { name: ofRuntime } = runtime ?? { name: "containerd" };
      const cases = own === undefined ? builtIn.filter((each) => each.runtime.name === ofRuntime) : [own];
      const pluginDirs = flags.pluginDirs ?? [writePlugins(scratch)];
      for (const [number, read] of cases.entries()) {
        const recorded = runtime === undefined ? read : asSentBy(read, runtime);
        const { name, title, events } = recorded;
        const cgroups = join(scratch, "cgroup", String(number));
        const files = makeCgroups(cgroups, recorded);
        const { confFile } = flags;
        const conf = confFile === undefined ? simulatedConf(cgroups) : readFile(confFile, "--conf");
        const sentAs = runtime === undefined ? "" : `, sent as ${runtime.name} ${runtime.version}`;
        print(
          `${title}\n${name}: ${events.length} recorded events of ${read.runtime.name} ${read.runtime.version}${sentAs}\n`,
        );
        const played = withConf(recorded, confFile ?? "conf.json", conf);
        const settings: PartialConfig = { states: ["create", "update", "delete"], ...flags, pluginDirs };
        await play(io, workplace, { played, flags: settings, file }, options);
        for (const { name, was, is } of changedFiles(cgroups, files)) {
          print(`\n${basename(name)} of the container: ${was} before, ${is} after\n`);
        }
        print("\n");
      }
    });
    done(exitCodes.done);
  });
}

/** A plugin that writes to its container's cgroup does it there, so that it can be seen and nothing else is touched. */
function makeCgroups(root: string, { events }: Case) {
  const files = events.flatMap(({ method, payload }) => {
    const event = decodeEvent(method, payload);
    if (event?.name !== "StartContainer") return [];
    const { linux } = event.container;
    // The kernel's default, which is no limit, where the container has none.
    return [...makeCgroupFiles(root, linux?.cgroupsPath ?? "", linux?.resources?.cpu?.quota ?? -1n)];
  });
  return new Map(files);
}

/** The sample plugins, told where the simulated cgroups are. */
function simulatedConf(cgroupRoot: string): Uint8Array {
  const plugins = [{ type: "clearcfs", conf: { cgroupRoot } }, { type: "labels" }];
  return Buffer.from(JSON.stringify({ version: "0.1", plugins }));
}

function writePlugins(folder: string): string {
  return writeFiles(join(folder, "bin"), builtInPlugins, 0o755);
}

/** Writes the built-in scenarios to disk, where a case is read from, and gives their folders. */
function writeScenarios(folder: string): string[] {
  return Object.entries(builtInScenarios).map(([name, files]) => writeFiles(join(folder, "scenarios", name), files));
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>, mode = 0o644): string {
  for (const [name, text] of Object.entries(files)) {
    makeDirectory(dirname(join(folder, name)));
    writeFileSync(join(folder, name), text, { mode });
  }
  return folder;
}
