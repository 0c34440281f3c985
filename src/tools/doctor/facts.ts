import { decideSandboxes, runsPlugins, v01ClientText } from "../../bridge/sandboxes.js";
import { checkPrivilege, type Privilege } from "../../cgroup/privilege.js";
import type { PartialConfig } from "../../config/schema.js";
import { NodeFiles } from "../../host/node-files.js";
import { programHolds, sharesConfFile } from "../../host/peer.js";
import { listProcesses, type Mount, parseMountinfo } from "../../host/proc.js";
import { readSandboxers } from "../../host/runtime-toml.js";
import { findConfigFile, readBridge, readConf, readState } from "./collect/bridge.js";
import { readPlugins, unlistedPlugins } from "./collect/plugins.js";
import { adaptersAmong, readProcess } from "./collect/process.js";
import {
  type AskVersion,
  askVersion,
  findRuntimes,
  findSocketPeer,
  type RuntimeFacts,
  readLaunched,
  readSocket,
} from "./collect/runtime.js";

/**
 * What doctor knows about a node after one look. All findings follow from these facts. Paths are the node's own, without the root
 * prefix.
 */
export type Facts = Awaited<ReturnType<typeof collectFacts>>;

export interface SelfFacts {
  readonly nodeVersion: string;
  /** The machine's architecture as Node names it: x64, arm64. */
  readonly arch: string;
  readonly uid: number;
}

interface CollectOptions {
  /** Where this process sees the node's file system: `/`, or the directory where it is mounted. */
  readonly root: string;
  readonly flags: PartialConfig;
  readonly given: string | undefined;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  readonly self?: SelfFacts;
  readonly askVersion?: AskVersion;
  readonly checkCapture?: () => Promise<Privilege>;
  /** Milliseconds between two looks at a bridge's process or status file. */
  readonly lookEachMs?: number;
}

/** Collects the facts about a node, and changes nothing on it. A fact that cannot be seen stays unknown. */
export async function collectFacts(options: CollectOptions) {
  const { root, flags, given } = options;
  const { versions, arch, geteuid = () => 0 } = process;
  const self = options.self ?? { nodeVersion: versions.node, arch, uid: geteuid() };
  const files = new NodeFiles(root);
  const procRoot = files.locate("/proc");
  const processes = listProcesses(procRoot);
  // The mounts of this process; when the node's /proc does not show this process, those of the node's first process.
  const mountinfo = files.readText("/proc/self/mountinfo") ?? files.readText("/proc/1/mountinfo") ?? "";
  const mounts = parseMountinfo(mountinfo);

  const bridge = readBridge(flags, await findConfigFile(given, flags, files, processes));
  const { config } = bridge;
  const directory = config.state === "memory" ? undefined : config.state.directory;
  const ofBridge = await readProcess(files, processes, directory, options.lookEachMs);
  // A running bridge names in its status file the socket that it connects to, which its own flags may have set. The path that a
  // bridge in a container names is not a path of the node.
  const isOfNode = ofBridge.pid !== undefined && files.sharesRoot(ofBridge.pid) !== false;
  const connectsTo = isOfNode ? ofBridge.status?.socket : undefined;
  const socketPath = flags.socketPath ?? connectsTo ?? config.socketPath;
  const peer = await findSocketPeer(files, socketPath);
  const search = { files, processes, peer, askVersion: options.askVersion ?? askVersion };
  const [runtime, ...others] = findRuntimes(search);
  const conf = readConf(files, config.confFile);
  const runtimePath = runtime?.environment?.get("PATH");
  const lookup = { files, config, arch: self.arch, path: options.path, runtimePath };
  const plugins = conf.list === undefined ? [] : readPlugins(conf.list, lookup);
  // A plugin with cgroup v1 names in its file counts too: doctor would advise a captured view for it, and must not where none can
  // be made.
  const captures = plugins.some(({ cgroup, binary }) => cgroup === "capture" || (binary?.v1Names.length ?? 0) > 0);
  return {
    root,
    self,
    /** The runtime that the bridge connects to, as findRuntimes chooses it. `others`: the other runtimes that run on the node. */
    ...{ runtime, others },
    /** Whether a bridge with `sandboxes: auto` serves the pods of the default runtime handler. */
    sandboxes: await decideFor(runtime, config.confFile, files),
    socket: await readSocket(files, socketPath, mounts, runtime),
    cgroup: cgroupVersionOf(mounts),
    // Whether the bridge can make captured cgroup views; undefined when no plugin needs one. The trial makes a mount namespace and
    // leaves it at once.
    capture: captures ? await (options.checkCapture ?? checkPrivilege)() : undefined,
    bridge,
    process: ofBridge,
    conf,
    plugins,
    unlisted: conf.list === undefined ? [] : unlistedPlugins(conf.list, files, config),
    launched: readLaunched(files, runtime?.config.nri),
    adapters: adaptersAmong(processes),
    state: readState(files, config),
  };
}

async function decideFor(runtime: RuntimeFacts | undefined, confFile: string, files: NodeFiles) {
  const procRoot = files.locate("/proc");
  const pid = runtime?.pid;
  const native =
    runtime === undefined
      ? "no"
      : runsPlugins(
          runtime,
          {
            v01Client: pid === undefined ? "unknown" : await programHolds(pid, v01ClientText, procRoot),
            sandboxedCri: runtime.environment && Boolean(runtime.environment.get("ENABLE_CRI_SANDBOXES")),
            sandboxerOf: readSandboxers(runtime.config),
          },
          "",
        );
  const shares = sharesConfFile(pid, files.locate(confFile), procRoot);
  const decision = decideSandboxes("auto", native, () => shares);
  return { ...decision, reason: files.rename(decision.reason) };
}

/**
 * The cgroup version of a node with these mounts. Only a v1 hierarchy with a controller counts as v1, `name=systemd` alone does
 * not. `hybrid`: v1 hierarchies with controllers, and a v2 tree.
 */
function cgroupVersionOf(mounts: readonly Mount[]) {
  const controller = /^(cpu|cpuacct|cpuset|memory|blkio|pids|devices)$/;
  const v1 = mounts.some(({ type, superOptions }) => type === "cgroup" && superOptions.some((o) => controller.test(o)));
  const v2 = mounts.some(({ type }) => type === "cgroup2");
  if (v1) return v2 ? "hybrid" : "v1";
  return v2 ? "v2" : "unknown";
}
