import { type Command, Option } from "commander";
import { mergeConfig } from "../config/merge.js";
import type { PartialConfig } from "../config/schema.js";
import { BridgeError } from "../errors.js";
import type { Given } from "../explain/given.js";
import { caseWithOnly, onlyPlugin } from "../explain/only-plugin.js";
import { type Explained, explain } from "../explain/play.js";
import { createSpawner } from "../legacy/create-spawner.js";
import { silentLog } from "../logger.js";
import { responseToJson } from "../nri/json.js";
import { toJsonLine } from "../replay/lines.js";
import { formatResult } from "../v01/result.js";
import { addConfigFlags, configLayers } from "./config-flags.js";
import { addEventSource, confFor, eventSource } from "./explain.js";
import { type CliIo, exitCodes } from "./io.js";
import type { Done } from "./program.js";

export function addExecCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("exec")
    .description("run one plugin, as a real process, on the request of an event, and show what the bridge would answer")
    .argument("<type>", "the plugin, as conf.json names it")
    .option("--json", "one JSON line for the run and one for the answer")
    .addOption(
      new Option("--for <state>", "which run, where the events lead to several").choices([
        "create",
        "update",
        "delete",
      ]),
    );
  addEventSource(command);
  addConfigFlags(command).action(async (type: string, event: string | undefined, options: Record<string, unknown>) => {
    const explained = await run(io, type, event, options);
    const [report] = explained.runs;
    if (report === undefined) throw new BridgeError("INTERNAL", "the plugin was not run");
    io.stdout(options.json === true ? toLines(explained) : format(explained));
    done(report.run.error === null ? exitCodes.done : exitCodes.faults);
  });
}

async function run(
  io: CliIo,
  type: string,
  event: string | undefined,
  options: Readonly<Record<string, unknown>>,
): Promise<Explained> {
  const { flags, file } = configLayers(options);
  const config = mergeConfig(flags, file ?? {});
  const { given, conf } = restrict(io, type, eventSource(event, options), flags, config.confFile);
  const about = {
    given,
    flags: { ...flags, permissions: config.permissions },
    file,
    conf,
    environment: io.environment,
  };
  // First without running anything: which of the events is the plugin run for?
  const state = options.for ?? (given.live ? "create" : undefined);
  const runs = (await explain(about)).filter(({ runs: [first] }) => {
    return first !== undefined && (state === undefined || first.run.state === state);
  });
  const [only] = runs;
  if (only === undefined) {
    throw new BridgeError(
      "USAGE",
      `${type} is not run for ${typeof state === "string" ? `a ${state} of ` : ""}this event; the configuration says for which states it is`,
    );
  }
  if (runs.length > 1) {
    const which = runs.map(({ index, event: { name } }) => `:${index} (${name})`).join(", ");
    throw new BridgeError("USAGE", `${type} is run for several of these events: give one of ${which}`);
  }
  const spawner = createSpawner(silentLog);
  try {
    const [explained] = await explain({ ...about, given: { ...given, wanted: new Set([only.index]) }, spawner });
    return explained ?? only;
  } finally {
    await spawner.close();
  }
}

/** Leaves the plugin alone in every conf.json: the others are not run, and it sees no results of theirs. */
function restrict(io: CliIo, type: string, given: Given, flags: PartialConfig, confFile: string) {
  const text = confFor(given, flags, confFile);
  if (text !== undefined) {
    const only = onlyPlugin(text, type);
    if (!only.listed) io.stderr(`nri-v01-bridge: ${confFile} does not list ${type}: it is given no conf\n`);
    return { given, conf: only.text };
  }
  if (given.played.confs.every((conf) => conf.text === undefined)) {
    io.stderr(`nri-v01-bridge: there is no ${confFile}: ${type} is given no conf\n`);
    return { given, conf: onlyPlugin(Buffer.from('{"version":"0.1"}'), type).text };
  }
  const { played, listed } = caseWithOnly(given.played, type);
  if (!listed)
    io.stderr(`nri-v01-bridge: the conf.json of ${played.name} does not list ${type}: it is given no conf\n`);
  return { given: { ...given, played }, conf: undefined };
}

function toLines({ event, runs, answer }: Explained): string {
  const lines = [
    ...runs.map((report) => toJsonLine({ type: "run", ...report })),
    ...(answer === undefined ? [] : [toJsonLine({ type: "answer", event, ...answer })]),
  ];
  return lines.map((line) => `${line}\n`).join("");
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
  lines.push(`  answer   ${error === undefined ? "OK" : `${error.code}: ${error.message}`}`);
  return `${lines.join("\n")}\n`;
}
