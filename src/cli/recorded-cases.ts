import { basename, dirname } from "node:path";
import type { ConformanceCase } from "../conformance/cases.js";
import { BridgeError } from "../errors.js";
import { caseWithOnly, readList } from "../explain/only-plugin.js";
import { explain } from "../explain/play.js";
import { type Case, readCase } from "../replay/case.js";
import { formatRequestBody, spliceRequest } from "../v01/request.js";
import type { RawJson, Request } from "../v01/types.js";

export interface RecordedCasesOptions {
  /** The executable, absolute. */
  readonly plugin: string;
  /** The process that the requests name: the recorded ones may be strangers' here. */
  readonly pid: number;
  /** The plugin's conf in place of the one that it has in the case. */
  readonly conf: RawJson | undefined;
  /** A last word on the conf. */
  readonly withConf: (conf: RawJson | undefined) => RawJson | undefined;
  readonly interrupted: AbortSignal;
}

/** Requests as the plugin would have them in a recorded case, and the cgroups that they name. */
export interface RecordedCases {
  readonly cases: readonly ConformanceCase[];
  readonly cgroupsPaths: readonly string[];
}

/**
 * One conformance case for each request that the events of a folder lead to: of the plugin alone, for every state.
 * @throws BridgeError USAGE when the folder is no case, or nothing is run for its events
 */
export async function readRecordedCases(folder: string, options: RecordedCasesOptions): Promise<RecordedCases> {
  const { plugin, pid, interrupted } = options;
  const played = readCase(folder);
  const type = basename(plugin);
  const alone = caseWithOnly(played, type).played;
  const given = { played: alone, wanted: new Set(alone.events.map(({ index }) => index)), unknown: [], live: false };
  const none = played.confs.every(({ text }) => text === undefined);
  const explained = await explain({
    given,
    flags: { states: ["create", "update", "delete"], pluginDirs: [dirname(plugin)], permissions: "trust" },
    file: undefined,
    conf: none ? Buffer.from(JSON.stringify({ version: "0.1", plugins: [{ type }] })) : undefined,
    environment: {},
    interrupted,
  });
  const runs = explained.flatMap(({ index, event, runs: [report] }) => {
    if (report === undefined) return [];
    const who = "container" in event ? `container ${event.container.name} of ` : "pod ";
    const request = withPid(report.call.request, pid);
    const conf = options.withConf(options.conf ?? confAt(played, index, type));
    const made: ConformanceCase = {
      name: `${played.name}:${index}`,
      title: `${event.name}, ${request.state} of ${who}${event.pod.namespace}/${event.pod.name}`,
      source: `recorded: ${folder}`,
      inputs: [spliceRequest(formatRequestBody(request), conf, [])],
      expects: "result",
    };
    return [{ made, cgroupsPath: request.spec.cgroupsPath }];
  });
  if (runs.length === 0) {
    throw new BridgeError("USAGE", `--case: ${folder}: no v0.1 plugin is run for any of its events`);
  }
  return {
    cases: runs.map(({ made }) => made),
    // A recording is somebody's text: files are made for what stays below the scratch folder.
    cgroupsPaths: runs.flatMap(({ cgroupsPath }) => (cgroupsPath.split("/").includes("..") ? [] : cgroupsPath)),
  };
}

/** What conf.json had for the plugin when the event came. */
function confAt(played: Case, index: number, type: string): RawJson | undefined {
  const held = played.confs.findLast(({ fromEvent }) => fromEvent <= index);
  if (held?.text === undefined) return undefined;
  return readList(held.text, held.file ?? played.name).plugins.find((plugin) => plugin.type === type)?.conf;
}

function withPid(request: Request, pid: number): Request {
  const namespaces = Object.entries(request.spec.namespaces).map(([name, path]) => [
    name,
    path.replace(/^\/proc\/\d+\//, `/proc/${pid}/`),
  ]);
  const spec = { ...request.spec, namespaces: Object.fromEntries(namespaces) };
  return { ...request, pid: request.pid === 0 ? 0 : pid, spec };
}
