import { BridgeError } from "../../base/errors.js";
import { silentLog } from "../../base/logger.js";
import type { RunReport } from "../../bridge/chain.js";
import { type CgroupOf, type Cgroups, createRecordedCgroups } from "../../cgroup/cgroups.js";
import { resolveCgroupsPath } from "../../cgroup/container-cgroup.js";
import type { PartialConfig } from "../../config/schema.js";
import { decodeEvent, type NriEvent } from "../../nri/events.js";
import type { RunResult, StartCommand, Starter } from "../../plugin/start.js";
import { formatString } from "../../v01/gojson/format.js";
import { type Case, kindOf, readCase, readConfList, readFile, readIfThere, withConf } from "../replay/case.js";
import { type Answer, type PlayOptions, playCase } from "../replay/play.js";

/** Events to explain, with everything that came before them. */
export interface Given {
  readonly played: Case;
  /** The indexes of the events to explain. */
  readonly wanted: ReadonlySet<number>;
  readonly confName: string;
  /** Facts that the explanation does not know, each with the assumption that it makes instead. */
  readonly unknown: readonly string[];
}

/**
 * Reads the events to explain: all of a case folder, or with `FOLDER:N` its N-th event.
 * @throws BridgeError USAGE when the folder holds no valid case, or the case has no N-th event
 */
export function readGiven(argument: string): Given {
  const [, folder = argument, number] = kindOf(argument) !== undefined ? [] : (/^(.*):(\d+)$/.exec(argument) ?? []);
  const given = givenOf(readCase(folder));
  if (number === undefined) return given;
  const index = Number(number);
  if (given.wanted.has(index)) return { ...given, wanted: new Set([index]) };
  throw new BridgeError("USAGE", `${argument}: give a number from 1 to ${given.wanted.size}`);
}

export function givenOf(played: Case): Given {
  const wanted = new Set(played.events.map(({ index }) => index));
  return { played, wanted, confName: `conf.json of ${played.name}`, unknown: [] };
}

/**
 * Keeps the conf.json of a case that has one; anything else gets the node's. The file of --conf replaces both.
 * @throws BridgeError USAGE, with the file's name, when the file cannot be read
 */
export function withNodeConf(given: Given, flags: PartialConfig, confFile: string): Given {
  if (flags.confFile === undefined && given.played.confs.length > 0) return given;
  const text = flags.confFile === undefined ? readIfThere(confFile) : readFile(confFile);
  return { ...given, played: withConf(given.played, confFile, text), confName: confFile };
}

/** One event with the plugin runs that it causes. */
export interface Explained {
  readonly index: number;
  readonly event: NriEvent;
  readonly runs: RunReport[];
  /** The bridge's answer; undefined for an event to which the bridge does not subscribe. */
  answer: Answer | undefined;
}

interface ExplainOptions
  extends Pick<PlayOptions, "played" | "flags" | "file" | "environment" | "interrupted" | "scratch"> {
  readonly wanted: ReadonlySet<number>;
  /** Runs the plugins for the wanted events; when undefined, no plugin runs. */
  readonly spawner?: Starter;
}

/** Plays all events up to the last wanted one to the bridge. Where a plugin does not run, the bridge gets a good result instead. */
export async function explain(options: ExplainOptions): Promise<readonly Explained[]> {
  const { played, wanted, spawner, ...about } = options;
  const last = Math.max(...wanted);
  const explained = played.events.flatMap(({ index, method, payload }): Explained[] => {
    const event = index <= last ? decodeEvent(method, payload) : undefined;
    return event === undefined ? [] : [{ index, event, runs: [], answer: undefined }];
  });
  let current: Explained | undefined;
  const isRun = () => spawner !== undefined && current !== undefined && wanted.has(current.index);
  const recorded = createRecordedCgroups();
  await playCase({
    ...about,
    played: { ...played, events: played.events.filter(({ index }) => index <= last) },
    spawner: {
      start: async (command) =>
        spawner !== undefined && isRun()
          ? spawner.start(command)
          : { pid: 0, give: async () => asIfWell(command), abandon: async () => {} },
      close: async () => {},
    },
    cgroups: {
      ...recorded,
      openView: async (of) => (isRun() ? await recorded.openView(of) : emptyView(of)),
    },
    log: silentLog,
    onReport: (report) => {
      if (report.type === "event") current = explained.find(({ index }) => index === report.recorded.index);
      else if (report.type === "run") current?.runs.push(report);
      else if (current !== undefined) current.answer = report;
    },
  });
  return explained;
}

/** A captured view for a plugin that does not run. The request names the cgroup path that a real view would have. */
function emptyView({ cgroupsPath }: CgroupOf): Awaited<ReturnType<Cgroups["openView"]>> {
  return {
    cgroupsPath: resolveCgroupsPath(cgroupsPath),
    command: (command) => command,
    startError: () => undefined,
    collect: () => ({ resources: {}, files: [], errors: [], lost: [] }),
    close: () => {},
  };
}

/**
 * The result that stands for a plugin that does not run: the output of containerd's own skeleton for v0.1 plugins when a plugin has
 * nothing to say.
 */
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
    leftGroup: null,
  };
}

/**
 * The configuration layer, changed so that the bridge continues after every failure: the explanation then shows the whole chain.
 */
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
 * A copy of the case whose conf.json files list this plugin alone, so that no other plugin runs.
 * @returns `types`: the types that the case's own files list
 * @throws BridgeError USAGE, with the file and the place of the fault, when a conf.json is not valid
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
