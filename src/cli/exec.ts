import type { Command } from "commander";
import { mergeConfig, pluginSettings } from "../config/merge.js";
import type { Config, PartialConfig } from "../config/schema.js";
import { BridgeError } from "../errors.js";
import type { Given } from "../explain/given.js";
import { requirePlugin } from "../explain/known-plugin.js";
import { caseWithOnly, onlyPlugin } from "../explain/only-plugin.js";
import { type Explained, explain, withoutFailures } from "../explain/play.js";
import { createSpawner } from "../legacy/create-spawner.js";
import { silentLog } from "../logger.js";
import { nearestName } from "../nearest.js";
import { responseToJson } from "../nri/json.js";
import { toLine } from "../replay/lines.js";
import { formatResult } from "../v01/result.js";
import { type ConfigFile, formatSource, readSettings } from "./config-file.js";
import { addConfigFlags, pluginFlags } from "./config-flags.js";
import { addEventSource, confFor, eventSource } from "./explain.js";
import { untilInterrupted } from "./interrupt.js";
import { type CliIo, exitCodes } from "./io.js";
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
      const { explained, source } = await untilInterrupted(io, (interrupted) =>
        run({ io, interrupted }, type, event, options),
      );
      const [report] = explained.runs;
      if (report === undefined) throw new BridgeError("INTERNAL", "the plugin was not run");
      io.stdout(options.json === true ? toLines(explained, source) : `${formatSource(source)}${format(explained)}`);
      done(report.run.error === null ? exitCodes.done : exitCodes.faults);
    },
  );
}

async function run(
  { io, interrupted }: { readonly io: CliIo; readonly interrupted: AbortSignal },
  type: string,
  event: string | undefined,
  options: Readonly<Record<string, unknown>>,
): Promise<{ readonly explained: Explained; readonly source: ConfigFile | undefined }> {
  const { flags, file, source } = await readSettings(options);
  const config = mergeConfig(flags, file ?? {});
  const restricted = restrict(io, type, eventSource(event, options), flags, config.confFile);
  const { given, conf } = restricted;
  requirePlugin(type, restricted.types, config, io.environment.PATH);
  restricted.warn();
  const layers = { flags: { ...flags, permissions: config.permissions }, file };
  const about = { given, conf, environment: io.environment, interrupted };
  // First without running anything, and as if no failure cost anything: which of the events is the plugin run for?
  const all = await explain({ ...about, flags: withoutFailures(layers.flags), file: file && withoutFailures(file) });
  const only = choose(all, type, options.for ?? (given.live ? "create" : undefined), config);
  const spawner = createSpawner(silentLog);
  try {
    const [explained = only] = await explain({
      ...about,
      ...layers,
      given: { ...given, wanted: new Set([only.index]) },
      spawner,
    });
    if (explained.runs.length > 0) return { explained, source };
    // It cannot be run, so the create of the pod before it fails too, and a runtime never comes as far as this event.
    return { explained: { ...only, answer: undefined }, source };
  } finally {
    await spawner.close();
  }
}

/** The one event that is meant. @throws BridgeError USAGE when there is none, or several */
function choose(all: readonly Explained[], type: string, state: unknown, config: Config): Explained {
  const known = ["create", "update", "delete", ...Object.values(pluginSettings(config, type).events)].flatMap(
    (name) => name ?? [],
  );
  if (typeof state === "string" && !known.includes(state)) {
    const nearest = nearestName(state, known);
    const hint = nearest === undefined ? `they are ${known.join(", ")}` : `did you mean "${nearest}"?`;
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

/** Leaves the plugin alone in every conf.json: the others are not run, and it sees no results of theirs. */
function restrict(io: CliIo, type: string, given: Given, flags: PartialConfig, confFile: string) {
  const text = confFor(given, flags, confFile);
  const say = (types: readonly string[], what: string) => () => {
    if (!types.includes(type)) io.stderr(`nri-v01-bridge: ${what}\n`);
  };
  if (text !== undefined) {
    const only = onlyPlugin(text, type, confFile);
    const warn = say(only.types, `${confFile} does not list ${type}: it is given no conf`);
    return { given, conf: only.text, types: only.types, warn };
  }
  if (given.played.confs.every((conf) => conf.text === undefined)) {
    const conf = onlyPlugin(Buffer.from('{"version":"0.1"}'), type, confFile).text;
    return { given, conf, types: [], warn: say([], `there is no ${confFile}: ${type} is given no conf`) };
  }
  const { played, types } = caseWithOnly(given.played, type);
  const warn = say(types, `the conf.json of ${played.name} does not list ${type}: it is given no conf`);
  return { given: { ...given, played }, conf: undefined, types, warn };
}

function toLines({ event, runs, answer }: Explained, source: ConfigFile | undefined): string {
  const configuration = source?.file ?? null;
  const lines = [
    ...runs.map((report) => toLine({ type: "run", ...report })),
    ...(answer === undefined ? [] : [toLine({ type: "answer", event, ...answer })]),
  ];
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
