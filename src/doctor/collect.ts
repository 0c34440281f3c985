import { join, resolve } from "node:path";
import { checkPrivilege } from "../cgroup/privilege.js";
import type { PartialConfig } from "../config/schema.js";
import { findConfigPermissionFault } from "../legacy/permissions.js";
import { type ConfigSource, readBridge } from "./collect/bridge.js";
import { readConf } from "./collect/conf.js";
import { readContainerdConfig } from "./collect/containerd-config.js";
import { readLaunched } from "./collect/launched.js";
import { cgroupVersionOf, readMounts } from "./collect/mounts.js";
import { readPlugins, unlistedPlugins } from "./collect/plugins.js";
import { listProcesses } from "./collect/processes.js";
import { type AskVersion, findRuntime } from "./collect/runtime.js";
import { adaptersAmong, askVersion, readSelf } from "./collect/self.js";
import { findSocketPeer, readSocket } from "./collect/socket.js";
import { readState } from "./collect/state.js";
import type { CaptureFacts, Facts, SelfFacts } from "./facts.js";
import { NodeFiles } from "./node-files.js";
import { findFaultBelow } from "./permissions.js";

export interface CollectOptions {
  /** Where the node's file system is seen: `/`, or where it is mounted. */
  readonly root: string;
  readonly flags: PartialConfig;
  /** The bridge's configuration: the file of --config, on this machine, or one that was found on the node. */
  readonly configFile: string | FoundConfig | undefined;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  readonly self?: SelfFacts;
  readonly askVersion?: AskVersion;
  readonly checkCapture?: () => Promise<CaptureFacts>;
}

/** A configuration file that nobody named. */
export interface FoundConfig {
  /** As the node names it. */
  readonly file: string;
  /** How it was found, in words. */
  readonly origin: string;
}

/** Looks at a node, and changes nothing on it. What cannot be looked at is left unknown. */
export async function collectFacts(options: CollectOptions): Promise<Facts> {
  const files = new NodeFiles(options.root);
  const self = options.self ?? readSelf();
  const processes = listProcesses(files);
  const mounts = readMounts(files);
  const given = readGiven(options.configFile, files);

  // A launched bridge has its configuration from the runtime's directory, which the runtime's configuration names.
  const provisional = readBridge(options.flags, given).config;
  const peer = await findSocketPeer(files, provisional.socketPath);
  const search = {
    files,
    processes,
    peer,
    confFile: provisional.confFile,
    askVersion: options.askVersion ?? askVersion,
  };
  const runtime = findRuntime(search);
  const nri = (runtime?.config ?? readContainerdConfig(files, "/etc/containerd/config.toml", undefined)).nri;
  const launched = readLaunched(files, nri);
  const ours = launched.find((file) => file.bridge);
  const source =
    given ??
    (ours?.configFile === undefined
      ? undefined
      : readSourceOf(files, { file: ours.configFile, origin: "the file of the bridge that the runtime launches" }));
  const newFile = ours === undefined ? undefined : join(nri.pluginConfigPath, `${baseName(ours.path)}.conf`);
  const bridge = readBridge(options.flags, source, newFile);

  const { config } = bridge;
  const conf = readConf(files, config.confFile);
  const list = conf.list ?? { version: "", plugins: [] };
  const { path } = options;
  const plugins = readPlugins(list, { files, config, mounts, arch: self.arch, path, runtimePath: runtime?.searchPath });
  // Of one that would need it, too: a view that cannot be made is no advice.
  const captures = plugins.some(({ cgroup, binary }) => cgroup === "capture" || (binary?.v1Names.length ?? 0) > 0);
  return {
    root: options.root,
    self,
    runtime: config.confFile === search.confFile ? runtime : findRuntime({ ...search, confFile: config.confFile }),
    socket: readSocket(files, config.socketPath, mounts, runtime),
    cgroup: cgroupVersionOf(mounts),
    // A trial: a mount namespace is made and left at once.
    capture: captures ? await (options.checkCapture ?? checkPrivilege)() : undefined,
    bridge,
    conf,
    plugins,
    unlisted: conf.list === undefined ? [] : unlistedPlugins(conf.list, files, config),
    launched,
    adapters: adaptersAmong(processes, process.pid),
    state: readState(files, config),
  };
}

function readGiven(given: CollectOptions["configFile"], files: NodeFiles): ConfigSource | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "string") return readSourceOf(files, given);
  const here = new NodeFiles("/");
  return { ...readSource(here, resolve(given)), file: given, origin: "" };
}

function readSource(files: NodeFiles, path: string): Pick<ConfigSource, "text" | "refusal" | "permissionFault"> {
  const text = files.readText(path);
  if (text === undefined) return { text, refusal: files.refusal(path), permissionFault: null };
  const permissionFault = files.root === "/" ? findConfigPermissionFault(path) : findFaultBelow(files, path);
  return { text, refusal: undefined, permissionFault };
}

/** The same of a file of the node. */
function readSourceOf(files: NodeFiles, { file, origin }: FoundConfig): ConfigSource {
  return { ...readSource(files, file), file, origin };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
