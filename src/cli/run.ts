import { setMaxListeners } from "node:events";
import { resolve } from "node:path";
import type { Command } from "commander";
import { Deadline, within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import { version } from "../base/version.js";
import { createRefusingBridge } from "../bridge/refusing-bridge.js";
import { Service } from "../bridge/service.js";
import { requireCapture } from "../cgroup/cgroups.js";
import { mergeConfig, wantsCapture } from "../config/merge.js";
import type { Config, PartialConfig } from "../config/schema.js";
import { launchedSocket, type PluginIdentity, resolveIdentity } from "../nri/identity.js";
import { PluginStub } from "../nri/stub.js";
import { CallsInFlight, watchHandlers } from "../nri/watch-calls.js";
import { createNodeLog } from "../observe/log.js";
import { Metrics } from "../observe/metrics.js";
import { digestOf, keepStatus, type Status, toldToEnd } from "../observe/status.js";
import {
  type Condition,
  readNotifySettings,
  startAnnouncer,
  statusLine,
  withoutNotifySettings,
} from "../observe/systemd.js";
import { makeOutFolder, type RecordedCase, Recorder, type RecordSettings } from "../tools/record/recorder.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, parseFileName, type RunLayers, readRunLayers } from "./config.js";
import { type CliIo, type ExitCode, exitCodes, logEnd, onSignals } from "./io.js";
import { type Launched, registerFirst } from "./launched.js";
import { createNode, type Node } from "./node.js";

/** A stopping bridge waits this long for running plugins, or for the runtime's request timeout where that is longer. */
const finishMs = 3_000;
/** The longest such wait: shorter than kubelet (30 s) and systemd (90 s) wait before they kill the bridge. */
const longestFinishMs = 25_000;

export function addRunCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("run", { isDefault: true })
    .description("connect to the runtime and run v0.1 plugins until stopped")
    .option("--once", "end when the runtime cannot be reached or the connection is lost; do not try again")
    .option(
      "--record <folder>",
      "write each pod's events as a replayable case, secrets masked; `record --run` has more options",
      parseFileName,
    );
  addConfigFlags(command).action(async (options: Record<string, unknown>) => {
    const record = typeof options.record === "string" ? { settings: { out: options.record } } : undefined;
    if (record !== undefined && launchedSocket(io.environment) === undefined) {
      makeOutFolder(record.settings.out, "--record");
    }
    const layers = readRunLayers(io, options);
    done(await run(io, { ...layers, once: options.once === true, record }));
  });
}

interface RunOptions extends RunLayers {
  readonly once: boolean;
  readonly record?: Recording | undefined;
}

/** A recording that the bridge makes while it runs. */
export interface Recording {
  readonly settings: RecordSettings;
  /** Called for each recorded pod. Where given, the bridge stops with the recording: after `durationMs` or the last pod. */
  readonly onCase?: (recorded: RecordedCase) => void;
  readonly durationMs?: number | undefined;
}

