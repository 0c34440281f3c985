import { dirname, resolve } from "node:path";
import { BridgeError, errorText, fileFault } from "../../../base/errors.js";
import { readRegularFile } from "../../../base/files.js";
import { findConfigPermissionFault, findPermissionFault, PermissionWalk } from "../../../base/permissions.js";
import { mergeConfig } from "../../../config/merge.js";
import { type ParsedConfig, parseConfigLines } from "../../../config/parse.js";
import type { Config, PartialConfig } from "../../../config/schema.js";
import { NodeFiles } from "../../../host/node-files.js";
import { flagOf, listProcesses, type Process, readLink } from "../../../host/proc.js";
import type { ConfigFault } from "../../../host/runtime-toml.js";
import { createConfFile } from "../../../plugin/conf-file.js";
import { explainConfFault } from "../../../v01/config-list.js";
import { Decoder } from "../../../v01/gojson/decoder.js";
import { byteOf } from "../../../v01/gojson/literals.js";
import { scanFirstValue, skipSpace } from "../../../v01/gojson/scanner.js";
import { positionOf } from "../../../v01/gojson/utf8.js";
import { bridgesAmong } from "./process.js";
import { findRuntimes, findSocketPeer, readLaunched } from "./runtime.js";

/** The configuration file of the shipped systemd unit. */
export const unitsFile = "/etc/nri-v01-bridge/config.yaml";

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
 * Finds the configuration file: that of --config, of a bridge that runs, of a launched bridge, or of the shipped unit.
 * @param given the value of --config; `/dev/null` is a file without settings
 */
export async function findConfigFile(
  given: string | undefined,
  flags: PartialConfig = {},
  files = new NodeFiles("/"),
  processes = listProcesses(files.locate("/proc")),
): Promise<ConfigFile | undefined> {
  const { root } = files;
  if (given !== undefined) return { file: given, from: "flag", origin: "", root: "/" };
  const running = ofRunning(files, processes);
  if (running !== undefined) return running;
  // Where its plugins are does not depend on the version: nothing is started to ask for it.
  const peer = await findSocketPeer(files, mergeConfig(flags).socketPath);
  const [runtime] = findRuntimes({ files, processes, peer, askVersion: () => "" });
  const launched = readLaunched(files, runtime?.config.nri).filter(({ bridge }) => bridge);
  const [file] = launched.flatMap(({ configFile }) => configFile ?? []);
  if (file !== undefined) {
    return { file, from: "launched", origin: "the file of the bridge that the runtime launches", root };
  }
  // It reads what the runtime has for it, and that is nothing.
  if (launched.some(({ executable }) => executable)) return undefined;
  if (files.stat(unitsFile) === undefined) return undefined;
  return { file: unitsFile, from: "usual", origin: "the usual place", root };
}

/** Of the first bridge whose command line names one. */
function ofRunning(files: NodeFiles, processes: readonly Process[]): ConfigFile | undefined {
  for (const { pid, args } of bridgesAmong(processes)) {
    // A container's must not say what root is to run.
    if (files.sharesRoot(pid) === false) continue;
    const file = flagOf(args, "--config");
    const cwd = readLink(`${files.locate("/proc")}/${pid}/cwd`);
    if (file !== undefined && (file.startsWith("/") || cwd !== undefined)) {
      const origin = `the file of the bridge that runs as process ${pid}`;
      return { file: resolve(cwd ?? "/", file), from: "running", origin, root: files.root };
    }
  }
  return undefined;
}

/** Which file it is and why, in one line for people. */
export function formatConfigFile({ file, origin }: Partial<Pick<ConfigFile, "file" | "origin">> = {}): string {
  return `configuration: ${file ?? "no file"}${origin ? `, ${origin}` : ""}\n`;
}

export interface BridgeFacts extends ParsedConfig, Partial<Pick<ConfigFile, "file" | "from" | "origin">> {
  /** Merged; without the file's settings where that has faults. */
  readonly config: Config;
  readonly faults: readonly ConfigFault[];
  /** Why the file is not to be trusted; `null` when it is, or there is none. */
  readonly permissionFault: string | null;
}

