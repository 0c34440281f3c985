import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ChainCall } from "../../src/chain-call.js";
import type { PartialConfig } from "../../src/config/schema.js";
import type { Spawner } from "../../src/legacy/spawner.js";
import { createLog } from "../../src/log/log.js";
import { decodeEvent } from "../../src/nri/event-request.js";
import type { Dialect } from "../../src/nri/runtime.js";
import { readCase } from "../../src/replay/case.js";
import { type PlayReport, playCase } from "../../src/replay/play.js";
import type { Case } from "../v01/recordings.js";
import type { Outcome } from "./differences.js";
import { placeRecordedPlugins } from "./recorded-plugins.js";

const casesDir = join(import.meta.dirname, "../../fixtures/cases");
/** Where the plugins of the recordings were. */
const recordedBinDir = "/opt/nri/bin";

export interface PlayedOptions {
  readonly spawner: Spawner;
  /** As recorded when not given. */
  readonly dialect?: Dialect;
  /** The bridge sees the events only. */
  readonly withoutBundles?: boolean;
  /** The runtime's plugin_request_timeout in milliseconds; that of the recorded events when not given. */
  readonly requestTimeoutMs?: number;
  /** A conf.json that holds all the time, in place of those of the case. */
  readonly conf?: string;
  /** Settings of the bridge, over the defaults. */
  readonly flags?: PartialConfig;
}

/** What the bridge did with a case. */
export interface Played extends Outcome {
  /** What each run's report says was on the plugin's stdin, where the plugin read it; the plugin itself says it in `runs`. */
  readonly reported: readonly string[];
  /** Pods and containers whose create event was sent, in order. */
  readonly created: readonly { readonly id: string; readonly event: "RunPodSandbox" | "StartContainer" }[];
  /** Pods and containers that a delete chain ran for, in order. */
  readonly deleted: readonly string[];
  /** What plugins left running, and whether it still ran after the last event. */
  readonly leftBehind: readonly { readonly pid: number; readonly alive: boolean }[];
}

/** Plays a recorded case through the whole bridge, with real processes that answer what was recorded. */
export async function playRecorded(recorded: Case, options: PlayedOptions): Promise<Played> {
  const directory = mkdtempSync(join(tmpdir(), "nri-v01-conformance-"));
  try {
    const plugins = placeRecordedPlugins(directory, recorded);
    const reports = await collectReports(recorded, directory, options);
    const chains = new Set(reports.flatMap((report) => (report.type === "run" ? [report.call] : [])));
    const turns = new Map<string, number>();
    const runs = reports.flatMap((report) => {
      // Programs that were not started, or not found here, recorded nothing in 1.6 either.
      if (report.type !== "run" || !report.run.path.startsWith(`${directory}/`)) return [];
      if (report.run.exitCode === null && report.run.signal === null) return [];
      const plugin = basename(report.run.path);
      const turn = (turns.get(plugin) ?? 0) + 1;
      turns.set(plugin, turn);
      return [{ plugin, request: plugins.requestOf(plugin, turn), reported: report.run.request }];
    });
    return {
      runs,
      reported: runs.flatMap(({ request, reported }) => (request.length === 0 ? [] : [reported])),
      errors: reports.flatMap(errorOf).map((error) => error.replaceAll(directory, recordedBinDir)),
      created: reports.flatMap(createdBy),
      deleted: [...chains].flatMap(deletedBy),
      leftBehind: plugins.leftBehind().map(endProcess),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function collectReports(recorded: Case, binDir: string, options: PlayedOptions): Promise<PlayReport[]> {
  const played = readCase(join(casesDir, recorded.name));
  // Three scenarios with the events of basic-hostnet ended after their sandbox: no container was ever asked for.
  const withContainer = recorded.calls.includes("CreateContainer");
  const events = played.events.filter(({ method, payload }) => {
    const event = decodeEvent(method, payload);
    return withContainer || event === undefined || !("container" in event);
  });
  const reports: PlayReport[] = [];
  const confs = played.confs.map(({ fromEvent, text }) => ({
    fromEvent,
    text: text && Buffer.from(Buffer.from(text).toString("latin1").replaceAll(recordedBinDir, binDir), "latin1"),
  }));
  await playCase({
    played: { ...played, events, confs, bundles: options.withoutBundles ? [] : played.bundles },
    flags: { ...options.flags, pluginDirs: [binDir] },
    file: undefined,
    conf: options.conf === undefined ? undefined : Buffer.from(options.conf),
    dialect: options.dialect,
    requestTimeoutMs: options.requestTimeoutMs,
    environment: process.env,
    spawner: options.spawner,
    log: createLog("silent", { write: () => true }),
    onReport: (report) => reports.push(report),
  });
  return reports;
}

function errorOf(report: PlayReport): string[] {
  if (report.type !== "answer" || report.outcome.error === undefined) return [];
  const { code, message } = report.outcome.error;
  return [`${report.event.name}: ${code}: ${message}`];
}

function createdBy(report: PlayReport): Played["created"] {
  if (report.type !== "event") return [];
  const { event } = report;
  if (event.name === "RunPodSandbox") return [{ id: event.pod.id, event: event.name }];
  return event.name === "StartContainer" ? [{ id: event.container.id, event: event.name }] : [];
}

function deletedBy({ request }: ChainCall): string[] {
  return request.state === "delete" ? [request.id] : [];
}

function endProcess(pid: number): { pid: number; alive: boolean } {
  try {
    return { pid, alive: process.kill(pid, "SIGKILL") };
  } catch {
    return { pid, alive: false };
  }
}
