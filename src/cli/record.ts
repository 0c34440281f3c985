import { type Command, InvalidArgumentError } from "commander";
import { maxTimerMs, parseDuration } from "../base/deadline.js";
import { mergeConfig } from "../config/merge.js";
import { eventsOfMask, knownMask } from "../nri/events.js";
import type { PluginHandlers } from "../nri/handlers.js";
import { PluginStub } from "../nri/stub.js";
import { watchHandlers } from "../nri/watch-calls.js";
import { openLog } from "../observe/log.js";
import {
  makeOutFolder,
  type RecordedCase,
  Recorder,
  type RecordSettings,
  usualPods,
} from "../tools/record/recorder.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, configLayers, parseFileName, parseNumber, readRunLayers } from "./config.js";
import { type CliIo, type ExitCode, exitCodes, logEnd, onSignals } from "./io.js";
import { type Recording, run } from "./run.js";

/** The index orders the recorder before the bridge: the runtime does not send on an event that the bridge refuses. */
const identity = { name: "v01-recorder", index: "09" };

interface Options extends RecordSettings, Readonly<Record<string, unknown>> {
  readonly duration?: number;
  readonly run?: boolean;
  readonly json?: boolean;
}

export function addRecordCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("record")
    .description("write what this node's runtime sends as replayable cases, one for each pod; run no plugins")
    .requiredOption("--out <folder>", "write the cases into this folder", parseFileName)
    .option("--duration <time>", "stop after this time (90s, 5m, 1h), else after the last pod or on Ctrl-C", parseTime)
    .option("--run", "also run the plugins and record their requests and results; stop the bridge first")
    .option("--pods <number>", "record at most this many pods", parseNumber, usualPods)
    .option("--pod <namespace/name...>", "record only these pods; a * at the end matches any rest")
    .option("--keep-annotation <name...>", "do not mask these annotations; * as for --pod")
    .option("--no-redact", "do not mask secrets in environment, annotations, arguments and conf")
    .option("--json", "print one JSON line for each recorded pod");
  addConfigFlags(command).action(async (options: Options) => {
    const { json = false } = options;
    let fault: string | null = null;
    const onCase = (recorded: RecordedCase) => {
      fault ??= recorded.fault;
      io.stdout(formatCase(recorded, json));
    };
    makeOutFolder(options.out, "--out");
    const recording = { settings: options, onCase, durationMs: options.duration };
    const code = options.run
      ? await run(io, { ...readRunLayers(io, options), once: true, record: recording })
      : await observe(io, options, recording);
    done(code === exitCodes.done && fault !== null ? exitCodes.faults : code);
  });
}

/** Registers as a further NRI plugin, answers each event at once with an empty response, and records the event. */
async function observe(io: CliIo, options: Options, { settings, onCase, durationMs }: Recording): Promise<ExitCode> {
  const { flags, file } = configLayers(options);
  const config = mergeConfig(flags, file ?? {});
  const { level = "warn", format = "text", output = "stderr" } = { ...file?.log, ...flags.log };
  const log = openLog({ level, format, output }, io.environment);
  const recorder = new Recorder({ ...settings, recordedBy: "record", confFile: config.confFile, log, onCase });
  const handlers: PluginHandlers = { configure: (_, { nri }) => eventsOfMask(knownMask(nri)) };
  const stub = new PluginStub({
    identity: { name: flags.pluginName ?? identity.name, index: flags.pluginIdx ?? identity.index },
    socket: { kind: "path", path: config.socketPath },
    handlers: watchHandlers(handlers, [recorder.watcher], log),
    log,
    reconnect: false,
  });
  const stop = () => stub.close();
  const timer = durationMs === undefined ? undefined : setTimeout(stop, durationMs);
  void recorder.done.then(stop);
  const stopListening = onSignals({ SIGINT: stop, SIGTERM: stop });
  io.readerGone?.addEventListener("abort", stop);
  try {
    return logEnd(log, await stub.run());
  } finally {
    clearTimeout(timer);
    stopListening();
    await recorder.close();
  }
}

function formatCase({ pod, folder, events, complete, fault }: RecordedCase, json: boolean): string {
  if (json) return `${JSON.stringify({ type: "case", pod, folder, events, complete, fault })}\n`;
  if (fault !== null) return `${pod}: incomplete: ${fault}\n`;
  return `${pod}: ${events} events, ${complete ? "complete" : "incomplete"}: ${folder}\n`;
}

function parseTime(text: string): number {
  const ms = parseDuration(text) ?? 0;
  if (ms < 1 || ms > maxTimerMs) throw new InvalidArgumentError("a time such as 90s, 5m or 1h is expected.");
  return ms;
}
