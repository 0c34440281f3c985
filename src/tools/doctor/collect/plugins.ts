import { join } from "node:path";
import { cgroupSeen, type PluginSettings, pluginSettings } from "../../../config/merge.js";
import type { Config } from "../../../config/schema.js";
import type { NodeFiles } from "../../../host/node-files.js";
import type { Mount } from "../../../host/proc.js";
import { searchPath } from "../../../plugin/environment.js";
import { elfMachines } from "../../../plugin/executable-format.js";
import { findPlugin, type Lookup } from "../../../plugin/lookup.js";
import type { ConfigList } from "../../../v01/types.js";
import { executableFaultOf } from "./bridge.js";
import { mountOf } from "./processes.js";

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
interface Obstacle {
  readonly path: string;
  readonly kind: "directory" | "mode" | "link";
  /** Of a link. */
  readonly target?: string;
}

interface PluginSearch {
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

/** What a look into an executable tells. */
interface BinaryFacts {
  readonly format: "elf" | "script" | "none";
  /** The e_machine of an ELF file that the kernel of this machine does not run. */
  readonly foreignMachine: number | undefined;
  /**
   * What it needs and is not there: a script's interpreter, an ELF's dynamic loader, or the program that env(1), the interpreter
   * of the script, is to find on PATH.
   */
  readonly missing: string | undefined;
  /** The script's first line ends with a carriage return, which the kernel takes for a part of it. */
  readonly carriageReturn: boolean;
  /** Names of cgroup v1's files that stand in it. */
  readonly v1Names: readonly string[];
  /** It holds such names, and none of cgroup v2. */
  readonly v1Only: boolean;
  /** Its file system is mounted noexec. */
  readonly noexec: boolean;
  /** It speaks NRI v2: a plugin of the runtime's, and none of v0.1. */
  readonly speaksNri2: boolean;
}

/** A file past this is not looked into: no plugin is so large, and the doctor has to stay quick. */
const maxBytes = 256 * 1024 * 1024;
const elfMagic = Buffer.from("\x7fELF", "latin1");

/** Names that only cgroup v1 has: what a plugin that writes to it holds as text. */
const v1Pattern =
  /cpu\.cfs_(quota|period)_us|cpu\.shares|cpuacct\.usage|memory\.(soft_|memsw\.|kmem\.)?limit_in_bytes|blkio\.(weight|throttle\.)|net_cls\.classid|devices\.allow|freezer\.state|cgroup\/(cpu|cpuset|memory|blkio|pids)\//g;

/** Names that only cgroup v2 has. memory.max is the beginning of a v1 name too. */
const v2Pattern = /cpu\.(max(?!_)|weight)|memory\.(max(?!_usage)|high)|io\.max|cgroup\.subtree_control/;

/** NRI v2's protobuf package, in the program of each plugin that registers with a runtime. */
const nri2Package = "nri.pkg.api.v1alpha1";

interface BinarySearch {
  readonly arch: string;
  readonly mounts: readonly Mount[];
  /** The PATH that plugins get. */
  readonly searchPath: string;
}

/** Looks into an executable. Undefined when it cannot be read. */
function readBinary(
  files: NodeFiles,
  path: string,
  { arch, mounts, searchPath }: BinarySearch,
): BinaryFacts | undefined {
  const stats = files.stat(path);
  if (stats === undefined || stats.size > maxBytes) return undefined;
  const bytes = files.readBytes(path);
  if (bytes === undefined) return undefined;
  const text = bytes.toString("latin1");
  const names = [...new Set(text.match(v1Pattern))];
  const common = {
    v1Names: names,
    v1Only: names.length > 0 && !v2Pattern.test(text),
    noexec: mountOf(mounts, path)?.options.includes("noexec") === true,
    speaksNri2: text.includes(nri2Package),
  };
  if (bytes.subarray(0, 4).equals(elfMagic)) {
    const machine = bytes.length < 20 ? 0 : bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
    // What PT_INTERP names: linkers put it behind the program headers.
    const loader = /\/[\w./-]*\/ld[\w.-]*\.so(\.\d+)?(?=\0)/.exec(text.slice(0, 4096))?.[0];
    return {
      ...common,
      format: "elf",
      foreignMachine: elfMachines[arch]?.includes(machine) === false ? machine : undefined,
      missing: loader === undefined || files.stat(loader) !== undefined ? undefined : loader,
      carriageReturn: false,
    };
  }
  const [firstLine = ""] = text.slice(0, 256).split("\n", 1);
  const [, interpreter, rest = ""] = /^#![ \t]*([^ \t\r\0]+)(.*)$/s.exec(firstLine) ?? [];
  const program = interpreter?.endsWith("/env") === true ? programOf(rest) : undefined;
  const needed = [
    ...(interpreter === undefined || files.isExecutable(interpreter) ? [] : [interpreter]),
    ...(program === undefined || isOnPath(files, program, searchPath) ? [] : [program]),
  ];
  return {
    ...common,
    format: interpreter === undefined ? "none" : "script",
    foreignMachine: undefined,
    missing: needed[0],
    carriageReturn: interpreter !== undefined && firstLine.endsWith("\r"),
  };
}

/** The program that env(1) starts: the first word that is neither an option nor a variable. */
function programOf(rest: string): string | undefined {
  return rest.split(/[ \t\r]+/).find((word) => word !== "" && !word.startsWith("-") && !word.includes("="));
}

function isOnPath(files: NodeFiles, program: string, searchPath: string): boolean {
  if (program.includes("/")) return files.isExecutable(program);
  return searchPath.split(":").some((directory) => files.isExecutable(`${directory}/${program}`));
}

/** Whether an executable is a plugin of NRI v2. */
export function speaksNri2(files: NodeFiles, path: string): boolean {
  const size = files.stat(path)?.size ?? 0;
  return size <= maxBytes && files.readBytes(path)?.includes(nri2Package) === true;
}
