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

/** All that the findings are made from: one look at a node. Paths are the node's own, without the root prefix. */
export type Facts = Awaited<ReturnType<typeof collectFacts>>;

export interface SelfFacts {
  readonly nodeVersion: string;
  /** As Node names it: x64, arm64. */
  readonly arch: string;
  readonly uid: number;
}

interface CollectOptions {
  /** Where the node's file system is seen: `/`, or where it is mounted. */
  readonly root: string;
  readonly flags: PartialConfig;
  readonly given: string | undefined;
  /** The PATH of the bridge. */
  readonly path: string | undefined;
  readonly self?: SelfFacts;
  readonly askVersion?: AskVersion;
  readonly checkCapture?: () => Promise<Privilege>;
  /** Between two looks at a process that seems to hang. */
  readonly lookEachMs?: number;
}

/** Looks at a node, and changes nothing on it. What cannot be looked at is left unknown. */
export async function collectFacts(options: CollectOptions) {
  const { root, flags, given } = options;
  const { versions, arch, geteuid = () => 0 } = process;
  const self = options.self ?? { nodeVersion: versions.node, arch, uid: geteuid() };
  const files = new NodeFiles(root);
  const procRoot = files.locate("/proc");
  const processes = listProcesses(procRoot);
  // Below another root, the mounts of the node's first process.
  const mountinfo = files.readText("/proc/self/mountinfo") ?? files.readText("/proc/1/mountinfo") ?? "";
  const mounts = parseMountinfo(mountinfo);

  const bridge = readBridge(flags, await findConfigFile(given, flags, files, processes));
  const { config } = bridge;
  const directory = config.state === "memory" ? undefined : config.state.directory;
  const ofBridge = await readProcess(files, processes, directory, options.lookEachMs);
  // Of one that runs what it says, which a flag of its own may have set; a container's path is not the node's.
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
  // Of one that would need it, too: a view that cannot be made is no advice.
  const captures = plugins.some(({ cgroup, binary }) => cgroup === "capture" || (binary?.v1Names.length ?? 0) > 0);
  return {
    root,
    self,
    /** The one that NRI is wanted of, which listens on the socket, else runs, else is on the disk; and others that run beside it. */
    ...{ runtime, others },
    /** Whether `sandboxes: auto` serves the pods of the default runtime handler. */
    sandboxes: await decideFor(runtime, config.confFile, files),
    socket: await readSocket(files, socketPath, mounts, runtime),
    cgroup: cgroupVersionOf(mounts),
    // Undefined where no plugin needs it. A trial: a mount namespace is made and left at once.
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

/** The controllers decide: `name=systemd` alone is no v1. `hybrid`: some in v1, and a v2 tree beside them. */
function cgroupVersionOf(mounts: readonly Mount[]) {
  const controller = /^(cpu|cpuacct|cpuset|memory|blkio|pids|devices)$/;
  const v1 = mounts.some(({ type, superOptions }) => type === "cgroup" && superOptions.some((o) => controller.test(o)));
  const v2 = mounts.some(({ type }) => type === "cgroup2");
  if (v1) return v2 ? "hybrid" : "v1";
  return v2 ? "v2" : "unknown";
}
