import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import { pluginSettings } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import { responseToJson } from "../nri/json.js";
import { searchPath } from "../plugin/environment.js";
import { findPlugin } from "../plugin/lookup.js";
import { type ConfigFile, formatConfigFile } from "../tools/doctor/collect/bridge.js";
import { type Given, withNodeConf } from "../tools/explain/given.js";
import { caseWithOnly, type Explained, explain, withoutFailures } from "../tools/explain/play.js";
import { listIfThere } from "../tools/replay/case.js";
import { answerLine, runLine } from "../tools/replay/report.js";
import { formatResult } from "../v01/result.js";
import { addConfigFlags, pluginFlags, readSettings } from "./config.js";
import { addEventSource, eventSource } from "./explain.js";
import { type CliIo, exitCodes, withPlugins } from "./io.js";
import type { Done } from "./program.js";

export function addExecCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("exec")
    .description("run one plugin, as a real process, on the request of an event, and show what the bridge would answer")
    .argument("<type>", "the plugin, as conf.json names it")
    .option("--json", "one JSON line for the run and one for the answer")
    .option("--for <state>", "which run, where the events lead to several: create, delete, or a state of its `events`")
    .addHelpText("after", "\nExit codes: 0 the plugin did well; 1 it failed, or cannot be run.");
  addEventSource(command);
  addConfigFlags(command, pluginFlags).action(
    async (type: string, event: string | undefined, options: Record<string, unknown>) => {
      const { flags, file, source, config } = await readSettings(options);
      const given = withNodeConf(eventSource(event, options), flags, config.confFile);
      const { played, types } = caseWithOnly(given.played, type);
      requirePlugin(type, types, config, io.environment.PATH);
      if (!types.includes(type)) io.stderr(`nri-v01-bridge: ${notListed(type, given, config)}\n`);
      const about = { flags: { ...flags, permissions: config.permissions }, file, environment: io.environment };
      const explained = await withPlugins(io, async ({ spawner, interrupted }) => {
        const all = await explain({
          ...{ ...about, played, wanted: given.wanted, interrupted },
          // First without running anything, and as if no failure cost anything: which of the events is the plugin run for?
          flags: withoutFailures(about.flags),
          file: file && withoutFailures(file),
        });
        const only = choose(all, type, options.for ?? (given.live ? "create" : undefined), config);
        const [run = only] = await explain({ ...about, played, wanted: new Set([only.index]), interrupted, spawner });
        // It cannot be run, so the create of the pod before it fails too, and a runtime never comes as far as this event.
        return run.runs.length > 0 ? run : { ...only, answer: undefined };
      });
      const [report] = explained.runs;
      if (report === undefined) throw new BridgeError("INTERNAL", "the plugin was not run");
      io.stdout(options.json === true ? toLines(explained, source) : `${formatConfigFile(source)}${format(explained)}`);
      done(report.run.error === null ? exitCodes.done : exitCodes.faults);
    },
  );
}

/**
 * A name that no conf.json has and no program either is a mistyped one.
 * @param types those that conf.json lists
 * @param path the PATH of the bridge
 * @throws BridgeError USAGE that names the nearest one
 */
function requirePlugin(type: string, types: readonly string[], config: Config, path: string | undefined): void {
  const { pluginDirs } = config;
  if (types.includes(type)) return;
  if (findPlugin(type, { ...config, path: searchPath(path, pluginDirs) }).ok) return;
  const known = [...types, ...pluginDirs.flatMap((directory) => listIfThere(directory) ?? [])];
  const fault = `conf.json does not list it, and there is no such program in ${pluginDirs.join(", ")} or PATH`;
  throw new BridgeError("USAGE", [`${type}: ${fault}`, nearestHint(type, known, "")].filter(Boolean).join("; "));
}

function notListed(type: string, { played: { confs }, confName }: Given, { confFile }: Config): string {
  if (confs.every(({ text }) => text === undefined)) {
    return `there is no ${confs[0]?.file ?? confFile}: ${type} is given no conf`;
  }
  return `${confName === confFile ? "" : "the "}${confName} does not list ${type}: it is given no conf`;
}

/** The one event that is meant. @throws BridgeError USAGE when there is none, or several */
function choose(all: readonly Explained[], type: string, state: unknown, config: Config): Explained {
  const known = ["create", "update", "delete", ...Object.values(pluginSettings(config, type).events)].flatMap(
    (name) => name ?? [],
  );
  if (typeof state === "string" && !known.includes(state)) {
    const hint = nearestHint(state, known, `they are ${known.join(", ")}`);
    throw new BridgeError("USAGE", `--for: "${state}" is no state of ${type}; ${hint}`);
  }
  const runs = all.filter(({ runs: [first] }) => {
    return first !== undefined && (state === undefined || first.run.state === state);
  });
  const [only] = runs;
  if (only === undefined) {
    const error = all.flatMap(({ answer }) => answer?.outcome.error ?? [])[0];
    const why =
      error === undefined
        ? "the configuration says for which states it is"
        : `the bridge answers ${error.code}: ${error.message}`;
    const which = typeof state === "string" ? `a ${state} of ` : "";
    throw new BridgeError("USAGE", `${type} is not run for ${which}this event; ${why}`);
  }
  if (runs.length > 1) {
    const which = runs.map(({ index, event: { name } }) => `:${index} (${name})`).join(", ");
    throw new BridgeError("USAGE", `${type} is run for several of these events: give one of ${which}`);
  }
  return only;
}

function toLines({ runs, answer }: Explained, source: ConfigFile | undefined): string {
  const configuration = source?.file ?? null;
  const lines = [...runs.map(runLine), ...(answer === undefined ? [] : [answerLine(answer)])];
  return lines.map((line) => `${JSON.stringify({ ...line, configuration })}\n`).join("");
}

function format({ event, runs, answer }: Explained): string {
  const lines = runs.flatMap(({ run: one }) => [
    `${one.plugin} ${one.state} (${event.name})${one.path === "" ? "" : `, ${one.path}`}`,
    `  request  ${one.request}`,
    ...one.stderr.map((line) => `  stderr   ${line}`),
    `  stdout   ${one.stdout.trimEnd()}`,
    `  exit     ${one.signal ?? one.exitCode ?? "not run"} after ${one.durationMs.toFixed(1)} ms`,
    `  result   ${one.result === undefined ? "none" : formatResult(one.result)}`,
    ...(one.error === null ? [] : [`  error    ${one.error}`]),
    ...(one.hint === null ? [] : [`  hint     ${one.hint}`]),
  ]);
  const asked = answer?.response === undefined ? {} : responseToJson(answer.response);
  if (Object.keys(asked).length > 0) lines.push(`  asks     ${JSON.stringify(asked)}`);
  const error = answer?.outcome.error;
  if (answer !== undefined) lines.push(`  answer   ${error === undefined ? "OK" : `${error.code}: ${error.message}`}`);
  else
    lines.push("  answer   none: the create of its pod fails before it in the same way, and a runtime gives up there");
  return `${lines.join("\n")}\n`;
}