/** Runs the bridge, connected to a runtime, until it is stopped or the connection ends. */
export async function run(io: CliIo, options: RunOptions): Promise<ExitCode> {
  const { flags, file, fault, reread, configFile, once, record } = options;
  const config = mergeConfig(flags, file ?? {});
  const launched = io.launched ?? (await registerFirst(io.environment));
  const log = launched?.log ?? createNodeLog(io.environment);
  log.use(config.log);
  const mode = launched === undefined ? "external" : "launched";
  const identity = launched?.identity ?? identityOf(io, flags, file);
  const ending = new AbortController();
  // Each plugin run listens to this signal, and there may be more than Node's limit before a warning.
  setMaxListeners(0, ending.signal);
  const node = createNode(mode, log, ending.signal);
  const { spawner } = node;
  const notices = () => [
    ...(stub.unsynchronized ? ["the runtime did not synchronize the bridge for 10 s, and so sends no events"] : []),
    ...service.facts.notices,
  ];
  const metrics: Metrics = new Metrics({
    version,
    log,
    sources: {
      registered: () => stub.runtime !== undefined,
      synchronized: () => stub.ready,
      notices,
      plugins: () => service.facts.plugins,
      breakerOf: (plugin) => service.facts.breakerOf(plugin),
      remembered: () => service.facts.remembered,
      withoutPlugins: () => service.facts.withoutPlugins,
    },
  });
  const { confFile } = config;
  const recorder =
    record && new Recorder({ ...record.settings, recordedBy: "run", confFile, log, onCase: record.onCase });
  const calls = new CallsInFlight();
  let lastEvent: number | undefined;
  const onEvent = () => {
    lastEvent = Date.now();
    status.soon();
  };
  const watchers = [
    ...(io.tuneEngine === undefined ? [] : [io.tuneEngine()]),
    calls.watcher,
    { began: onEvent, configured: () => status.soon() },
    metrics.watcher,
    ...(recorder === undefined ? [] : [recorder.watcher]),
  ];
  const service = new Service({
    flags,
    file,
    ...(fault === undefined ? {} : { fault }),
    environment: withoutNotifySettings(io.environment),
    ...node,
    spawner,
    log,
    onConfig: (settled) => {
      log.use(settled.log);
      status.soon();
      void metrics.listen(settled.metrics.listen);
    },
    onRun: (report) => {
      metrics.pluginRan(report.run);
      recorder?.ran(report);
    },
  });
  const handlers = watchHandlers(service.handlers, watchers, log);
  const socket = { kind: "path", path: config.socketPath } as const;
  const stub = launched?.stub ?? new PluginStub({ identity, socket, handlers, log, reconnect: !once });
  log.info({ version, node: process.version, ...identity, mode }, "starting");
  const notify = readNotifySettings(io.environment, process.pid);
  const announcer =
    notify && startAnnouncer({ settings: notify, look: () => conditionOf(stub, config.socketPath, notices()), log });
  let registered: string | null = null;
  let end: Status["end"] = null;
  const ended = (text: string) => {
    end ??= { at: new Date().toISOString(), text: statusLine(log.masked(text)) };
  };
  const status = keepStatus({
    directory: () => node.stateDirectory,
    look() {
      const { runtime, ready } = stub;
      registered = ready ? (registered ?? new Date().toISOString()) : null;
      const { lastFailure } = log;
      return {
        ...{ version, pid: process.pid, mode, plugin: `${identity.index}-${identity.name}`, registered, end },
        runtime: runtime ? { name: statusLine(runtime.name), version: statusLine(runtime.version) } : null,
        socket: launched ? null : config.socketPath,
        configuration: { file: configFile ? resolve(configFile) : null, digest: digestOf(service.settings) },
        lastEvent: lastEvent === undefined ? null : new Date(lastEvent).toISOString(),
        lastFailure: lastFailure && { ...lastFailure, text: statusLine(lastFailure.text) },
      };
    },
    log,
  });
  const stopping = new AbortController();
  const patienceMs = () => Math.min(Math.max(finishMs, stub.runtime?.requestTimeoutMs ?? 0), longestFinishMs);
  /** Answers the runtime's calls first, then ends the plugin runs that are left, such as an observer that hangs. */
  const finishRunsOnce = async () => {
    service.stopping();
    const patience = patienceMs();
    await withinMs(patience, Promise.all([service.idle(), calls.answered()]));
    // The next bridge delivers a delete again that this wait cuts short.
    await withinMs(longestFinishMs - patience, service.deletesEnded());
    service.abandon();
    ending.abort();
    // From here on the spawner starts no plugin.
    void spawner.close();
  };
  let finishing: Promise<void> | undefined;
  const finishRuns = () => {
    finishing ??= finishRunsOnce();
    return finishing;
  };
  const stop = (signal: string) => {
    log.info({ signal }, "the bridge is stopping: it waits for running plugins");
    ended(`${toldToEnd} ${signal}`);
    announcer?.stopping();
    stopping.abort();
    void finishRuns().then(() => stub.close());
  };
  if (record?.onCase !== undefined) {
    void recorder?.done.then(() => stop("the last pod"));
    io.readerGone?.addEventListener("abort", () => stop("a reader that is gone"));
    if (record.durationMs !== undefined) setTimeout(() => stop("the end of the time"), record.durationMs).unref();
  }
  const reload = async () => {
    if (reread === undefined) {
      log.warn({}, "the bridge cannot reload: it was started without a configuration file; start it with --config");
      return;
    }
    try {
      const { eventsChanged } = await service.reload(reread());
      log.info({ file: configFile, eventsChanged }, "the bridge reloaded its configuration");
      if (!eventsChanged) return;
      // Answer the calls before the connection ends: the runtime takes a call that a lost connection ends as a success, whatever
      // the plugins would have answered.
      if (launched === undefined) await withinMs(patienceMs(), calls.answered()).then(() => stub.reregister());
      else log.warn({}, "the new configuration needs other events: restart the runtime, which launched the bridge");
    } catch (error) {
      log.error(
        { file: configFile, error: errorText(error) },
        "the new configuration is wrong: the bridge keeps the last good one",
      );
    }
  };
  const stopListening = onSignals({
    SIGTERM: () => stop("SIGTERM"),
    SIGINT: () => stop("SIGINT"),
    SIGHUP: () => void reload(),
  });
  try {
    launched?.serve(handlers);
    if (launched === undefined && wantsCapture(config)) await requireCapture(node.cgroups);
    if (record?.onCase !== undefined) await requireState(node, config);
    await metrics.listen(config.metrics.listen);
    // Another instance may hold the state directory: two registered bridges would run every plugin twice.
    if (launched === undefined) await node.waitForState(config, stopping.signal);
    if (stopping.signal.aborted) return exitCodes.done;
    const reason = await (launched?.ended ?? stub.run());
    ended(reason.kind);
    const code = logEnd(log, reason);
    // After a lost connection plugins may still run; each has its own deadline.
    await finishRuns();
    return code;
  } catch (error) {
    ended(errorText(error));
    throw error;
  } finally {
    announcer?.close();
    stopListening();
    await withinMs(finishMs, Promise.all([metrics.listen(null), recorder?.close()]));
    await withinMs(finishMs, Promise.all([spawner.close(), service.close(), status.close()]));
    await withinMs(finishMs, node.release());
  }
}

