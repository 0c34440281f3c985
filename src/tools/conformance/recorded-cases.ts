import { basename, dirname } from "node:path";
import { BridgeError } from "../../base/errors.js";
import { toRawJson } from "../../v01/gojson/raw.js";
import { formatRequestBody, spliceRequest } from "../../v01/request.js";
import type { RawJson, Request } from "../../v01/types.js";
import { givenOf } from "../explain/given.js";
import { caseWithOnly, explain } from "../explain/play.js";
import { readCase, readConfList } from "../replay/case.js";
import type { ConformanceCase } from "./cases.js";

export interface RecordedCasesOptions {
  /** The executable, absolute. */
  readonly plugin: string;
  /** The process that the requests name: the recorded ones may be other processes' here. */
  readonly pid: number;
  /** The plugin's conf in place of the one that it has in the case. */
  readonly conf: RawJson | undefined;
  /** A last word on the conf. */
  readonly withConf: (conf: RawJson | undefined) => RawJson | undefined;
  readonly interrupted: AbortSignal;
}

/**
 * One conformance case for each request that the events of a folder lead to: of the plugin alone, for every state.
 * @throws BridgeError USAGE when the folder is no case, or nothing is run for its events
 */
export async function readRecordedCases(folder: string, options: RecordedCasesOptions): Promise<ConformanceCase[]> {
  const { plugin, pid, interrupted } = options;
  const { played } = caseWithOnly(readCase(folder), basename(plugin));
  const explained = await explain({
    ...givenOf(played),
    flags: { states: ["create", "update", "delete"], pluginDirs: [dirname(plugin)], permissions: "trust" },
    file: undefined,
    environment: {},
    interrupted,
  });
  const cases: ConformanceCase[] = [];
  for (const { index, event, runs } of explained) {
    const [report] = runs;
    if (report === undefined) continue;
    const who = "container" in event ? `container ${event.container.name} of ` : "pod ";
    const request = withPid(report.call.request, pid);
    const conf = options.withConf(options.conf ?? report.call.list.plugins[0]?.conf);
    cases.push({
      name: `${played.name}:${index}`,
      title: `${event.name}, ${request.state} of ${who}${event.pod.namespace}/${event.pod.name}`,
      source: `recorded: ${folder}`,
      inputs: [spliceRequest(formatRequestBody(request), conf, [])],
      expects: "result",
      cgroupsPath: request.spec.cgroupsPath,
    });
  }
  if (cases.length > 0) return cases;
  throw new BridgeError("USAGE", `--case: ${folder}: no v0.1 plugin is run for any of its events`);
}

function withPid(request: Request, pid: number): Request {
  const namespaces = Object.entries(request.spec.namespaces).map(([name, path]) => [
    name,
    path.replace(/^\/proc\/\d+\//, `/proc/${pid}/`),
  ]);
  const spec = { ...request.spec, namespaces: Object.fromEntries(namespaces) };
  return { ...request, pid: request.pid === 0 ? 0 : pid, spec };
}

/**
 * The conf that a conf.json has for a plugin: of the entry with its name, or of the only entry.
 * @throws BridgeError USAGE that names the file
 */
export function confOf(text: Uint8Array, file: string, plugin: string): RawJson | undefined {
  const { plugins } = readConfList(text, `--conf: ${file}`);
  const named = plugins.find(({ type }) => type === plugin || type.endsWith(`/${plugin}`));
  const entry = named ?? (plugins.length === 1 ? plugins[0] : undefined);
  if (entry !== undefined) return entry.conf;
  throw new BridgeError("USAGE", `--conf: ${file}: no entry of "plugins" has the type "${plugin}"`);
}

/**
 * A conf with one more key, which wins over one of its name (the last duplicate does).
 * @throws BridgeError USAGE when the conf is no object
 */
export function withConfKey(conf: RawJson | undefined, key: string, value: string): RawJson {
  const before = conf ?? "{}";
  if (!before.startsWith("{")) {
    throw new BridgeError(
      "USAGE",
      `--cgroup-conf: the plugin's conf is ${before}, and only an object takes the key "${key}"`,
    );
  }
  const inner = before.slice(1, -1);
  return toRawJson(`{${inner}${inner === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}}`);
}
