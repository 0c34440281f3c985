import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { styleText } from "node:util";
import type { Command } from "commander";
import { makeDirectory } from "../base/files.js";
import { builtInPlugins, demoPods } from "../gen/built-in.js";
import { decodeEvent } from "../nri/events.js";
import { changedFiles, makeCgroupFiles } from "../tools/conformance/cgroup-files.js";
import { asSentBy, parseRuntime } from "../tools/replay/as-runtime.js";
import { type Case, readCase, readFile, withConf } from "../tools/replay/case.js";
import type { PlayReport } from "../tools/replay/play.js";
import { toTimeline } from "../tools/replay/report.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, configLayers, pluginFlags } from "./config.js";
import { columns } from "./help.js";
import { type CliIo, exitCodes, withPlugins } from "./io.js";
import { play, runtimeOption } from "./replay.js";

export function addSimulateCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("simulate")
    .description("show the bridge at work on one pod: an embedded runtime, a real socket, sample plugins as processes")
    .option("--scenario <folder>", "play this recorded case instead of the built-in pod")
    .option(...runtimeOption)
    .option("--json", "print one JSON line for each plugin run and each answer");
  addConfigFlags(command, [...pluginFlags, "log-level"]).action(async (options: Record<string, unknown>) => {
    const { flags, file } = configLayers(options);
    const print = options.json === true ? () => {} : io.stdout;
    await withPlugins(io, async (workplace) => {
      const { scratch } = workplace;
      const given = typeof options.scenario === "string" ? options.scenario : undefined;
      const runtime = typeof options.runtime === "string" ? parseRuntime(options.runtime) : undefined;
      const builtIn = demoPods[runtime?.name ?? "containerd"] ?? {};
      const read = readCase(given ?? writeFiles(join(scratch, "demo"), builtIn));
      const recorded = runtime === undefined ? read : asSentBy(read, runtime);
      const pluginDirs = flags.pluginDirs ?? [writeFiles(join(scratch, "bin"), builtInPlugins, 0o755)];
      const cgroups = join(scratch, "cgroup");
      const story = createStory(cgroups, makeCgroups(cgroups, recorded));
      const { confFile } = flags;
      // The conf tells the sample plugin clearcfs where the simulated cgroups are.
      const plugins = [{ type: "clearcfs", conf: { cgroupRoot: cgroups } }, { type: "no-latest" }];
      const sample = JSON.stringify({ version: "0.1", plugins });
      const conf = confFile === undefined ? Buffer.from(sample) : readFile(confFile, "--conf");
      const played = withConf(recorded, confFile ?? "conf.json", conf);
      const { name, version } = read.runtime;
      const sent = runtime === undefined ? "" : `, sent as ${runtime.version} does`;
      print(`${recorded.title}, recorded on ${name} ${version}${sent}.\n${about}`);
      await play(io, workplace, { played, flags: { ...flags, pluginDirs }, file }, options, story);
      print(given === undefined && name === "containerd" ? shown : "");
    });
    done(exitCodes.done);
  });
}

const about = `The runtime is embedded; its NRI socket and the plugins' processes are real.
A row is a plugin's request and its outcome; "answer" is what the bridge
tells the runtime.
`;
const shown = `
Shown: requests as containerd 1.6 sent them, a plugin that changed a container,
one that refused a container, which then does not start, and a delete for each
create. Next:
  npx nri-v01-bridge simulate --json           see each whole request and result
  npx nri-v01-bridge conformance --plugin FILE try a plugin of your own
  npx nri-v01-bridge doctor                    on a node: why plugins do not run
`;

/** Returns a formatter of reports for people. It prints nothing for an event without a plugin run. */
function createStory(cgroups: string, files: ReturnType<typeof makeCgroups>) {
  let event = "";
  return (report: PlayReport): string => {
    if (report.type === "event") {
      event = toTimeline(report, columns);
      return "";
    }
    if (report.type === "run") {
      const { plugin, state, outcome, error } = report.run;
      const { id, pid } = report.call.request;
      const request = `${styleText("bold", plugin.padEnd(9))} ${state}  id ${id.slice(0, 12)}  pid ${pid || "none"}`;
      const above = event;
      event = "";
      return `${above}  ${request}  ${error === null ? styleText("green", outcome) : styleText("red", error)}\n`;
    }
    if (event !== "") return "";
    const changed = changedFiles(cgroups, files).map(({ name, was, is }) => {
      files.set(name, is);
      return `  ${basename(name)} of the container: ${was} before, ${styleText("yellow", is)} after\n`;
    });
    return `${changed.join("")}${toTimeline(report, columns)}`;
  };
}

/**
 * Makes cgroup files in a scratch folder for the case's containers. A plugin that writes to its container's cgroup writes there,
 * where the demo can show the change and nothing of the machine changes.
 */
function makeCgroups(root: string, { events }: Case) {
  const files = events.flatMap(({ method, payload }) => {
    const event = decodeEvent(method, payload);
    if (event?.name !== "StartContainer") return [];
    const { linux } = event.container;
    // A container without a CPU quota gets -1, the kernel's default for no limit.
    return [...makeCgroupFiles(root, linux?.cgroupsPath ?? "", linux?.resources?.cpu?.quota ?? -1n)];
  });
  return new Map(files);
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>, mode = 0o644): string {
  for (const [name, text] of Object.entries(files)) {
    makeDirectory(dirname(join(folder, name)));
    writeFileSync(join(folder, name), text, { mode });
  }
  return folder;
}
