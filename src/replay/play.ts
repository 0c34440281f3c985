import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cgroups, createRecordedCgroups } from "../cgroups.js";
import type { RunReport } from "../chain.js";
import type { PartialConfig } from "../config/schema.js";
import { Deadline } from "../deadline.js";
import { BridgeError } from "../errors.js";
import { createRecordedHost, type RecordedHost } from "../host/host.js";
import type { Spawner } from "../legacy/spawner.js";
import { endedBy } from "../legacy/spawner.js";
import type { Log } from "../logger.js";
import { decodeEvent, decodeEventResponse, type NriEvent } from "../nri/events.js";
import { createRuntime, type Dialect } from "../nri/runtime.js";
import type { RawOutcome, RuntimePlugin } from "../nri/runtime-plugin.js";
import { PluginStub } from "../nri/stub.js";
import { inferNriVersion } from "../nri/versions.js";
import { Service } from "../service.js";
import type { Case, RecordedEvent } from "./case.js";
import { presentAtFirst } from "./present.js";
import { createUndo } from "./undo.js";

/** What happened while a case was played, in order. */
export type PlayReport =
  | { readonly type: "event"; readonly recorded: RecordedEvent; readonly event: NriEvent }
  | ({ readonly type: "run" } & RunReport)
  | {
      readonly type: "answer";
      readonly event: NriEvent;
      readonly outcome: RawOutcome;
      readonly response: ReturnType<typeof decodeEventResponse> | undefined;
    };

export interface PlayOptions {
  readonly played: Case;
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  /** A conf.json in place of those of the case. */
  readonly conf: Uint8Array | undefined;
  /** How the events are sent; as they were recorded when undefined. */
  readonly dialect: Dialect | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly spawner: Spawner;
  /** Those of a recording when not given. */
  readonly cgroups?: Cgroups;
  readonly log: Log;
  /** Ends the plugins that run, and then the play with its reason. */
  readonly interrupted?: AbortSignal;
  readonly onReport: (report: PlayReport) => void;
}

/** How long the bridge may take to register with the embedded runtime. */
const acceptMs = 10_000;

/**
 * Plays a recorded case: an embedded runtime on a real socket sends its events, the bridge registers there and runs the
 * legacy plugins as processes. Only they can change anything on this machine.
 * @throws BridgeError when the case does not fit the protocol, or the configuration is wrong
 */
export async function playCase(options: PlayOptions): Promise<void> {
  const { played, flags, log, onReport, interrupted } = options;
  const spawner = interrupted === undefined ? options.spawner : endedBy(options.spawner, interrupted);
  const folder = mkdtempSync(join(tmpdir(), "nri-v01-bridge-"));
  try {
    const socketPath = join(folder, "nri.sock");
    const confFile = join(folder, "conf.json");
    const { name, version, nri } = played.runtime;
    const dialect = options.dialect ?? played.runtime.dialect;
    const requestTimeoutMs = recordedTimeoutMs(played.events);
    // A version that our table knows stands for itself; what a development build says of its NRI stands for the others.
    const nriVersion = nri === undefined || inferNriVersion(name, version) !== undefined ? {} : { nriVersion: nri };
    const snapshot = () => presentAtFirst(played);
    const about = { socketPath, name, version, dialect, snapshot, log };
    const runtime = await createRuntime({ ...about, ...nriVersion, requestTimeoutMs });
    const host = createRecordedHost(played.bundles);
    const service = new Service({
      ...options,
      spawner,
      // The files of a replay belong to whoever replays: nobody's node is at stake.
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
      // The log is told of a chain when its answer is on its way: of the last one, too.
      await new Promise((nextTurn) => setImmediate(nextTurn));
    } finally {
      stub.close();
      await ended;
      await service.close();
      await runtime.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A runtime's default, and the least that registering takes. */
const usualTimeoutMs = 2_000;

/** What the recorded runtime gave its plugins, as far as it was more than usual: each call states its own time besides. */
function recordedTimeoutMs(events: readonly RecordedEvent[]): number {
  return events.reduce((most, { timeoutNano }) => Math.max(most, Math.ceil(Number(timeoutNano) / 1e6)), usualTimeoutMs);
}

async function sendEvents(
  plugin: RuntimePlugin,
  confFile: string,
  host: RecordedHost,
  options: PlayOptions,
): Promise<void> {
  const { played, onReport, dialect = played.runtime.dialect, interrupted } = options;
  const undo = createUndo();
  for (const recorded of played.events) {
    interrupted?.throwIfAborted();
    placeConf(confFile, recorded.index, options);
    const event = decodeEvent(recorded.method, recorded.payload);
    if (event === undefined || undo.skips(event) || !plugin.subscribedTo(event.name)) continue;
    if (event.name === "StopContainer") host.end(event.container.pid);
    if (event.name === "StopPodSandbox") host.end(event.pod.pid);
    onReport({ type: "event", recorded, event });
    const { metadata, method, payload, timeoutNano } = recorded;
    const own = dialect === "dedicated";
    const outcome =
      own && method === "StateChange"
        ? await plugin.call(event.name, event)
        : await plugin.raw(method, payload, { timeoutNano, metadata });
    const response = outcome.payload === undefined ? undefined : decodeEventResponse(event.name, outcome.payload);
    onReport({ type: "answer", event, outcome, response });
    if (outcome.dropped) {
      throw new BridgeError(
        "CALL_TIMEOUT",
        `the bridge did not answer ${event.name} within ${Math.round(Number(timeoutNano) / 1e6)} ms, and a runtime would have dropped it`,
      );
    }
    if (outcome.error !== undefined) undo.failed(event);
  }
  interrupted?.throwIfAborted();
}

/** Puts the conf.json in place that holds from this event on, by a rename as installers do it. */
function placeConf(confFile: string, index: number, { conf, played }: PlayOptions): void {
  const recorded = played.confs.find((candidate) => candidate.fromEvent === index);
  const text = conf === undefined ? recorded?.text : index === 1 ? conf : undefined;
  if (text === undefined) {
    // A case may say that there is no file from here on.
    if (conf === undefined && recorded !== undefined) rmSync(confFile, { force: true });
    return;
  }
  writeFileSync(`${confFile}.new`, text, { mode: 0o600 });
  renameSync(`${confFile}.new`, confFile);
}