/**
 * Serves the runtime that launched the bridge although the bridge cannot start, and answers creates with an error: containerd 1.7
 * exits when the bridge exits before Configure.
 */
export async function refuseCreates({ log, serve, ended }: Launched, reason: string): Promise<ExitCode> {
  if (!log.inUse) log.use(mergeConfig().log);
  log.error({ error: reason }, "the bridge cannot start: no plugin runs, and creates of pods and containers fail");
  serve(createRefusingBridge(reason));
  return logEnd(log, await ended);
}

/**
 * Takes the state directory for a recording, which must not wait for another instance to end: it would record nothing.
 * @throws BridgeError USAGE when another instance holds the state directory
 */
async function requireState(node: Node, config: Config): Promise<void> {
  const holder = await node.takeState(config);
  if (holder === undefined || config.state === "memory") return;
  const what = `${holder} runs as the bridge, with the state directory ${config.state.directory}`;
  throw new BridgeError("USAGE", `${what}: stop it first, or record beside it, without --run`);
}

/** The bridge's name and index: from the configuration, else the environment, else its file name, else the defaults. */
function identityOf(io: CliIo, flags: PartialConfig, file: PartialConfig | undefined): PluginIdentity {
  const defaults = mergeConfig();
  const named = /^[0-9]{2}-./.test(io.fileName);
  return resolveIdentity({
    name: flags.pluginName ?? file?.pluginName,
    index: flags.pluginIdx ?? file?.pluginIdx,
    environment: io.environment,
    fileName: named ? io.fileName : `${defaults.pluginIdx}-${defaults.pluginName}`,
  });
}

/** The bridge's condition for the service manager. */
export function conditionOf(
  { ready, runtime }: Pick<PluginStub, "ready" | "runtime">,
  socketPath: string,
  notices: readonly string[],
): Condition {
  if (runtime === undefined) return { ready, text: `waiting for the runtime at ${socketPath}` };
  const state = `${ready ? "serves" : "registers with"} ${runtime.name} ${runtime.version}`;
  return { ready, text: [state, ...notices].join("; ") };
}

/** Waits for `work`, but at most `ms` milliseconds. */
async function withinMs(ms: number, work: Promise<unknown>): Promise<void> {
  await within(Deadline.after(ms), work, () => undefined);
}
