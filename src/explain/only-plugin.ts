import { BridgeError, errorText } from "../errors.js";
import { formatString } from "../gojson/format.js";
import type { Case } from "../replay/case.js";
import { parseConfigList } from "../v01/config-list.js";
import type { ConfigList } from "../v01/types.js";

/** A conf.json with one plugin of another; without a `conf` when it does not list that plugin. */
export interface OnlyPlugin {
  readonly text: Uint8Array;
  /** The types that the whole list names. */
  readonly types: readonly string[];
}

/** @throws BridgeError USAGE that names the file, and where in it the fault is */
export function onlyPlugin(text: Uint8Array, type: string, file: string): OnlyPlugin {
  const { version, plugins } = readList(text, file);
  const own = plugins.find((plugin) => plugin.type === type);
  const conf = own?.conf === undefined ? "" : `,"conf":${own.conf}`;
  const list = `{"version":${formatString(version)},"plugins":[{"type":${formatString(type)}${conf}}]}`;
  return { text: Buffer.from(list), types: plugins.map((plugin) => plugin.type) };
}

/** The list of a conf.json. @throws BridgeError USAGE that names the file, and where in it the fault is */
export function readList(text: Uint8Array, file: string): ConfigList {
  try {
    return parseConfigList(text);
  } catch (error) {
    const { line, column } = error instanceof BridgeError ? error.fields : {};
    const where = typeof line === "number" && typeof column === "number" ? `:${line}:${column}` : "";
    throw new BridgeError("USAGE", `${file}${where}: ${errorText(error)}`);
  }
}

/** A case whose conf.json files hold this plugin alone. @throws BridgeError USAGE */
export function caseWithOnly(played: Case, type: string): { readonly played: Case; readonly types: readonly string[] } {
  const types = new Set<string>();
  const confs = played.confs.map((conf) => {
    if (conf.text === undefined) return conf;
    const only = onlyPlugin(conf.text, type, conf.file ?? played.name);
    for (const listed of only.types) types.add(listed);
    return { ...conf, text: only.text };
  });
  return { played: { ...played, confs }, types: [...types] };
}
