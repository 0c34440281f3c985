import { resolve } from "node:path";
import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import type { Config } from "../config/schema.js";
import { searchPath } from "../plugin/environment.js";
import { findPlugin } from "../plugin/lookup.js";
import { formatConfigFile } from "../tools/doctor/collect/bridge.js";
import { caseWithOnly, explain, withNodeConf } from "../tools/explain/play.js";
import type { PlayReport } from "../tools/replay/play.js";
import { toLine, toTimeline } from "../tools/replay/report.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, pluginFlags, readSettings } from "./config.js";
import { addEventSource, eventSource } from "./explain.js";
import { type CliIo, exitCodes, withPlugins } from "./io.js";

export function addExecCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("exec")
    .description("run one plugin on the request of an event, and show what the bridge would answer")
    .argument("<type>", "the plugin's type in conf.json, or its file")
    .option("--json", "print one JSON line for the run and one for the answer");
  addEventSource(command);
  addConfigFlags(command, pluginFlags).action(
    async (named: string, event: string | undefined, options: Record<string, unknown>) => {
      const type = named.includes("/") ? resolve(named) : named;
      const { flags, file, source, config } = await readSettings(options);
      const given = withNodeConf(eventSource(event, options), flags, config.confFile);
      const [index = 0, ...more] = given.wanted;
      if (event !== undefined && more.length > 0) {
        throw new BridgeError("USAGE", `${event}: give one of its events, ${event}:1 to ${event}:${given.wanted.size}`);
      }
      const { played, types } = caseWithOnly(given.played, type);
      requirePlugin(type, types, config, io.environment.PATH);
      if (!types.includes(type)) {
        io.stderr(`nri-v01-bridge: ${given.confName} does not list ${type}: the plugin runs without conf\n`);
      }
      const about = { flags, file, environment: io.environment };
      const explained = await withPlugins(io, (workplace) =>
        explain({ ...about, ...workplace, played, wanted: new Set([index]) }),
      );
      // A plugin that cannot be run already fails the create of the pod, so that a runtime never sends a later event. Then show
      // that failed run.
      const { runs, answer } =
        explained.find((one) => one.index === index && one.runs.length > 0) ??
        explained.find((one) => one.runs.some(({ run }) => run.error !== null)) ??
        fail(`${type} does not run for this event: see states, phase and events in the bridge's configuration`);
      const reports: PlayReport[] = runs.map((report) => ({ type: "run", ...report }));
      if (answer !== undefined) reports.push({ type: "answer", ...answer });
      if (options.json !== true) io.stdout(formatConfigFile(source));
      for (const report of reports) {
        const line = { ...toLine(report), configuration: source?.file ?? null };
        io.stdout(options.json === true ? `${JSON.stringify(line)}\n` : toTimeline(report, Number.POSITIVE_INFINITY));
      }
      done(runs.every(({ run }) => run.error === null) ? exitCodes.done : exitCodes.faults);
    },
  );
}

function fail(message: string): never {
  throw new BridgeError("USAGE", message);
}

/** @throws BridgeError USAGE with the nearest type, when conf.json does not list the type and no program has this name */
function requirePlugin(type: string, types: readonly string[], config: Config, path: string | undefined): void {
  const { pluginDirs } = config;
  if (types.includes(type) || findPlugin(type, { ...config, path: searchPath(path, pluginDirs) }).ok) return;
  const fault = `conf.json does not list it, and there is no such program in ${pluginDirs.join(", ")} or PATH`;
  throw new BridgeError("USAGE", [`${type}: ${fault}`, nearestHint(type, types, "")].filter(Boolean).join("; "));
}
