import type { Config } from "../config/schema.js";
import type { Answer } from "../host/proc.js";
import type { Lookup } from "../legacy/lookup.js";
import type { ConfigList } from "../v01/types.js";

/** All that the findings are made from: one look at a node. Paths are the node's own, without the root prefix. */
export interface Facts {
  /** Where the node's file system is seen. */
  readonly root: string;
  readonly self: SelfFacts;
  /** The runtime that NRI is wanted of: the one that listens on the socket, else one that runs, else one on the disk. */
  readonly runtime: RuntimeFacts | undefined;
  readonly socket: SocketFacts;
  readonly cgroup: CgroupFacts;
  /** Undefined where no plugin needs it. */
  readonly capture: CaptureFacts | undefined;
  readonly bridge: BridgeFacts;
  readonly conf: ConfFacts;
  readonly plugins: readonly PluginFacts[];
  /** Executables in the plugin directories that conf.json does not name. */
  readonly unlisted: readonly { readonly path: string; readonly speaksNri2: boolean }[];
  readonly launched: readonly LaunchedFacts[];
  /** Other NRI v2 processes that run v0.1 plugins: bridges and Go adapters. */
  readonly adapters: readonly { readonly pid: number; readonly name: string }[];
  readonly state: StateFacts;
}

/** We ourselves. */
export interface SelfFacts {
  readonly nodeVersion: string;
  /** As Node names it: x64, arm64. */
  readonly arch: string;
  readonly uid: number;
}

/** Whether plugins can be given a cgroup view of their own here, which takes a mount namespace. */
export type CaptureFacts =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly remedy: string };

export interface RuntimeFacts {
  readonly name: "containerd" | "cri-o";
  /** Of the running process, else of the file; "" when it cannot be told. */
  readonly version: string;
  /** Of the file on the disk, which an upgrade may have replaced; "" when it cannot be told. */
  readonly diskVersion: string;
  readonly path: string;
  readonly pid: number | undefined;
  /** The PATH that it was started with, which containerd 1.6 looked plugins up on; undefined when not known. */
  readonly searchPath: string | undefined;
  /** Whether a containerd 1.7 was started with ENABLE_CRI_SANDBOXES; undefined when that cannot be told. */
  readonly sandboxedCri: boolean | undefined;
  /** Whether it reads the conf.json that the bridge reads. */
  readonly sharesConfFile: Answer;
  readonly config: RuntimeConfig;
}

/** A runtime's own configuration, as far as NRI goes. */
export interface RuntimeConfig {
  /** The main file, whether it is there or not. */
  readonly path: string;
  readonly exists: boolean;
  /** What could be read of it, in the order that it counts in. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly faults: readonly ConfigFault[];
  /** Files that are kept from us: what they say is not known. */
  readonly unreadable: readonly ConfigFault[];
  /** Its `version`; undefined where it has none, or CRI-O's, which knows none. */
  readonly version: number | undefined;
  /** Its plugin sections, with the keys that they set and where they stand. */
  readonly sections: readonly { readonly name: string; readonly keys: readonly string[]; readonly where: string }[];
  /** What NRI's section is called there. */
  readonly nriSection: string;
  readonly disabledPlugins: readonly { readonly name: string; readonly file: string }[];
  readonly nri: NriSettings;
}

export interface ConfigFault {
  readonly where: string;
  readonly text: string;
}

/** The runtime's effective NRI settings. */
export interface NriSettings {
  readonly enabled: boolean;
  /** Where the switch stands; undefined when it is the default. */
  readonly switchedAt: string | undefined;
  /** Whether plugins may connect from outside. */
  readonly connections: boolean;
  readonly connectionsAt: string | undefined;
  readonly socketPath: string;
  readonly pluginPath: string;
  readonly pluginConfigPath: string;
  readonly requestTimeoutMs: number;
  readonly requestTimeoutAt: string | undefined;
}

