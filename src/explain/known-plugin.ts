import type { Config } from "../config/schema.js";
import { BridgeError } from "../errors.js";
import { searchPath } from "../legacy/environment.js";
import { findPlugin } from "../legacy/lookup.js";
import { nearestName } from "../nearest.js";
import { listIfThere } from "../replay/case-files.js";

/**
 * A name that no conf.json has and no program either is a mistyped one.
 * @param types those that conf.json lists
 * @param path the PATH of the bridge
 * @throws BridgeError USAGE that names the nearest one
 */
export function requirePlugin(type: string, types: readonly string[], config: Config, path: string | undefined): void {
  const { pluginDirs } = config;
  if (types.includes(type)) return;
  if (findPlugin(type, { ...config, path: searchPath(path, pluginDirs) }).ok) return;
  const nearest = nearestName(type, [...types, ...pluginDirs.flatMap((directory) => listIfThere(directory) ?? [])]);
  const hint = nearest === undefined ? "" : `; did you mean "${nearest}"?`;
  throw new BridgeError(
    "USAGE",
    `${type}: conf.json does not list it, and there is no such program in ${pluginDirs.join(", ")} or PATH${hint}`,
  );
}