export function readBridge(flags: PartialConfig, source: ConfigFile | undefined): BridgeFacts {
  const none = { settings: {}, lineOf: () => undefined, faults: [], permissionFault: null, config: mergeConfig(flags) };
  if (source === undefined) return none;
  const { root, ...found } = source;
  const { file } = found;
  const files = new NodeFiles(root);
  const path = root === "/" ? resolve(file) : file;
  let permissionFault: string | null = null;
  try {
    const text = readRegularFile(files.locate(path)).toString("utf8");
    permissionFault = configFaultOf(files, path);
    const parsed = parseConfigLines(text, file);
    return { ...none, ...found, ...parsed, config: mergeConfig(flags, parsed.settings), permissionFault };
  } catch (error) {
    const texts =
      error instanceof BridgeError
        ? error.message.split("\n")
        : [`the configuration cannot be read: ${fileFault(error)}`];
    const faults = texts.map((line) => {
      const [, where = file, text = line] = /^(.*?:\d+:\d+): (.*)$/s.exec(line) ?? [];
      return { where, text };
    });
    return { ...none, ...found, permissionFault, faults };
  }
}

/**
 * Whether the bridge can keep its journal. A directory that is not there yet is made, if its parent lets us. `fault`: why it is not
 * used, as where others than root can put files there.
 */
export function readState(files: NodeFiles, { state }: Config) {
  if (state === "memory") return { directory: undefined, writable: true, fault: null };
  const { directory } = state;
  let existing = directory;
  while (existing !== "/" && files.stat(existing) === undefined) existing = dirname(existing);
  const writable = files.stat(existing)?.isDirectory() === true && files.isWritable(existing);
  const remedy = "root must own it, and no other user may have write permission";
  const fault = new PermissionWalk({ remedy, below: files.below }).directoryFault(directory);
  return { directory, writable, fault: writable ? fault && files.rename(fault) : `${directory} cannot be written` };
}

export function readConf(files: NodeFiles, path: string) {
  const exists = files.mayExist(path);
  const refusal = exists ? files.refusal(path) : undefined;
  const bytes = files.readBytes(path) ?? Buffer.from("{}");
  const about = {
    // refusal: why it cannot be opened or read, as errno's name.
    ...{ path, exists, refusal },
    blank: skipSpace(bytes, 0) === bytes.length,
    permissionFault: exists && refusal === undefined ? configFaultOf(files, path) : null,
  };
  try {
    const list = createConfFile(files.locate(path)).read();
    return { ...about, list, fault: undefined, ignored: ignoredIn(path, bytes) };
  } catch (error) {
    const { line, column, index } = error instanceof BridgeError ? error.fields : {};
    // Only an entry that is null has an index and no place.
    const entry = typeof index === "number" ? entriesOf(bytes)[index] : undefined;
    const found = entry === undefined ? path : placeIn(path, bytes, entry);
    const where = typeof line === "number" ? `${path}:${line}:${column}` : found;
    const reason = files.rename(errorText(error));
    const meaning = explainConfFault(reason);
    const text = meaning === undefined ? reason : `${meaning} (containerd 1.6: ${reason})`;
    return { ...about, list: undefined, fault: { where, text }, ignored: [] };
  }
}

/** findPermissionFault for a file of the node, in the node's names. */
export function permissionFaultOf(files: NodeFiles, path: string): string | null {
  const fault = findPermissionFault(path, { below: files.below });
  return fault && files.rename(fault);
}

/** The same for a configuration file. */
function configFaultOf(files: NodeFiles, path: string): string | null {
  const fault = findConfigPermissionFault(path, { below: files.below });
  return fault && files.rename(fault);
}

/** Parts that v0.1 clients pass over: unknown keys, and text after the first JSON value. */
function ignoredIn(path: string, bytes: Uint8Array) {
  const value = scanFirstValue(bytes);
  if (!value.ok) return [];
  const unknownIn = (start: number, known: readonly string[], prefix: string) =>
    keysOf(bytes, start)
      .filter(({ text }) => !known.includes(text.toLowerCase()))
      .map(({ text, start }) => {
        return { text: `a key "${prefix}${text}"`, where: placeIn(path, bytes, start), key: text, known };
      });
  const after = skipSpace(bytes, value.end);
  const trailing = { text: "text after its first JSON value", where: placeIn(path, bytes, after), key: "", known: [] };
  return [
    ...unknownIn(value.start, ["version", "plugins"], ""),
    ...entriesOf(bytes).flatMap((start, at) => unknownIn(start, ["type", "conf"], `plugins[${at}].`)),
    ...(after < bytes.length ? [trailing] : []),
  ];
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
