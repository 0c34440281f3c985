import { formatString } from "../gojson/format.js";
import type { Case } from "../replay/case.js";
import { parseConfigList } from "../v01/config-list.js";

/** A conf.json with one plugin of another; without a `conf` when it does not list that plugin. */
export interface OnlyPlugin {
  readonly text: Uint8Array;
  readonly listed: boolean;
}

/** @throws BridgeError CONF_LIST */
export function onlyPlugin(text: Uint8Array, type: string): OnlyPlugin {
  const { version, plugins } = parseConfigList(text);
  const own = plugins.find((plugin) => plugin.type === type);
  const conf = own?.conf === undefined ? "" : `,"conf":${own.conf}`;
  const list = `{"version":${formatString(version)},"plugins":[{"type":${formatString(type)}${conf}}]}`;
  return { text: Buffer.from(list), listed: own !== undefined };
}

/** A case whose conf.json files hold this plugin alone. */
export function caseWithOnly(played: Case, type: string): { readonly played: Case; readonly listed: boolean } {
  let listed = false;
  const confs = played.confs.map((conf) => {
    if (conf.text === undefined) return conf;
    const only = onlyPlugin(conf.text, type);
    listed ||= only.listed;
    return { ...conf, text: only.text };
  });
  return { played: { ...played, confs }, listed };
}
