import { formatString, formatStringMap } from "./gojson/format.js";
import { linuxResources } from "./resources.js";
import type { RawJson, Request, RequestSpec } from "./types.js";

/**
 * The part of a request's JSON from `"version"` to `"labels"`, without the outer braces, in containerd 1.6's key order and escapes;
 * `nri` follows in a superset request.
 */
export function formatRequestBody(request: Request): string {
  const { version, state, id, sandboxID, pid, spec, labels } = request;
  let text = `"version":${formatString(version)},"state":${formatString(state)},"id":${formatString(id)}`;
  if (sandboxID !== "") text += `,"sandboxID":${formatString(sandboxID)}`;
  if (pid !== 0) text += `,"pid":${pid}`;
  text += `,"spec":${formatSpec(spec)}`;
  if (!isEmpty(labels)) text += `,"labels":${formatStringMap(labels)}`;
  if (request.nri !== undefined) text += `,"nri":${request.nri}`;
  return text;
}

/**
 * Builds a plugin's request: the plugin's `conf`, then `body`, then the results of the earlier plugins of the chain (texts of
 * formatResult).
 */
export function spliceRequest(body: string, conf: RawJson | undefined, results: readonly string[]): string {
  const before = conf === undefined ? "" : `"conf":${conf},`;
  const after = results.length === 0 ? "" : `,"results":[${results.join(",")}]`;
  return `{${before}${body}${after}}`;
}

function formatSpec(spec: RequestSpec): string {
  const { resources, overhead, namespaces, cgroupsPath, annotations } = spec;
  let text = `{"resources":${resources === null ? "null" : linuxResources.format(resources)}`;
  if (overhead) text += `,"overhead":${linuxResources.format(overhead)}`;
  if (!isEmpty(namespaces)) text += `,"namespaces":${formatStringMap(namespaces)}`;
  if (cgroupsPath !== "") text += `,"cgroupsPath":${formatString(cgroupsPath)}`;
  if (!isEmpty(annotations)) text += `,"annotations":${formatStringMap(annotations)}`;
  return `${text}}`;
}

function isEmpty(map: Readonly<Record<string, string>>): boolean {
  return Object.keys(map).length === 0;
}
