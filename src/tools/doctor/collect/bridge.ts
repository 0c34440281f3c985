import { dirname, resolve } from "node:path";
import { BridgeError, errorText, fileFault } from "../../../base/errors.js";
import { readRegularFile } from "../../../base/files.js";
import {
  findConfigPermissionFault,
  findPermissionFault,
  PermissionWalk,
  type WalkOptions,
} from "../../../base/permissions.js";
import { mergeConfig } from "../../../config/merge.js";
import { type ParsedConfig, parseConfigLines } from "../../../config/parse.js";
import type { Config, PartialConfig } from "../../../config/schema.js";
import { NodeFiles } from "../../../host/node-files.js";
import { flagOf } from "../../../host/proc.js";
import type { ConfigFault } from "../../../host/runtime-toml.js";
import { createConfFile } from "../../../plugin/conf-file.js";
import { findExecutableFault } from "../../../plugin/permissions.js";
import { Decoder } from "../../../v01/gojson/decoder.js";
import { byteOf } from "../../../v01/gojson/literals.js";
import { scanFirstValue, skipSpace } from "../../../v01/gojson/scanner.js";
import { positionOf } from "../../../v01/gojson/utf8.js";
import type { ConfigList } from "../../../v01/types.js";
import { adaptersAmong, listProcesses, type ProcessFacts } from "./processes.js";
import { findRuntime, findSocketPeer, readLaunched } from "./runtime.js";

/** The configuration file of the shipped systemd unit. */
export const unitsFile = "/etc/nri-v01-bridge/config.yaml";

/** A configuration file of the bridge, and how it was found. */
export interface ConfigFile {
  /** As the node names it: below `root`, unless it is that of --config. */
  readonly file: string;
  /** --config, the command line of a bridge that runs, a launched bridge's directory, the usual place. */
  readonly from: "flag" | "running" | "launched" | "usual";
  /** The same in words; "" for --config. */
  readonly origin: string;
  /** Where the node's file system is mounted; `/` for --config, wherever that is. */
  readonly root: string;
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
  if (given !== undefined) return { file: given, from: "flag", origin: "", root: "/" };
  const files = new NodeFiles(root);
  const processes = listProcesses(files);
  const found = ofRunning(files, processes) ?? (await ofLaunched(files, processes, flags));
  if (found !== undefined || files.stat(unitsFile) === undefined) return found;
  return { file: unitsFile, from: "usual", origin: "the usual place", root };
}

