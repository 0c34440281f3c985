import { type NativeFacts, v01ClientText } from "../../bridge/sandboxes.js";
import { checkPrivilege } from "../../cgroup/privilege.js";
import type { PartialConfig } from "../../config/schema.js";
import { NodeFiles } from "../../host/node-files.js";
import { programHolds } from "../../host/peer.js";
import { readSandboxers } from "../../host/runtime-toml.js";
import {
  type BridgeFacts,
  type ConfFacts,
  findConfigFile,
  readBridge,
  readConf,
  readState,
  type StateFacts,
} from "./collect/bridge.js";
import { type PluginFacts, readPlugins, type Unlisted, unlistedPlugins } from "./collect/plugins.js";
import { type Adapter, adaptersAmong, cgroupVersionOf, listProcesses, readMounts } from "./collect/processes.js";
import {
  type AskVersion,
  askVersion,
  findRuntime,
  findSocketPeer,
  type LaunchedFacts,
  type RuntimeFacts,
  readLaunched,
  readSocket,
  type SocketFacts,
} from "./collect/runtime.js";

/** All that the findings are made from: one look at a node. Paths are the node's own, without the root prefix. */
export interface Facts {
  /** Where the node's file system is seen. */
  readonly root: string;
  readonly self: SelfFacts;
  /** The runtime that NRI is wanted of: the one that listens on the socket, else one that runs, else one on the disk. */
  readonly runtime: RuntimeFacts | undefined;
  /** Whether the runtime runs v0.1 plugins itself. */
  readonly native: NativeFacts;
  readonly socket: SocketFacts;
  readonly cgroup: CgroupFacts;
  /** Undefined where no plugin needs it. */
  readonly capture: CaptureFacts | undefined;
  readonly bridge: BridgeFacts;
  readonly conf: ConfFacts;
  readonly plugins: readonly PluginFacts[];
  readonly unlisted: readonly Unlisted[];
  readonly launched: readonly LaunchedFacts[];
  readonly adapters: readonly Adapter[];
  readonly state: StateFacts;
}

/** We ourselves. */
export interface SelfFacts {
  readonly nodeVersion: string;
  /** As Node names it: x64, arm64. */
  readonly arch: string;
  readonly uid: number;
}

export interface CgroupFacts {
  /** `hybrid`: some controllers in v1, and a v2 tree beside them. */
  readonly version: "v1" | "hybrid" | "v2" | "unknown";
}

/** Whether plugins can be given a cgroup view of their own here, which takes a mount namespace. */
export type CaptureFacts =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly remedy: string };

interface CollectOptions {
  /** Where the node's file system is seen: `/`, or where it is mounted. */
  readonly root: string;
  readonly flags: PartialConfig;
  /** The value of --config. */
  readonly given: string | undefined;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  readonly self?: SelfFacts;
  readonly askVersion?: AskVersion;
  readonly checkCapture?: () => Promise<CaptureFacts>;
}

/** Looks at a node, and changes nothing on it. What cannot be looked at is left unknown. */
export async function collectFacts(options: CollectOptions): Promise<Facts> {
  const { root, flags, path, given } = options;
  const { nodeVersion, arch, uid } = options.self ?? {
    nodeVersion: process.versions.node,
    arch: process.arch,
    uid: process.geteuid?.() ?? 0,
  };
  const files = new NodeFiles(root);
  const processes = listProcesses(files);
  const mounts = readMounts(files);
  const bridge = readBridge(flags, await findConfigFile(given, flags, root));
  const { config } = bridge;
  const { socketPath, confFile } = config;
  const peer = await findSocketPeer(files, socketPath);
  const runtime = findRuntime({
    files,
    processes,
    peer,
    confFile,
    askVersion: options.askVersion ?? askVersion,
  });
  const conf = readConf(files, confFile);
  const search = { files, config, mounts, arch, path, runtimePath: runtime?.searchPath };
  const plugins = conf.list === undefined ? [] : readPlugins(conf.list, search);
  // Of one that would need it, too: a view that cannot be made is no advice.
  const captures = plugins.some(({ cgroup, binary }) => cgroup === "capture" || (binary?.v1Names.length ?? 0) > 0);
  return {
    root,
    self: { nodeVersion, arch, uid },
    runtime,
    native: {
      v01Client:
        runtime?.pid === undefined ? "unknown" : await programHolds(runtime.pid, v01ClientText, files.locate("/proc")),
      sandboxedCri: runtime?.sandboxedCri,
      sandboxerOf: readSandboxers(files, runtime?.config.path ?? ""),
    },
    socket: readSocket(files, socketPath, mounts, runtime),
    cgroup: cgroupVersionOf(mounts),
    // A trial: a mount namespace is made and left at once.
    capture: captures ? await (options.checkCapture ?? checkPrivilege)() : undefined,
    bridge,
    conf,
    plugins,
    unlisted: conf.list === undefined ? [] : unlistedPlugins(conf.list, files, config),
    launched: readLaunched(files, runtime?.config.nri),
    adapters: adaptersAmong(processes, process.pid),
    state: readState(files, config),
  };
}
