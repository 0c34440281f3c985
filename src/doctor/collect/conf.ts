import { BridgeError, errorText } from "../../errors.js";
import { createConfFile } from "../../legacy/conf-file.js";
import { findPermissionFault } from "../../legacy/permissions.js";
import type { ConfFacts, ConfigFault } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { isTable } from "../toml.js";

/** conf.json as the bridge reads it, and what v0.1 clients pass over in silence. */
export function readConf(files: NodeFiles, path: string): ConfFacts {
  const here = files.locate(path);
  const exists = files.stat(path) !== undefined;
  const permissionFault = exists ? findPermissionFault(here) : null;
  const about = {
    path,
    exists,
    permissionFault: permissionFault === null ? null : files.rename(permissionFault),
  };
  try {
    const list = createConfFile(here).read();
    return { ...about, list, fault: undefined, ...passedOver(files.readText(path) ?? "{}") };
  } catch (error) {
    return { ...about, list: undefined, fault: toFault(path, error), unknownKeys: [], trailing: false };
  }
}

function toFault(path: string, error: unknown): ConfigFault {
  const fields = error instanceof BridgeError ? error.fields : {};
  const { line, column, index } = fields;
  const where = typeof line === "number" && typeof column === "number" ? `${path}:${line}:${column}` : path;
  return { where: typeof index === "number" ? `${path}#/plugins/${index}` : where, text: errorText(error) };
}

/** What containerd 1.6 never looked at, though somebody wrote it. */
function passedOver(text: string): Pick<ConfFacts, "unknownKeys" | "trailing"> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // It was read as a v0.1 client reads it, so what JSON.parse trips over comes after the one value.
    return { unknownKeys: [], trailing: true };
  }
  if (!isTable(value)) return { unknownKeys: [], trailing: false };
  const unknownKeys = unknownIn(value, ["version", "plugins"], "");
  const plugins = Object.entries(value).find(([key]) => key.toLowerCase() === "plugins")?.[1];
  const entries = Array.isArray(plugins) ? plugins.filter(isTable) : [];
  const inEntries = entries.flatMap((entry, at) => unknownIn(entry, ["type", "conf"], `plugins[${at}].`));
  return { unknownKeys: [...unknownKeys, ...inEntries], trailing: false };
}

function unknownIn(table: object, known: readonly string[], prefix: string): string[] {
  return Object.keys(table)
    .filter((key) => !known.includes(key.toLowerCase()))
    .map((key) => `${prefix}${key}`);
}