/** Of the first bridge whose command line names one. */
function ofRunning(files: NodeFiles, processes: readonly ProcessFacts[]): ConfigFile | undefined {
  const bridges = new Set(
    adaptersAmong(processes, process.pid).flatMap(({ pid, name }) => (name === "nri-v01-bridge" ? [pid] : [])),
  );
  for (const { pid, args, uid } of processes) {
    // Whoever may start a process may give it any name, in a container too: theirs must not say what root is to run.
    if (!bridges.has(pid) || !isTrusted(uid) || !sharesRoot(files, pid)) continue;
    const file = flagOf(args, "--config");
    const cwd = files.link(`/proc/${pid}/cwd`);
    if (file !== undefined && (file.startsWith("/") || cwd !== undefined)) {
      const origin = `the file of the bridge that runs as process ${pid}`;
      return { file: resolve(cwd ?? "/", file), from: "running", origin, root: files.root };
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
): Promise<ConfigFile | undefined> {
  const { socketPath, confFile } = mergeConfig(flags);
  const peer = await findSocketPeer(files, socketPath);
  // Where its plugins are does not depend on the version: nothing is started to ask for it.
  const runtime = findRuntime({ files, processes, peer, confFile, askVersion: () => "" });
  const launched = readLaunched(files, runtime?.config.nri);
  const file = launched.find(({ bridge, configFile }) => bridge && configFile !== undefined)?.configFile;
  const origin = "the file of the bridge that the runtime launches";
  return file === undefined ? undefined : { file, from: "launched", origin, root: files.root };
}

/** Which file it is and why, in one line for people. */
export function formatConfigFile({ file, origin }: Partial<Pick<ConfigFile, "file" | "origin">> = {}): string {
  if (file === undefined) return "configuration: no file\n";
  return `configuration: ${file}${origin ? `, ${origin}` : ""}\n`;
}

export interface BridgeFacts extends ParsedConfig, Partial<Pick<ConfigFile, "file" | "from" | "origin">> {
  /** Merged; without the file's settings where that has faults. */
  readonly config: Config;
  readonly faults: readonly ConfigFault[];
  /** Why the file is not to be trusted; `null` when it is, or there is none. */
  readonly permissionFault: string | null;
}

/** The bridge's settings as it would run with them, and what is wrong with its file. */
export function readBridge(flags: PartialConfig, source: ConfigFile | undefined): BridgeFacts {
  const empty = { settings: {}, lineOf: () => undefined, faults: [], permissionFault: null };
  if (source === undefined) return { ...empty, config: mergeConfig(flags) };
  const { root, ...found } = source;
  const { file } = found;
  const none = { ...empty, ...found, config: mergeConfig(flags) };
  const files = new NodeFiles(root);
  const path = root === "/" ? resolve(file) : file;
  let text: string;
  try {
    text = readRegularFile(files.locate(path)).toString("utf8");
  } catch (error) {
    return { ...none, faults: [{ where: file, text: `the configuration cannot be read: ${fileFault(error)}` }] };
  }
  const permissionFault = configFaultOf(files, path);
  try {
    const { settings, lineOf } = parseConfigLines(text, file);
    return { ...none, config: mergeConfig(flags, settings), settings, lineOf, permissionFault };
  } catch (error) {
    return { ...none, permissionFault, faults: errorText(error).split("\n").map(toFault) };
  }
}

function toFault(line: string): ConfigFault {
  const [, where = "", text = line] = /^(.*?:\d+:\d+): (.*)$/s.exec(line) ?? [];
  return { where, text };
}

export interface StateFacts {
  /** Undefined for `state: memory`. */
  readonly directory: string | undefined;
  readonly writable: boolean;
}

/** Whether the bridge can keep its journal. A directory that is not there yet is made, if its parent lets us. */
export function readState(files: NodeFiles, config: Config): StateFacts {
  const directory = config.state === "memory" ? undefined : config.state.directory;
  if (directory === undefined) return { directory, writable: true };
  let existing = directory;
  while (existing !== "/" && files.stat(existing) === undefined) existing = dirname(existing);
  return { directory, writable: files.stat(existing)?.isDirectory() === true && files.isWritable(existing) };
}

export interface ConfFacts {
  readonly path: string;
  readonly exists: boolean;
  /** Undefined when it cannot be read. */
  readonly list: ConfigList | undefined;
  readonly fault: ConfigFault | undefined;
  /** Why it cannot be opened or read, as errno's name. */
  readonly refusal: string | undefined;
  /** It is empty, or white space. */
  readonly blank: boolean;
  /** Keys that v0.1 clients pass over. */
  readonly unknownKeys: readonly ConfigFault[];
  /** Where text begins that stands after the first JSON value, and is passed over. */
  readonly trailing: string | undefined;
  readonly permissionFault: string | null;
}

/** conf.json as the bridge reads it, and what v0.1 clients pass over in silence. */
export function readConf(files: NodeFiles, path: string): ConfFacts {
  const here = files.locate(path);
  const exists = files.mayExist(path);
  const refusal = exists ? files.refusal(path) : undefined;
  const permissionFault = exists && refusal === undefined ? configFaultOf(files, path) : null;
  const bytes = files.readBytes(path) ?? Buffer.from("{}");
  const about = {
    path,
    exists,
    refusal,
    blank: skipSpace(bytes, 0) === bytes.length,
    permissionFault,
  };
  try {
    const list = createConfFile(here).read();
    return { ...about, list, fault: undefined, ...passedOver(bytes, path) };
  } catch (error) {
    const fault = toConfFault(path, bytes, error, files);
    return { ...about, list: undefined, fault, unknownKeys: [], trailing: undefined };
  }
}

/** findPermissionFault for a file of the node, in the node's names. */
export function permissionFaultOf(files: NodeFiles, path: string): string | null {
  return inNodesNames(files, findPermissionFault(path, walked(files)));
}

/** The same for a configuration file. */
function configFaultOf(files: NodeFiles, path: string): string | null {
  return inNodesNames(files, findConfigPermissionFault(path, walked(files)));
}

/** The same for an executable, and what its first line leads to. */
export function executableFaultOf(files: NodeFiles, path: string, searchPath: string): string | null {
  return inNodesNames(files, findExecutableFault(path, searchPath, new PermissionWalk(walked(files))));
}

function walked({ root }: NodeFiles): WalkOptions {
  return { below: root === "/" ? "" : root };
}

function inNodesNames(files: NodeFiles, fault: string | null): string | null {
  return fault === null ? null : files.rename(fault);
}

function toConfFault(path: string, bytes: Uint8Array, error: unknown, files: NodeFiles): ConfigFault {
  const { line, column, index } = error instanceof BridgeError ? error.fields : {};
  const text = files.rename(errorText(error));
  if (typeof line === "number" && typeof column === "number") return { where: `${path}:${line}:${column}`, text };
  // Only an entry that is null has an index and no place.
  const entry = typeof index === "number" ? entriesOf(bytes)[index] : undefined;
  return { where: entry === undefined ? path : placeIn(path, bytes, entry), text };
}

/** What is written there and containerd 1.6 never looked at. */
function passedOver(bytes: Uint8Array, path: string): Pick<ConfFacts, "unknownKeys" | "trailing"> {
  const value = scanFirstValue(bytes);
  if (!value.ok) return { unknownKeys: [], trailing: undefined };
  const after = skipSpace(bytes, value.end);
  const unknownIn = (start: number, known: readonly string[], prefix: string): readonly ConfigFault[] =>
    keysOf(bytes, start)
      .filter(({ text }) => !known.includes(text.toLowerCase()))
      .map((key) => ({ text: `${prefix}${key.text}`, where: placeIn(path, bytes, key.start) }));
  const unknownInEntries = entriesOf(bytes).map((start, at) => unknownIn(start, ["type", "conf"], `plugins[${at}].`));
  return {
    unknownKeys: [...unknownIn(value.start, ["version", "plugins"], ""), ...unknownInEntries.flat()],
    trailing: after < bytes.length ? placeIn(path, bytes, after) : undefined,
  };
}

/** Where the entries of `plugins` begin, whatever its letter case. */
function entriesOf(bytes: Uint8Array): readonly number[] {
  const root = scanFirstValue(bytes);
  const entries: number[] = [];
  for (const { text, value } of root.ok ? keysOf(bytes, root.start) : []) {
    const decoder = new Decoder(bytes, value);
    if (text.toLowerCase() !== "plugins" || decoder.peek() !== "array") continue;
    decoder.readArray(() => entries.push(decoder.readExtent().start));
  }
  return entries;
}

/** The keys of the object that begins at an offset, and where they and their values do; none when it is no object. */
function keysOf(bytes: Uint8Array, start: number) {
  const keys: { readonly text: string; readonly start: number; readonly value: number }[] = [];
  const decoder = new Decoder(bytes, start);
  if (decoder.peek() !== "object") return keys;
  let from = decoder.offset + 1;
  decoder.readObject((text) => {
    const at = skipSpace(bytes, from);
    const begin = bytes[at] === byteOf.comma ? skipSpace(bytes, at + 1) : at;
    keys.push({ text, start: begin, value: decoder.readExtent().start });
    from = decoder.offset;
  });
  return keys;
}

function placeIn(path: string, bytes: Uint8Array, offset: number): string {
  const { line, column } = positionOf(bytes, offset);
  return `${path}:${line}:${column}`;
}