export interface SocketFacts {
  readonly path: string;
  readonly kind: "missing" | "socket" | "other";
  readonly writable: boolean;
  /** Whether some process listens on a socket of this name; undefined when that cannot be seen. */
  readonly listening: boolean | undefined;
  /** The file itself is a mount point: a bind mount, which a restart of the runtime leaves behind. */
  readonly mounted: boolean;
  /** Device and inode, of the file and of the runtime's own socket; undefined when it cannot be seen. */
  readonly identity: string | undefined;
  readonly runtimeIdentity: string | undefined;
}

export interface CgroupFacts {
  /** `hybrid`: some controllers in v1, and a v2 tree beside them. */
  readonly version: "v1" | "hybrid" | "v2" | "unknown";
}

export interface BridgeFacts {
  /** Merged; the defaults where the file has faults. */
  readonly config: Config;
  /** The file of --config, or the one of the node's bridge; undefined when there is none. */
  readonly file: string | undefined;
  /** How it was found, in words; "" for that of --config. */
  readonly origin: string;
  /** What it says; "" where there is none, undefined when it cannot be read. */
  readonly text: string | undefined;
  /** The file to write where there is none: the one that the bridge of this node would read. */
  readonly newFile: string;
  readonly faults: readonly ConfigFault[];
  /** Why the file is not to be trusted; `null` when it is, or there is none. */
  readonly permissionFault: string | null;
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

export interface PluginFacts {
  readonly index: number;
  readonly type: string;
  readonly phase: "start" | "create";
  /** What `auto` comes to in this phase. */
  readonly cgroup: "host" | "capture";
  readonly cgroupAuto: boolean;
  readonly createFails: boolean;
  readonly takesCreate: boolean;
  readonly timeoutMs: number | null;
  readonly async: boolean;
  readonly lookup: Lookup;
  /** What containerd 1.6 would have run: PATH first. */
  readonly pathFirst: string | undefined;
  readonly permissionFault: string | null;
  readonly binary: BinaryFacts | undefined;
  /** Where it is not found: what stands in its place, a directory or a link that leads nowhere. */
  readonly obstacle:
    | { readonly path: string; readonly kind: "directory" }
    | { readonly path: string; readonly kind: "link"; readonly target: string }
    | undefined;
  /** An executable with nearly its name, as it would stand in conf.json. */
  readonly nearest: string | undefined;
}

/** What a look into an executable tells. */
export interface BinaryFacts {
  readonly format: "elf" | "script" | "none";
  /** ELF: e_machine, and whether the kernel of this machine runs it. */
  readonly machine: number | undefined;
  readonly ownMachine: boolean;
  /** A script's interpreter, or an ELF's dynamic loader; undefined when it needs none. */
  readonly interpreter: string | undefined;
  readonly interpreterFound: boolean;
  /** What env(1) is to find on PATH, where a script's interpreter is env; undefined when there is nothing of the kind. */
  readonly program: string | undefined;
  readonly programFound: boolean;
  /** The script's first line ends with a carriage return, which the kernel takes for a part of it. */
  readonly carriageReturn: boolean;
  /** Names of cgroup v1's files that stand in it, and of v2's. */
  readonly v1Names: readonly string[];
  readonly v2Names: readonly string[];
  /** Its file system is mounted noexec. */
  readonly noexec: boolean;
  /** It speaks NRI v2: a plugin of the runtime's, and none of v0.1. */
  readonly speaksNri2: boolean;
}

/** A file in the directory of plugins that the runtime launches. */
export interface LaunchedFacts {
  readonly path: string;
  readonly index: string | undefined;
  readonly name: string | undefined;
  readonly executable: boolean;
  /** It starts a bridge. */
  readonly bridge: boolean;
  /** It starts the Go adapter for v0.1 plugins. */
  readonly adapter: boolean;
  /** Programs that it starts and that are not there, with only the system's default PATH. */
  readonly missingPrograms: readonly string[];
  readonly configFile: string | undefined;
}

export interface StateFacts {
  /** Undefined for `state: memory`. */
  readonly directory: string | undefined;
  readonly writable: boolean;
  readonly freeBytes: number | undefined;
}
