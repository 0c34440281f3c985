import { join } from "node:path";
import { cgroupSeen, type PluginSettings, pluginSettings } from "../../../config/merge.js";
import type { Config } from "../../../config/schema.js";
import type { Mount } from "../../../host/mountinfo.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { searchPath } from "../../../plugin/environment.js";
import { findPlugin, type Lookup } from "../../../plugin/lookup.js";
import type { ConfigList } from "../../../v01/types.js";
import { type BinaryFacts, readBinary, speaksNri2 } from "./binary.js";
import { executableFaultOf } from "./conf.js";

export interface PluginFacts {
  readonly index: number;
  readonly type: string;
  readonly settings: PluginSettings;
  /** What `auto` comes to in this phase. */
  readonly cgroup: "host" | "capture";
  readonly lookup: Lookup;
  /** The executable; "" when it is not found. */
  readonly path: string;
  /** What containerd 1.6 would have run: PATH first. */
  readonly pathFirst: string | undefined;
  readonly permissionFault: string | null;
  readonly binary: BinaryFacts | undefined;
  /** Where it is not found: what stands in its place. */
  readonly obstacle: Obstacle | undefined;
}

/** A directory, a file that is not executable, or a link that leads nowhere. */
export interface Obstacle {
  readonly path: string;
  readonly kind: "directory" | "mode" | "link";
  /** Of a link. */
  readonly target?: string;
}

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
  const { files, config, runtimePath } = search;
  const { pluginDirs, lookup: order, types } = config;
  const settings = pluginSettings(config, type);
  const path = searchPath(search.path, pluginDirs);
  const locate = (own: string) => files.locate(own);
  const lookup = findPlugin(type, { pluginDirs, path, lookup: order, types, locate });
  const inherited = searchPath(runtimePath ?? search.path, pluginDirs);
  const pathFirst = findPlugin(type, { pluginDirs, path: inherited, lookup: "path-first", types: "any", locate });
  const about = {
    index,
    type,
    settings,
    cgroup: cgroupSeen(settings),
    lookup,
    pathFirst: pathFirst.ok ? pathFirst.path : undefined,
  };
  if (!lookup.ok) {
    const directories = types === "any" ? [...pluginDirs, ...path.split(":")] : pluginDirs;
    const places = type.includes("/") ? [join("/", type)] : directories.map((directory) => join(directory, type));
    const obstacle = type === "" ? undefined : places.flatMap((place) => obstacleAt(files, place) ?? [])[0];
    return { ...about, path: "", permissionFault: null, binary: undefined, obstacle };
  }
  const pluginsPath = settings.environment.set.PATH ?? path;
  return {
    ...about,
    path: lookup.path,
    permissionFault: executableFaultOf(files, lookup.path, pluginsPath),
    binary: readBinary(files, lookup.path, { ...search, searchPath: pluginsPath }),
    obstacle: undefined,
  };
}

function obstacleAt(files: NodeFiles, path: string): Obstacle | undefined {
  const stats = files.stat(path);
  if (stats?.isDirectory() === true) return { path, kind: "directory" };
  if (stats !== undefined) return files.isExecutable(path) ? undefined : { path, kind: "mode" };
  const target = files.link(path);
  return target === undefined || files.mayExist(path) ? undefined : { path, kind: "link", target };
}

/** An executable in a plugin directory that conf.json does not name. */
export interface Unlisted {
  readonly path: string;
  readonly speaksNri2: boolean;
}

export function unlistedPlugins(list: ConfigList, files: NodeFiles, config: Config): readonly Unlisted[] {
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
