import { KnownSecrets } from "./known-secrets.js";
import { isSecretName } from "./secret-names.js";

/** Shorter values are in too many words that have nothing to do with them. */
const shortest = 8;
/** A word, or a path: what a conf is full of, and a log needs; a secret only under a name that says so. */
const plainValue = /^(?:[a-z][a-z_-]*|\/[\w./-]*|true|false)$/i;

/** What is read of a parsed conf.json. */
interface Confs {
  readonly plugins: readonly { readonly type: string; readonly conf?: string }[];
}

/** Masks in a plugin's words what its `conf` holds, for the log: there are plugins that print their request. */
export function createConfScrubber(confs: Confs): (plugin: string, text: string) => string {
  let byPlugin: Map<string, KnownSecrets> | undefined;
  // A chain whose plugins have nothing to say costs nothing: the confs are looked at when one does.
  return (plugin, text) => {
    byPlugin ??= learnAll(confs);
    return byPlugin.get(plugin)?.scrub(text) ?? text;
  };
}

function learnAll({ plugins }: Confs): Map<string, KnownSecrets> {
  const byPlugin = new Map<string, KnownSecrets>();
  for (const { type, conf } of plugins) {
    if (conf === undefined) continue;
    const known = byPlugin.get(type) ?? new KnownSecrets();
    byPlugin.set(type, known);
    learn(known, parse(conf), false);
  }
  return byPlugin;
}

function learn(known: KnownSecrets, value: unknown, isNamed: boolean): void {
  if (typeof value === "string") {
    if (isNamed || !plainValue.test(value)) known.learn(value, shortest);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) learn(known, inner, isNamed || isSecretName(name));
}

/** Go's JSON is more lenient than ours in nothing that a compacted conf still has. */
function parse(conf: string): unknown {
  try {
    return JSON.parse(conf);
  } catch {
    return undefined;
  }
}
