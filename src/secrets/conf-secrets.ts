import { KnownSecrets } from "./known-secrets.js";
import { isSecretName, mask } from "./secret-names.js";

/** Shorter values are in too many words that have nothing to do with them. */
const shortest = 8;
/** A word, or a path: what a conf is full of, and a log needs; a secret only under a name that says so. */
const plainValue = /^(?:[a-z][a-z_-]*|\/[\w./-]*|true|false)$/i;

/** What is read of a parsed conf.json. */
interface Confs {
  readonly plugins: readonly { readonly type: string; readonly conf?: string }[];
}

/**
 * Masks in a plugin's words what its `conf` holds, for the log: there are plugins that print their request. It never throws:
 * words that cannot be looked at are masked.
 */
export function createConfScrubber(confs: Confs): (plugin: string, text: string) => string {
  let byPlugin: Map<string, KnownSecrets> | undefined;
  // A chain whose plugins have nothing to say costs nothing: the confs are looked at when one does.
  return (plugin, text) => {
    try {
      byPlugin ??= learnAll(confs);
      return byPlugin.get(plugin)?.scrub(text) ?? text;
    } catch {
      return mask(text);
    }
  };
}

function learnAll({ plugins }: Confs): Map<string, KnownSecrets> {
  const byPlugin = new Map<string, KnownSecrets>();
  for (const { type, conf } of plugins) {
    if (conf === undefined) continue;
    const known = byPlugin.get(type) ?? new KnownSecrets();
    byPlugin.set(type, known);
    learn(known, parse(conf));
  }
  return byPlugin;
}

/** Without a call for each level: v0.1 takes ten thousand of them. */
function learn(known: KnownSecrets, conf: unknown): void {
  const pending: { readonly value: unknown; readonly isNamed: boolean }[] = [{ value: conf, isNamed: false }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, isNamed } = next;
    if (typeof value === "string") {
      if (isNamed || !plainValue.test(value)) known.learn(value, shortest);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        pending.push({ value: inner, isNamed: isNamed || isSecretName(name) });
      }
    }
  }
}

/** Go's JSON is more lenient than ours in nothing that a compacted conf still has. */
function parse(conf: string): unknown {
  try {
    return JSON.parse(conf);
  } catch {
    return undefined;
  }
}
