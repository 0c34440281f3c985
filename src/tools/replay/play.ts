import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Deadline } from "../../base/deadline.js";
import { BridgeError } from "../../base/errors.js";
import type { Log } from "../../base/logger.js";
import { findConfigPermissionFault } from "../../base/permissions.js";
import type { RunReport } from "../../bridge/chain.js";
import { Service } from "../../bridge/service.js";
import { type Cgroups, createRecordedCgroups } from "../../cgroup/cgroups.js";
import type { PartialConfig } from "../../config/schema.js";
import { createRecordedHost, type RecordedHost } from "../../host/host.js";
import { synchronizeRequest } from "../../nri/codec.js";
import { decodeEvent, decodeEventResponse, type EventResponse, type NriEvent } from "../../nri/events.js";
import { PluginStub } from "../../nri/stub.js";
import type { Starter } from "../../plugin/start.js";
import { nriDefaults } from "../doctor/collect/runtime-config.js";
import { EventOrder } from "../runtime/event-order.js";
import { createRuntime } from "../runtime/runtime.js";
import type { RawOutcome, RuntimePlugin, Snapshot } from "../runtime/runtime-plugin.js";
import type { Case, RecordedEvent } from "./case.js";

export interface Answer {
  readonly event: NriEvent;
  readonly outcome: RawOutcome;
  readonly response: EventResponse | undefined;
}

export type PlayReport =
  | { readonly type: "event"; readonly recorded: RecordedEvent; readonly event: NriEvent }
  | ({ readonly type: "run" } & RunReport)
  | ({ readonly type: "answer" } & Answer);

export interface PlayOptions {
  readonly played: Case;
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Starter;
  /** The cgroups that the bridge uses; by default those of a recording, which touch no cgroup of this machine. */
  readonly cgroups?: Cgroups;
  readonly log: Log;
  /** When this signal aborts, the play ends with the signal's reason as soon as the running plugins have ended. */
  readonly interrupted: AbortSignal;
  /** A folder for the socket and the conf.json of the play. The caller removes it. */
  readonly scratch: string;
  readonly onReport: (report: PlayReport) => void;
}

const acceptMs = 10_000;

/**
 * Plays a recorded case: an embedded runtime on a real socket sends its events to the bridge, which runs the plugins.
 * @throws BridgeError when the case does not fit the protocol, the configuration is wrong, or the bridge answers too late
 */
export async function playCase(options: PlayOptions): Promise<void> {
  const { played, flags, log, onReport } = options;
  // The bridge gets copies of these files, which we own, so their permissions are checked here.
  for (const { file, text } of flags.permissions === "strict" ? played.confs : []) {
    const fault = text !== undefined && existsSync(file) ? findConfigPermissionFault(resolve(file)) : null;
    if (fault !== null) throw new BridgeError("USAGE", fault);
  }
  const folder = mkdtempSync(join(options.scratch, "play-"));
  const socketPath = join(folder, "nri.sock");
  const confFile = join(folder, "conf.json");
  const { name, version, nri, dialect } = played.runtime;
  // The request timeout of the embedded runtime: the longest of the recorded calls, and at least the default. Each call states its
  // own timeout too.
  const timeoutsMs = played.events.map(({ timeoutNano }) => Math.ceil(Number(timeoutNano) / 1e6));
  const requestTimeoutMs = timeoutsMs.reduce((most, ms) => Math.max(most, ms), nriDefaults.requestTimeoutMs);
  const about = { socketPath, name, version, dialect, snapshot: () => presentAtFirst(played), log };
  const runtime = await createRuntime({ ...about, nriVersion: nri, requestTimeoutMs });
  const host = createRecordedHost(played.bundles);
  const service = new Service({
    ...options,
    // The files of a replay belong to the user who replays. No node is at risk, so the bridge trusts them by default.
    flags: { ...flags, socketPath, confFile, permissions: flags.permissions ?? "trust", sandboxes: "always" },
    host,
    cgroups: options.cgroups ?? createRecordedCgroups(),
    openJournal: async () => undefined,
    findPeer: async () => undefined,
    onRun: (report) => onReport({ type: "run", ...report }),
  });
  const identity = { name: "v01-bridge", index: "10" };
  const socket = { kind: "path", path: socketPath } as const;
  const stub = new PluginStub({ identity, socket, handlers: service.handlers, log, reconnect: false });
  const ended = stub.run();
  try {
    const plugin = await runtime.accept(Deadline.after(acceptMs));
    await sendEvents(plugin, confFile, host, options);
    await service.idle();
    // The bridge logs a chain only after it has sent the answer. Wait one turn, so that it logs the last chain too.
    await new Promise((nextTurn) => setImmediate(nextTurn));
  } finally {
    stub.close();
    await ended;
    await service.close();
    await runtime.close();
  }
}

async function sendEvents(
  plugin: RuntimePlugin,
  confFile: string,
  host: RecordedHost,
  options: PlayOptions,
): Promise<void> {
  const { played, onReport, interrupted } = options;
  const order = new EventOrder(played.runtime);
  for (const recorded of played.events) {
    interrupted.throwIfAborted();
    placeConf(confFile, recorded.index, played);
    const event = decodeEvent(recorded.method, recorded.payload);
    if (event === undefined || !order.sends(event) || !plugin.subscribedTo(event.name)) continue;
    if (event.name === "StopContainer") host.end(event.container.pid);
    if (event.name === "StopPodSandbox") {
      host.end(event.pod.pid);
      order.ended(event.pod.id);
    }
    onReport({ type: "event", recorded, event });
    const { metadata, method, payload, timeoutNano } = recorded;
    const outcome = await plugin.raw(method, payload, { timeoutNano, metadata });
    const response = outcome.payload === undefined ? undefined : decodeEventResponse(event.name, outcome.payload);
    onReport({ type: "answer", event, outcome, response });
    if (outcome.dropped) {
      const fault = `the bridge did not answer ${event.name} within ${Math.round(Number(timeoutNano) / 1e6)} ms`;
      const text = `${fault}, and a runtime would have closed the connection: this machine is too slow or too busy`;
      throw new BridgeError("CALL_TIMEOUT", text);
    }
    if (outcome.error !== undefined) order.failed(event);
  }
  interrupted.throwIfAborted();
}

/**
 * Puts the conf.json that holds from this event on in place, by a rename as installers do it. Removes the file when the case has
 * none from this event on.
 */
export function placeConf(confFile: string, index: number, { confs }: Pick<Case, "confs">): void {
  const conf = confs.find(({ fromEvent }) => fromEvent === index);
  if (conf?.text !== undefined) {
    writeFileSync(`${confFile}.new`, conf.text, { mode: 0o600 });
    renameSync(`${confFile}.new`, confFile);
  } else if (conf !== undefined) rmSync(confFile, { force: true });
}

/**
 * The pods and containers that existed when the case began. They are known when the case begins with a Synchronize call; else there
 * are none.
 */
function presentAtFirst({ events: [first] }: Case): Snapshot {
  if (first?.method !== "Synchronize") return { pods: [], containers: [] };
  const { pods, containers } = synchronizeRequest.decode(first.payload);
  return { pods, containers };
}
