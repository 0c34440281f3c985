import { silentLog } from "../../base/logger.js";
import type { RunReport } from "../../bridge/chain.js";
import { type CgroupOf, type Cgroups, createRecordedCgroups } from "../../cgroup/cgroups.js";
import { resolveCgroupsPath } from "../../cgroup/container-cgroup.js";
import type { PartialConfig } from "../../config/schema.js";
import { decodeEvent, type NriEvent } from "../../nri/events.js";
import type { RunResult, StartCommand, Starter } from "../../plugin/start.js";
import { formatString } from "../../v01/gojson/format.js";
import { type Case, readConfList, withConf } from "../replay/case.js";
import { type Answer, type PlayOptions, playCase } from "../replay/play.js";

/** One event with the plugin runs that it leads to. */
export interface Explained {
  readonly index: number;
  readonly event: NriEvent;
  readonly runs: RunReport[];
  /** What the bridge answered; undefined for an event that it does not ask for. */
  answer: Answer | undefined;
}

interface ExplainOptions extends Pick<PlayOptions, "played" | "flags" | "file" | "environment"> {
  /** The indexes of the events that are asked about. */
  readonly wanted: ReadonlySet<number>;
  readonly interrupted: AbortSignal;
  /** Runs the plugins of the events that are asked about; undefined: nothing is run. */
  readonly spawner?: Starter;
}

/**
 * Takes the events through the whole bridge, as a runtime would, and gives what it makes of those that are asked about.
 * Plugins are not run: each is taken to have answered that all is well, as they mostly do.
 */
export async function explain(options: ExplainOptions): Promise<readonly Explained[]> {
  const { played, wanted, spawner, flags, file, environment, interrupted } = options;
  const explained = new Map<number, Explained>();
  const last = played.events.findLast(({ index }) => wanted.has(index))?.index ?? 0;
  const events = played.events.filter(({ index }) => index <= last);
  for (const { index, method, payload } of events) {
    const event = wanted.has(index) ? decodeEvent(method, payload) : undefined;
    if (event !== undefined) explained.set(index, { index, event, runs: [], answer: undefined });
  }
  let current: Explained | undefined;
  const recorded = createRecordedCgroups();
  await playCase({
    flags,
    file,
    environment,
    interrupted,
    played: { ...played, events },
    spawner: {
      start: async (command) =>
        spawner !== undefined && current !== undefined
          ? spawner.start(command)
          : { pid: 0, give: async () => asIfWell(command), abandon: async () => {} },
      close: async () => {},
    },
    cgroups: {
      ...recorded,
      openView: async (of) =>
        spawner !== undefined && current !== undefined ? await recorded.openView(of) : emptyView(of),
    },
    log: silentLog,
    onReport: (report) => {
      if (report.type === "event") current = explained.get(report.recorded.index);
      else if (report.type === "run") current?.runs.push(report);
      else if (current !== undefined) current.answer = report;
    },
  });
  return [...explained.values()];
}

/** A captured view that nothing is run in: the request names the path that a real one would have. */
function emptyView({ cgroupsPath }: CgroupOf): Awaited<ReturnType<Cgroups["openView"]>> {
  return {
    cgroupsPath: resolveCgroupsPath(cgroupsPath),
    command: (command) => command,
    startError: () => undefined,
    collect: () => ({ resources: {}, files: [], errors: [], lost: [] }),
    close: () => {},
  };
}

/** What containerd's own skeleton for v0.1 plugins prints when a plugin has nothing to say. */
function asIfWell({ argv0 }: StartCommand): RunResult {
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

/**
 * A case whose conf.json files hold this plugin alone, without a `conf` where they do not list it: the others are not run, and
 * it sees no results of theirs. A case without such a file gets one.
 *
 * @returns also the types that the files list
 * @throws BridgeError USAGE that names the file, and where in it the fault is
 */
export function caseWithOnly(played: Case, type: string): { readonly played: Case; readonly types: readonly string[] } {
  const types: string[] = [];
  const only = (version: string, conf: string | undefined) => {
    const own = conf === undefined ? "" : `,"conf":${conf}`;
    return Buffer.from(`{"version":${formatString(version)},"plugins":[{"type":${formatString(type)}${own}}]}`);
  };
  const confs = played.confs.map((conf) => {
    if (conf.text === undefined) return conf;
    const { version, plugins } = readConfList(conf.text, conf.file);
    for (const plugin of plugins) types.push(plugin.type);
    return { ...conf, text: only(version, plugins.find((plugin) => plugin.type === type)?.conf) };
  });
  if (confs.some(({ text }) => text !== undefined)) return { played: { ...played, confs }, types };
  return { played: withConf(played, confs[0]?.file ?? "conf.json", only("0.1", undefined)), types };
}
