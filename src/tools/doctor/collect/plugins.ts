import { join } from "node:path";
import { PermissionWalk } from "../../../base/permissions.js";
import { cgroupSeen, pluginSettings } from "../../../config/merge.js";
import type { Config } from "../../../config/schema.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { searchPath } from "../../../plugin/environment.js";
import { elfMachines, parseShebang, type Shebang } from "../../../plugin/executable-format.js";
import { findPlugin } from "../../../plugin/lookup.js";
import { findExecutableFault } from "../../../plugin/permissions.js";
import type { ConfigList } from "../../../v01/types.js";

export type PluginFacts = ReturnType<typeof readPlugin>;

interface PluginSearch {
  readonly files: NodeFiles;
  readonly config: Config;
  readonly arch: string;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  /** The PATH that containerd 1.6 was started with; undefined when not known. */
  readonly runtimePath: string | undefined;
}

export function readPlugins(list: ConfigList, search: PluginSearch): readonly PluginFacts[] {
  return list.plugins.map(({ type }, index) => readPlugin(type, index, search));
}

function readPlugin(type: string, index: number, { files, config, arch, ...search }: PluginSearch) {
  const { pluginDirs, types } = config;
  const settings = pluginSettings(config, type);
  const path = searchPath(search.path, pluginDirs);
  const locate = (own: string) => files.locate(own);
  const lookup = findPlugin(type, { pluginDirs, path, lookup: config.lookup, types, locate });
  const inherited = searchPath(search.runtimePath ?? search.path, pluginDirs);
  const pathFirst = findPlugin(type, { pluginDirs, path: inherited, lookup: "path-first", types: "any", locate });
  const about = {
    ...{ index, type, settings, lookup },
    /** The meaning of `auto` in this phase. */
    cgroup: cgroupSeen(settings),
    /** The file that containerd 1.6 would have run: PATH first. */
    pathFirst: pathFirst.ok ? pathFirst.path : undefined,
  };
  if (!lookup.ok) {
    const directories = types === "any" ? [...pluginDirs, ...path.split(":")] : pluginDirs;
    const places = type.includes("/") ? [join("/", type)] : directories.map((directory) => join(directory, type));
    const found = places.map((place) => [place, obstacleAt(files, place)] as const).find(([, obstacle]) => obstacle);
    const [place, obstacle] = (type !== "" && found) || ["", undefined];
    // What stands in its place, and why that is no program.
    return { ...about, path: place, obstacle, permissionFault: null, binary: undefined };
  }
  const pluginsPath = settings.environment.set.PATH ?? path;
  const walk = new PermissionWalk({ below: files.below });
  const fault = findExecutableFault(lookup.path, pluginsPath, walk);
  return {
    ...about,
    path: lookup.path,
    obstacle: undefined,
    permissionFault: fault && files.rename(fault),
    binary: readBinary(files, lookup.path, arch, pluginsPath),
  };
}

function obstacleAt(files: NodeFiles, path: string): string | undefined {
  const stats = files.stat(path);
  if (stats?.isDirectory() === true) return "is a directory";
  if (stats !== undefined) return files.isExecutable(path) ? undefined : "is not executable";
  const target = files.link(path);
  return target === undefined || files.mayExist(path) ? undefined : `is a link to ${target}, which is not there`;
}

/** The executables in plugin directories that conf.json does not name. */
export function unlistedPlugins(list: ConfigList, files: NodeFiles, config: Config) {
  const types = list.plugins.map(({ type }) => type);
  // A type with a slash is a path, and may lead to a file here by another name.
  const paths = types.flatMap((type) => (type.includes("/") ? (files.identity(`/${type}`) ?? []) : []));
  return config.pluginDirs.flatMap((directory) =>
    files
      .list(directory)
      .filter((name) => !types.includes(name))
      .map((name) => join(directory, name))
      .filter((path) => files.isExecutable(path) && !paths.includes(files.identity(path) ?? ""))
      .map((path) => ({ path, speaksNri2: files.readBytes(path)?.includes(nri2Package) === true })),
  );
}

/** Names that only cgroup v1 has: what a plugin that writes to it holds as text. */
const v1Pattern =
  /cpu\.cfs_(quota|period)_us|cpu\.shares|cpuacct\.usage|memory\.(soft_|memsw\.|kmem\.)?limit_in_bytes|blkio\.(weight|throttle\.)|net_cls\.classid|devices\.allow|freezer\.state|cgroup\/(cpu|cpuset|memory|blkio|pids)\//g;

/** Names that only cgroup v2 has. memory.max is the beginning of a v1 name too. */
const v2Pattern = /cpu\.(max(?!_)|weight)|memory\.(max(?!_usage)|high)|io\.max|cgroup\.subtree_control/;

/** NRI v2's protobuf package, in the program of each plugin that registers with a runtime. */
const nri2Package = "nri.pkg.api.v1alpha1";

function readBinary(files: NodeFiles, path: string, arch: string, searchPath: string) {
  const bytes = files.readBytes(path);
  if (bytes === undefined) return undefined;
  const text = bytes.toString("latin1");
  const v1Names = [...new Set(text.match(v1Pattern))];
  const format = text.startsWith("\x7fELF") ? "elf" : shebangOf(bytes) === null ? "none" : "script";
  // e_machine of elf.h.
  const machine = bytes.length < 20 ? 0 : bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
  return {
    format,
    /** The kernel of this machine does not run it. */
    foreign: format === "elf" && elfMachines[arch]?.includes(machine) === false,
    missing: missingIn(files, bytes, searchPath),
    /** Names of cgroup v1's files that stand in it; whether it has none of v2. */
    v1Names,
    v1Only: v1Names.length > 0 && !v2Pattern.test(text),
    /** It is a plugin of the runtime's, and none of v0.1. */
    speaksNri2: text.includes(nri2Package),
  } as const;
}

/** The file that an executable lacks to start: an ELF's loader, a script's interpreter, or the program that env(1) looks for on this PATH. */
export function missingIn(files: NodeFiles, bytes: Buffer, searchPath: string): string | undefined {
  const shebang = shebangOf(bytes);
  if (shebang === null) {
    // The path of PT_INTERP: linkers put it behind the program headers.
    const loader = /^\x7fELF.*?(\/[\w./-]*\/ld[\w.-]*\.so(\.\d+)?)(?=\0)/s.exec(bytes.toString("latin1", 0, 4096))?.[1];
    return loader === undefined || files.stat(loader) !== undefined ? undefined : loader;
  }
  const { interpreter, argument } = shebang;
  if (!files.isExecutable(interpreter)) return interpreter;
  if (!interpreter.endsWith("/env")) return undefined;
  // The first word that is neither an option nor a variable.
  const words = argument.split(/[ \t]+/);
  const program = words.find((word) => word !== "" && !word.startsWith("-") && !word.includes("="));
  if (program === undefined) return undefined;
  const places = program.includes("/")
    ? [program]
    : searchPath.split(":").map((directory) => `${directory}/${program}`);
  return places.some((place) => files.isExecutable(place)) ? undefined : program;
}

/** Of as much as the kernel looks at. */
function shebangOf(bytes: Buffer): Shebang | null {
  return parseShebang(bytes.subarray(0, 256));
}
