import { basename, dirname, join } from "node:path";
import { pluginSettings } from "../../config/merge.js";
import type { Config } from "../../config/schema.js";
import type { Mount } from "../../host/mountinfo.js";
import { searchPath } from "../../legacy/environment.js";
import { findPlugin, type Lookup, type LookupOptions } from "../../legacy/lookup.js";
import { nearestName } from "../../nearest.js";
import type { ConfigList } from "../../v01/types.js";
import type { Facts, PluginFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { findFaultBelow } from "../permissions.js";
import { readBinary, speaksNri2 } from "./binary.js";
import { placeOf } from "./plugin-place.js";

export interface PluginSearch {
  readonly files: NodeFiles;
  readonly config: Config;
  readonly mounts: readonly Mount[];
  readonly arch: string;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  /** The PATH that containerd 1.6 was started with; undefined when not known. */
  readonly runtimePath: string | undefined;
}

/** What there is to say of each plugin of conf.json, in order. */
export function readPlugins(list: ConfigList, search: PluginSearch): readonly PluginFacts[] {
  return list.plugins.map(({ type }, index) => readPlugin(type, index, search));
}

function readPlugin(type: string, index: number, search: PluginSearch): PluginFacts {
  const { files, config } = search;
  const { pluginDirs, lookup: order, types } = config;
  const settings = pluginSettings(config, type);
  const path = searchPath(search.path, pluginDirs);
  const lookup = find(type, { pluginDirs, path, lookup: order, types }, files);
  const inherited = searchPath(search.runtimePath ?? search.path, pluginDirs);
  const pathFirst = find(type, { pluginDirs, path: inherited, lookup: "path-first", types: "any" }, files);
  const file = lookup.ok ? lookup.path : undefined;
  const permissionFault = file === undefined ? null : findFaultBelow(files, file);
  return {
    index,
    type,
    ...placeOf(config, type),
    createFails: settings.onFailure.create === "fail",
    takesCreate: settings.states.includes("create"),
    timeoutMs: settings.timeoutMs,
    async: settings.async,
    lookup,
    pathFirst: pathFirst.ok ? pathFirst.path : undefined,
    permissionFault,
    binary:
      file === undefined
        ? undefined
        : readBinary(files, file, { ...search, searchPath: settings.environment.set.PATH ?? path }),
    ...(lookup.ok ? { obstacle: undefined, nearest: undefined } : whyNotFound(type, search)),
  };
}

/** What stands in a plugin's place, and what may have been meant. */
function whyNotFound(type: string, { files, config }: PluginSearch): Pick<PluginFacts, "obstacle" | "nearest"> {
  const path = type.includes("/") ? join("/", type) : undefined;
  const directories = path === undefined ? config.pluginDirs : [dirname(path)];
  const name = path === undefined ? type : basename(path);
  const obstacle = directories.flatMap((directory) => obstacleAt(files, join(directory, name)) ?? [])[0];
  const installed = directories.flatMap((directory) =>
    files.list(directory).filter((entry) => entry !== name && files.isExecutable(join(directory, entry))),
  );
  const likely = nearestName(name, installed);
  const nearest =
    likely === undefined || directories.some((directory) => speaksNri2(files, join(directory, likely)))
      ? undefined
      : likely;
  return { obstacle, nearest: nearest !== undefined && path !== undefined ? join(dirname(path), nearest) : nearest };
}

function obstacleAt(files: NodeFiles, path: string): PluginFacts["obstacle"] {
  if (files.stat(path)?.isDirectory() === true) return { path, kind: "directory" };
  const target = files.link(path);
  return target === undefined || files.mayExist(path) ? undefined : { path, kind: "link", target };
}

/** findPlugin on the node's files: the answer names them as the node does. */
function find(type: string, options: LookupOptions, files: NodeFiles): Lookup {
  if (files.root === "/") return findPlugin(type, options);
  if (type.includes("/"))
    return renamed(findPlugin(files.locate(type.startsWith("/") ? type : `/${type}`), options), files);
  const below = (directory: string) => files.locate(directory);
  const found = findPlugin(type, {
    ...options,
    pluginDirs: options.pluginDirs.map(below),
    path: options.path
      .split(":")
      .filter((directory) => directory.startsWith("/"))
      .map(below)
      .join(":"),
  });
  if (found.ok) return renamed(found, files);
  // A link whose target is absolute leads elsewhere from here: it is followed below the root.
  const directories = [...options.pluginDirs, ...(options.types === "any" ? options.path.split(":") : [])];
  const path = directories.map((directory) => join(directory, type)).find((file) => files.isExecutable(file));
  return path === undefined ? renamed(found, files) : { ok: true, path, shadowed: [] };
}

function renamed(lookup: Lookup, files: NodeFiles): Lookup {
  if (lookup.ok)
    return { ...lookup, path: files.nameOf(lookup.path), shadowed: lookup.shadowed.map((path) => files.nameOf(path)) };
  return {
    ...lookup,
    error: files.rename(lookup.error),
    hint: lookup.hint === null ? null : files.rename(lookup.hint),
  };
}

/** Executables in the plugin directories that conf.json does not name. */
export function unlistedPlugins(list: ConfigList, files: NodeFiles, config: Config): Facts["unlisted"] {
  const types = list.plugins.map(({ type }) => type);
  const names = new Set(types.filter((type) => !type.includes("/")));
  // A type with a slash is a path, and may lead to a file here by another name.
  const paths = new Set(types.flatMap((type) => (type.includes("/") ? (files.identity(`/${type}`) ?? []) : [])));
  return config.pluginDirs.flatMap((directory) =>
    files
      .list(directory)
      .filter((name) => !names.has(name))
      .map((name) => join(directory, name))
      .filter((path) => files.isExecutable(path) && !paths.has(files.identity(path) ?? ""))
      .map((path) => ({ path, speaksNri2: speaksNri2(files, path) })),
  );
}
