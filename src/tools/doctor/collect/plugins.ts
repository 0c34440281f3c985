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
  /** The PATH of the runtime's process, along which containerd 1.6 looks for plugins; undefined when not known. */
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
    /** The cgroups that the plugin sees: its `cgroup` setting, with `auto` resolved for the plugin's phase. */
    cgroup: cgroupSeen(settings),
    /** The file that containerd 1.6 would have run, as it looks along PATH first; undefined when there is none. */
    pathFirst: pathFirst.ok ? pathFirst.path : undefined,
  };
  if (!lookup.ok) {
    const directories = types === "any" ? [...pluginDirs, ...path.split(":")] : pluginDirs;
    const places = type.includes("/") ? [join("/", type)] : directories.map((directory) => join(directory, type));
    const found = places.map((place) => [place, obstacleAt(files, place)] as const).find(([, obstacle]) => obstacle);
    const [place, obstacle] = (type !== "" && found) || ["", undefined];
    // `path` is the file in the place where the bridge looks for the plugin; `obstacle` says why it cannot run.
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
  return target === undefined || files.mayExist(path) ? undefined : `is a link to ${target}, which does not exist`;
}

/** The executables in plugin directories that conf.json does not name. */
export function unlistedPlugins(list: ConfigList, files: NodeFiles, config: Config) {
  const types = list.plugins.map(({ type }) => type);
  // A type with a slash is a path. The path may lead, by a link, to a file in a plugin directory: compare identities.
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

/** File and directory names that only cgroup v1 has. A plugin that writes to cgroup v1 has some of them in its file. */
const v1Pattern =
  /cpu\.cfs_(quota|period)_us|cpu\.shares|cpuacct\.usage|memory\.(soft_|memsw\.|kmem\.)?limit_in_bytes|blkio\.(weight|throttle\.)|net_cls\.classid|devices\.allow|freezer\.state|cgroup\/(cpu|cpuset|memory|blkio|pids)\//g;

/** File names that only cgroup v2 has. `memory.max` must not match the v1 file memory.max_usage_in_bytes. */
const v2Pattern = /cpu\.(max(?!_)|weight)|memory\.(max(?!_usage)|high)|io\.max|cgroup\.subtree_control/;

/** The name of NRI v2's protobuf package. The program of each plugin that registers with a runtime contains it. */
const nri2Package = "nri.pkg.api.v1alpha1";

function readBinary(files: NodeFiles, path: string, arch: string, searchPath: string) {
  const bytes = files.readBytes(path);
  if (bytes === undefined) return undefined;
  const text = bytes.toString("latin1");
  const v1Names = [...new Set(text.match(v1Pattern))];
  const format = text.startsWith("\x7fELF") ? "elf" : shebangOf(bytes) === null ? "none" : "script";
  // The ELF header's field e_machine (elf.h). Byte 5 is 1 in a little-endian file.
  const machine = bytes.length < 20 ? 0 : bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
  return {
    format,
    /** Whether the plugin is an ELF for another architecture, which this machine's kernel does not run. */
    foreign: format === "elf" && elfMachines[arch]?.includes(machine) === false,
    missing: missingIn(files, bytes, searchPath),
    /** The cgroup v1 names in the plugin's file. `v1Only`: the file has such names, and none of cgroup v2. */
    v1Names,
    v1Only: v1Names.length > 0 && !v2Pattern.test(text),
    /** Whether the file contains NRI v2's package name: it is then a plugin for the runtime, not a v0.1 plugin. */
    speaksNri2: text.includes(nri2Package),
  } as const;
}

/**
 * The file that an executable needs to start and that is missing: an ELF's loader, a script's interpreter, or the program that
 * env(1) looks for on this PATH. Undefined when none is missing.
 */
export function missingIn(files: NodeFiles, bytes: Buffer, searchPath: string): string | undefined {
  const shebang = shebangOf(bytes);
  if (shebang === null) {
    // The loader's path (PT_INTERP), which linkers put right behind the program headers.
    const loader = /^\x7fELF.*?(\/[\w./-]*\/ld[\w.-]*\.so(\.\d+)?)(?=\0)/s.exec(bytes.toString("latin1", 0, 4096))?.[1];
    return loader === undefined || files.stat(loader) !== undefined ? undefined : loader;
  }
  const { interpreter, argument } = shebang;
  if (!files.isExecutable(interpreter)) return interpreter;
  if (!interpreter.endsWith("/env")) return undefined;
  // env(1) runs the first word that is neither an option nor a variable.
  const words = argument.split(/[ \t]+/);
  const program = words.find((word) => word !== "" && !word.startsWith("-") && !word.includes("="));
  if (program === undefined) return undefined;
  const places = program.includes("/")
    ? [program]
    : searchPath.split(":").map((directory) => `${directory}/${program}`);
  return places.some((place) => files.isExecutable(place)) ? undefined : program;
}

/** Parses the shebang in the first 256 bytes of a file, as the kernel reads no more of it. */
function shebangOf(bytes: Buffer): Shebang | null {
  return parseShebang(bytes.subarray(0, 256));
}
