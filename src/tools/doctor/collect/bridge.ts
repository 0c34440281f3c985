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
  /** The path in the node's own names, below `root`. For --config it is the path that the user gave. */
  readonly file: string;
  /**
   * How the tool finds the path. `flag`: --config; `running`: the command line of a running bridge; `launched`: the runtime's
   * plugin configuration directory, for a bridge that the runtime launches; `usual`: `unitsFile`.
   */
  readonly from: "flag" | "running" | "launched" | "usual";
  /** `from` in words for the user; "" for --config. */
  readonly origin: string;
  /** Where this process sees the node's file system; `/` for --config, which names a file of this process's own. */
  readonly root: string;
}

/**
 * Finds the bridge's configuration file: that of --config, else of a running bridge, else of a bridge that the runtime launches,
 * else of the shipped systemd unit. Undefined when there is none.
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
  // The runtime's plugin directories do not depend on its version, so this does not run its --version.
  const peer = await findSocketPeer(files, mergeConfig(flags).socketPath);
  const [runtime] = findRuntimes({ files, processes, peer, askVersion: () => "" });
  const launched = readLaunched(files, runtime?.config.nri).filter(({ bridge }) => bridge);
  const [file] = launched.flatMap(({ configFile }) => configFile ?? []);
  if (file !== undefined) {
    return { file, from: "launched", origin: "the file of the bridge that the runtime launches", root };
  }
  // A launched bridge reads only the file in the runtime's plugin configuration directory, and that file is missing.
  if (launched.some(({ executable }) => executable)) return undefined;
  if (files.stat(unitsFile) === undefined) return undefined;
  return { file: unitsFile, from: "usual", origin: "the file of the systemd unit", root };
}

/** The configuration file of the first running bridge whose command line has --config. */
function ofRunning(files: NodeFiles, processes: readonly Process[]): ConfigFile | undefined {
  for (const { pid, args } of bridgesAmong(processes)) {
    // The file decides which plugins this tool may run as root, so a process in a container must not choose it.
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

/** One line for people: the configuration file, and how the tool found it. */
export function formatConfigFile({ file, origin }: Partial<Pick<ConfigFile, "file" | "origin">> = {}): string {
  return `configuration: ${file ?? "no file"}${origin ? `, ${origin}` : ""}\n`;
}

export interface BridgeFacts extends ParsedConfig, Partial<Pick<ConfigFile, "file" | "from" | "origin">> {
  /** Flags, file and defaults merged; without the file's settings when the file has faults. */
  readonly config: Config;
  readonly faults: readonly ConfigFault[];
  /** Why the file is unsafe: users other than root can change it. `null` when it is safe, or when there is no file. */
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
 * Whether the bridge can write its journal to the state directory. The bridge makes a missing directory, so its nearest existing
 * parent has to be writable then. `fault`: why the bridge does not use the directory, for example because users other than root can
 * put files there.
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
    // refusal: the errno name of why conf.json cannot be opened or read; undefined when it can.
    ...{ path, exists, refusal },
    blank: skipSpace(bytes, 0) === bytes.length,
    permissionFault: exists && refusal === undefined ? configFaultOf(files, path) : null,
  };
  try {
    const list = createConfFile(files.locate(path)).read();
    return { ...about, list, fault: undefined, ignored: ignoredIn(path, bytes) };
  } catch (error) {
    const { line, column, index } = error instanceof BridgeError ? error.fields : {};
    // For an entry that is null, and for no other fault, the parser gives the entry's index and no line.
    const entry = typeof index === "number" ? entriesOf(bytes)[index] : undefined;
    const found = entry === undefined ? path : placeIn(path, bytes, entry);
    const where = typeof line === "number" ? `${path}:${line}:${column}` : found;
    const reason = files.rename(errorText(error));
    const meaning = explainConfFault(reason);
    const text = meaning === undefined ? reason : `${meaning} (containerd 1.6: ${reason})`;
    return { ...about, list: undefined, fault: { where, text }, ignored: [] };
  }
}

/** findPermissionFault for a file of the node. The text has the node's own paths, without the root prefix. */
export function permissionFaultOf(files: NodeFiles, path: string): string | null {
  const fault = findPermissionFault(path, { below: files.below });
  return fault && files.rename(fault);
}

/** findConfigPermissionFault for a file of the node. The text has the node's own paths, without the root prefix. */
function configFaultOf(files: NodeFiles, path: string): string | null {
  const fault = findConfigPermissionFault(path, { below: files.below });
  return fault && files.rename(fault);
}

/** The parts of a conf.json that v0.1 clients ignore: unknown keys, and text after the first JSON value. */
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

/** The byte offset of each entry of `plugins`. The key counts in any letter case, as for v0.1 clients. */
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

/**
 * The keys of the JSON object at the byte offset `start`, with the offsets of each key and of its value. Empty when no object
 * begins there.
 */
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
