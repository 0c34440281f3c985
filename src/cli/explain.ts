import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { formatConfigFile } from "../tools/doctor/collect/bridge.js";
import { describeEvent, formatEvent } from "../tools/explain/describe.js";
import { readLive } from "../tools/explain/live.js";
import { explain, type Given, readGiven, withNodeConf, withoutFailures } from "../tools/explain/play.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, pluginFlags, readSettings } from "./config.js";
import { type CliIo, exitCodes, withPlugins } from "./io.js";

export function addExplainCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("explain")
    .description("show the exact request of each plugin for an event, and the source of each part; run nothing")
    .option("--json", "print one JSON line for each event");
  addEventSource(command);
  addConfigFlags(command, pluginFlags).action(async (event: string | undefined, options: Record<string, unknown>) => {
    const { flags, file, source, config } = await readSettings(options);
    const given = withNodeConf(eventSource(event, options), flags, config.confFile);
    const about = {
      ...given,
      flags: withoutFailures(flags),
      file: file === undefined ? undefined : withoutFailures(file),
      environment: io.environment,
    };
    const explained = await withPlugins(io, ({ interrupted, scratch }) => explain({ ...about, interrupted, scratch }));
    const described = explained.flatMap((one) => (given.wanted.has(one.index) ? [describeEvent(one, given)] : []));
    if (described.length === 0)
      throw new BridgeError("USAGE", `${given.played.name}: no event of a pod or container, so no plugin runs`);
    if (options.json !== true) io.stdout(formatConfigFile(source));
    for (const about of described) {
      const line = { ...about, configuration: source?.file ?? null };
      io.stdout(options.json === true ? `${JSON.stringify(line)}\n` : `\n${formatEvent(about)}`);
    }
    done(described.every(({ error }) => error === null) ? exitCodes.done : exitCodes.faults);
  });
}

/** Adds the argument and options that name an event: of a recording, or of a pod or container that runs on this node. */
export function addEventSource(command: Command): Command {
  return command
    .argument("[event]", "a case folder that `record` wrote, or FOLDER:N for its event N")
    .option("--pod <id>", "take the create and delete of this running pod, from its bundle")
    .option("--container <id>", "take the create and delete of this running container, from its bundle");
}

/** @throws BridgeError USAGE unless exactly one of event, --pod and --container is given and can be read */
export function eventSource(event: string | undefined, options: Readonly<Record<string, unknown>>): Given {
  const { pod, container } = options;
  const sources = [event, pod, container].filter((source) => typeof source === "string");
  if (sources.length !== 1)
    throw new BridgeError(
      "USAGE",
      "give one of: FOLDER that `record` wrote, FOLDER:N for its event N, --pod ID, --container ID",
    );
  const live = pod ?? container;
  return typeof live === "string" ? readLive(live) : readGiven(event ?? "");
}
