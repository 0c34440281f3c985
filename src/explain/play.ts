import { resolveCgroupsPath } from "../cgroup/container-cgroup.js";
import { type CgroupOf, type Cgroups, createRecordedCgroups } from "../cgroups.js";
import type { RunReport } from "../chain.js";
import type { PartialConfig } from "../config/schema.js";
import { BridgeError, errorText } from "../errors.js";
import type { Spawner, SpawnOptions, SpawnResult } from "../legacy/spawner.js";
import { silentLog } from "../logger.js";
import { decodeEvent, type NriEvent } from "../nri/events.js";
import type { RawOutcome } from "../nri/runtime-plugin.js";
import { type PlayReport, playCase } from "../replay/play.js";
import type { Given } from "./given.js";

/** One event with the plugin runs that it leads to. */
export interface Explained {
  readonly index: number;
  readonly event: NriEvent;
  readonly runs: readonly RunReport[];
  /** What the bridge answered; undefined for an event that it does not ask for. */
  readonly answer:
    | { readonly outcome: RawOutcome; readonly response: (PlayReport & { type: "answer" })["response"] }
    | undefined;
}

export interface ExplainOptions {
  readonly given: Given;
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  /** A conf.json in place of those of the case. */
  readonly conf: Uint8Array | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly interrupted?: AbortSignal;
  /** Runs the plugins of the events that are asked about; undefined: nothing is run. */
  readonly spawner?: Spawner;
}

/**
 * Takes the events through the whole bridge, as a runtime would, and gives what it makes of those that are asked about.
 * Plugins are not run: each is taken to have answered that all is well, as they mostly do.
 */
export async function explain(options: ExplainOptions): Promise<readonly Explained[]> {
  const { given, flags, file, conf, environment, spawner, interrupted } = options;
  const explained = new Map<number, { -readonly [K in keyof Explained]: Explained[K] } & { runs: RunReport[] }>();
  let current: number | undefined;
  const last = given.played.events.findLast(({ index }) => given.wanted.has(index))?.index ?? 0;
  const events = given.played.events.filter(({ index }) => index <= last);
  for (const { index, method, payload } of events) {
    const event = given.wanted.has(index) ? decode(method, payload, index) : undefined;
    if (event !== undefined) explained.set(index, { index, event, runs: [], answer: undefined });
  }
  const running = () => current !== undefined && explained.has(current);
  const recorded = createRecordedCgroups();
  await playCase({
    played: { ...given.played, events },
    flags,
    file,
    conf,
    dialect: undefined,
    environment,
    ...(interrupted === undefined ? {} : { interrupted }),
    spawner: {
      name: "explain",
      run: (run) => (spawner !== undefined && running() ? spawner.run(run) : Promise.resolve(asIfWell(run))),
      prepare: (command) =>
        spawner?.prepare(command) ?? Promise.reject(new BridgeError("INTERNAL", "explain starts no process")),
      close: async () => {},
    },
    cgroups: {
      ...recorded,
      openView: (of) => (spawner !== undefined && running() ? recorded.openView(of) : Promise.resolve(emptyView(of))),
    },
    log: silentLog,
    onReport: (report) => {
      if (report.type === "event") current = report.recorded.index;
      const about = current === undefined ? undefined : explained.get(current);
      if (about === undefined) return;
      if (report.type === "run") about.runs.push(report);
      if (report.type === "answer") about.answer = report;
    },
  });
  return [...explained.values()];
}

/** A captured view that nothing is run in: the request names the path that a real one would have. */
function emptyView({ cgroupsPath }: CgroupOf): Awaited<ReturnType<Cgroups["openView"]>> {
  return {
    cgroupsPath: resolveCgroupsPath(cgroupsPath),
    command: (options) => options,
    startError: () => undefined,
    collect: () => ({ resources: {}, errors: [], warnings: [] }),
    close: () => {},
  };
}

function decode(method: string, payload: Uint8Array, index: number): NriEvent | undefined {
  try {
    return decodeEvent(method, payload);
  } catch (error) {
    throw new BridgeError("USAGE", `event ${index}: its payload is no ${method} request: ${errorText(error)}`);
  }
}

/** What containerd's own skeleton for v0.1 plugins prints when a plugin has nothing to say. */
function asIfWell({ argv0 }: SpawnOptions): SpawnResult {
  return {
    pid: 0,
    started: true,
    exitCode: 0,
    signal: null,
    stdout: Buffer.from(JSON.stringify({ plugin: argv0, version: "0.1" })),
    timedOut: false,
    killed: false,
    outputTooLarge: false,
    survivors: [],
    durationMs: 0,
  };
}

/** The layers with every failure passed over, so that a chain is shown to its end. */
export function withoutFailures(layer: PartialConfig): PartialConfig {
  const plugins = Object.entries(layer.plugins ?? {}).map(([type, { onFailure: _, breaker: __, ...own }]) => [
    type,
    own,
  ]);
  return {
    ...layer,
    onFailure: { create: "continue", update: "continue", delete: "continue" },
    plugins: Object.fromEntries(plugins),
  };
}
