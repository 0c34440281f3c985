import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { silentLog } from "../../src/base/logger.js";
import type { RunReport } from "../../src/bridge/chain.js";
import { Service } from "../../src/bridge/service.js";
import { createRecordedCgroups } from "../../src/cgroup/cgroups.js";
import { createRecordedHost } from "../../src/host/host.js";
import { eventsOfMask, knownMask } from "../../src/nri/events.js";
import type { PluginHandlers } from "../../src/nri/handlers.js";
import { PluginStub } from "../../src/nri/stub.js";
import { watchHandlers } from "../../src/nri/watch-calls.js";
import { createStarter } from "../../src/plugin/start.js";
import { Recorder, type RecorderOptions } from "../../src/tools/record/recorder.js";
import { type Case, type RecordedEvent, readCase } from "../../src/tools/replay/case.js";
import { placeConf } from "../../src/tools/replay/play.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import type { Snapshot } from "../../src/tools/runtime/runtime-plugin.js";
import { jsonLines, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const root = resolve(import.meta.dirname, "../..");
export const samplePlugins = join(root, "legacy-plugins");

export function fixture(name: string): Case {
  return readCase(join(root, "fixtures/cases", name));
}

/** All files under a folder, by their path in it. */
export function filesIn(folder: string): ReadonlyMap<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [file.slice(folder.length + 1), readFileSync(file)]));
}

/** Asks for every event, and answers with nothing. */
const observer: PluginHandlers = { configure: (_, { nri }) => eventsOfMask(knownMask(nri)) };

export interface LiveOptions {
  readonly played: Pick<Case, "runtime" | "bundles" | "confs" | "events">;
  /** In the place of the case's own. */
  readonly events?: readonly RecordedEvent[];
  /** Run plugins too. */
  readonly pluginDirs?: readonly string[];
  readonly snapshot?: Snapshot;
  readonly recorder?: Partial<RecorderOptions>;
}

/** A runtime sends events over a real socket to a bridge, or to an observer, that records them. */
export async function recordLive({ played, pluginDirs, snapshot, recorder: over = {}, ...more }: LiveOptions) {
  const { events = played.events } = more;
  const folder = makeFolder();
  const socketPath = join(folder, "nri.sock");
  const confFile = join(folder, "conf.json");
  const { name, version, dialect } = played.runtime;
  const runtime = await createRuntime({
    socketPath,
    name,
    version,
    dialect,
    ...(snapshot ? { snapshot: () => snapshot } : {}),
  });
  onTestFinished(() => runtime.close());
  const host = createRecordedHost(played.bundles);
  const out = join(folder, "cases");
  const recordedBy = pluginDirs === undefined ? "record" : "run";
  const recorder = new Recorder({ out, confFile, host, recordedBy, redact: false, log: silentLog, ...over });
  const runs: RunReport[] = [];
  const spawner = createStarter(silentLog);
  onTestFinished(() => spawner.close());
  const service = new Service({
    flags: { confFile, pluginDirs: [...(pluginDirs ?? [])], permissions: "trust", sandboxes: "always" },
    file: {},
    environment: { PATH: process.env.PATH },
    host,
    spawner,
    cgroups: createRecordedCgroups(),
    openJournal: async () => undefined,
    findPeer: async () => undefined,
    log: silentLog,
    onRun: (report) => {
      runs.push(report);
      recorder.ran(report);
    },
  });
  const inner = pluginDirs === undefined ? observer : service.handlers;
  const stub = new PluginStub({
    identity: { name: "v01-recorder", index: "09" },
    socket: { kind: "path", path: socketPath },
    handlers: watchHandlers(inner, [recorder.watcher], silentLog),
    log: silentLog,
    reconnect: false,
  });
  const ended = stub.run();
  const plugin = await runtime.accept(Deadline.after(10_000));
  const answers = [];
  for (const { index, method, payload, timeoutNano, metadata } of events) {
    placeConf(confFile, index, played);
    answers.push(await plugin.raw(method, payload, { timeoutNano, metadata }));
  }
  await service.idle();
  stub.close();
  await ended;
  const cases = await recorder.close();
  return { out, cases, runs, answers, plugin, recorder };
}

/** The lines of `replay --json` of a recorded folder. */
export async function replayFolder(folder: string, pluginDirs: readonly string[] = [samplePlugins]) {
  const dirs = pluginDirs.flatMap((directory) => ["--bin-dir", directory]);
  return jsonLines((await runCommandLine(["replay", folder, "--json", ...dirs])).stdout);
}

export function requestsOf(lines: Awaited<ReturnType<typeof replayFolder>>): readonly string[] {
  return lines.flatMap(({ type, request }) => (type === "run" ? [request] : []));
}
