import { resolve } from "node:path";
import { BridgeError, errorText } from "../base/errors.js";
import { mergeConfig } from "../config/merge.js";
import type { PartialConfig } from "../config/schema.js";
import { NodeFiles } from "../host/node-files.js";
import { flagOf } from "../host/proc.js";
import { type ConfigSource, unitsFile } from "../tools/doctor/collect/bridge.js";
import { readLaunched } from "../tools/doctor/collect/launched.js";
import { adaptersAmong, listProcesses, type ProcessFacts } from "../tools/doctor/collect/processes.js";
import { findRuntime, findSocketPeer } from "../tools/doctor/collect/runtime.js";
import { givenConfig, readFlags } from "./config-flags.js";
import { readConfigFile, readOwnConfigFile } from "./config-layers.js";

/** The configuration file that the bridge of a node has, or is given by hand. */
export interface ConfigFile {
  /** Where it is read here. */
  readonly path: string;
  /** The same as the node names it: another path where the node's root is mounted somewhere. */
  readonly file: string;
  /** How it was found: by --config, the command line of a bridge that runs, a launched bridge's directory, the usual place. */
  readonly from: "flag" | "running" | "launched" | "usual";
  /** Of the bridge that runs. */
  readonly pid: number | null;
}

/**
 * The configuration file to look at: that of --config, else the one that a running bridge was started with, else the one that
 * a launched bridge gets, else that of the shipped unit; undefined where there is none.
 *
 * @param given the value of --config; `/dev/null` is a file without settings
 * @param root where the node's file system is mounted
 */
export async function findConfigFile(
  given: string | undefined,
  flags: PartialConfig = {},
  root = "/",
): Promise<ConfigFile | undefined> {
  if (given !== undefined) return { path: given, file: given, from: "flag", pid: null };
  const files = new NodeFiles(root);
  const processes = listProcesses(files);
  const found = ofRunning(files, processes) ?? (await ofLaunched(files, processes, flags)) ?? usual(files);
  return found && { ...found, path: files.locate(found.file) };
}

type Found = Omit<ConfigFile, "path">;

/** Of the first bridge whose command line names one. */
function ofRunning(files: NodeFiles, processes: readonly ProcessFacts[]): Found | undefined {
  const bridges = new Set(
    adaptersAmong(processes, process.pid).flatMap(({ pid, name }) => (name === "nri-v01-bridge" ? [pid] : [])),
  );
  for (const { pid, args, uid } of processes) {
    // Whoever may start a process may give it any name, in a container too: theirs must not say what root is to run.
    if (!bridges.has(pid) || !isTrusted(uid) || !sharesRoot(files, pid)) continue;
    const file = flagOf(args, "--config");
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (file !== undefined && (file.startsWith("/") || cwd !== undefined)) {
      return { file: resolve(cwd ?? "/", file), from: "running", pid };
    }
  }
  return undefined;
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** Whether a process sees the node's files under the names that we see them under. Only root can tell for others' processes. */
function sharesRoot(files: NodeFiles, pid: number): boolean {
  const root = files.identityByKernel(`/proc/${pid}/root`);
  return root === files.identity("/") || (root === undefined && process.geteuid?.() !== 0);
}

async function ofLaunched(
  files: NodeFiles,
  processes: readonly ProcessFacts[],
  flags: PartialConfig,
): Promise<Found | undefined> {
  const { socketPath, confFile } = mergeConfig(flags);
  const peer = await findSocketPeer(files, socketPath);
  // Where its plugins are does not depend on the version: nothing is started to ask for it.
  const runtime = findRuntime({ files, processes, peer, confFile, askVersion: () => "" });
  const launched = readLaunched(files, runtime?.config.nri);
  const file = launched.find(({ bridge, configFile }) => bridge && configFile !== undefined)?.configFile;
  return file === undefined ? undefined : { file, from: "launched", pid: null };
}

function usual(files: NodeFiles): Found | undefined {
  return files.stat(unitsFile) === undefined ? undefined : { file: unitsFile, from: "usual", pid: null };
}

/** The settings that a verb works with, and where those of the file came from. */
export interface Settings {
  readonly flags: PartialConfig;
  readonly file: PartialConfig | undefined;
  readonly source: ConfigFile | undefined;
}

/**
 * The flags, and the file of --config or else that of the node's bridge.
 * @throws BridgeError CONFIG that names the file, and what to do about it
 */
export async function readSettings(options: Readonly<Record<string, unknown>>): Promise<Settings> {
  const flags = readFlags(options);
  const source = await findConfigFile(givenConfig(options), flags);
  if (source === undefined) return { flags, file: undefined, source };
  if (source.from === "flag") return { flags, file: readConfigFile(source.path), source };
  try {
    return { flags, file: readOwnConfigFile(source.path, flags), source };
  } catch (error) {
    const remedy = "--config FILE takes another one, --config /dev/null none";
    throw new BridgeError("CONFIG", `${errorText(error)}\n(${originOf(source)}; ${remedy})`);
  }
}

/** Which file it is and why, in one line for people. */
export function formatSource(source: ConfigFile | undefined): string {
  if (source === undefined) return "configuration: no file\n";
  return `configuration: ${source.file}${source.from === "flag" ? "" : `, ${originOf(source)}`}\n`;
}

/** The same for `collectFacts`. @param root that findConfigFile was given */
export function toSource(found: ConfigFile, root: string): ConfigSource {
  const { file, from } = found;
  // That of --config is no file of the node, wherever that is mounted.
  return from === "flag" ? { file, origin: "", root: "/" } : { file, origin: originOf(found), root };
}

/** How the file was found, in words. */
export function originOf({ from, pid }: ConfigFile): string {
  const origins = {
    flag: "the file of --config",
    running: `the file of the bridge that runs as process ${pid}`,
    launched: "the file of the bridge that the runtime launches",
    usual: "the usual place",
  } as const satisfies Record<ConfigFile["from"], string>;
  return origins[from];
}
