import { closeSync, constants, existsSync, futimesSync, lstatSync, openSync, symlinkSync } from "node:fs";
import { Socket } from "node:net";
import { Deadline, within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import {
  ownDirectory,
  ruleFiles,
  seededPatterns,
  type TreeFile,
  templateOf,
  treeDirectories,
  untouchedTime,
} from "./tree.js";
import { cgroupRoot, hierarchies } from "./v1-files.js";

/** After a run takes a view, the bridge waits this long before it makes new views, so that the run comes first. */
const fillAfterMs = 50;
const maxCount = 4;

/**
 * A reserve of captured cgroup views (view.ts) that the bridge makes before a plugin needs one. When a plugin's run finds none
 * left, the bridge keeps one more in reserve from then on, up to maxCount.
 */
export class Reserves {
  private readonly waiting: Promise<Keeper | undefined>[] = [];
  private readonly ending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private count = 1;

  constructor(private readonly files: readonly TreeFile[]) {}

  /** Starts keepers until the reserve is full, and waits for them. Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) {
      // A keeper that cannot start becomes undefined, which take() passes over.
      this.waiting.push(startKeeper(this.files).catch(() => undefined));
    }
    await Promise.all(this.waiting);
  }

  /**
   * Takes an empty view from the reserve, or makes one.
   * @throws BridgeError CGROUP_VIEW when the reserve is closed, or has no view and none can be made
   */
  async take(): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "the bridge is stopping, and makes no captured cgroup views");
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.fill();
    }, fillAfterMs).unref();
    if (this.waiting.length === 0 && this.count < maxCount) this.count++;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      const keeper = await next;
      if (keeper?.isAlive()) return keeper;
      if (keeper !== undefined) this.leave(keeper);
    }
    return await startKeeper(this.files);
  }

  leave(keeper: Keeper): void {
    const end: Promise<void> = keeper.close().finally(() => this.ending.delete(end));
    this.ending.add(end);
  }

  /** Ends the keepers in reserve. Settles when these, and the keepers that leave() has got, have ended. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const keeper of await Promise.all(this.waiting.splice(0))) if (keeper !== undefined) this.leave(keeper);
    await Promise.all(this.ending);
  }
}

/** The mount options of a view's tmpfs: more bytes and inodes than the tree and a plugin's proper writes need. */
const tmpfsOptions = `size=${4 << 20},nr_inodes=2048,mode=755,nosuid,nodev,noexec`;

/**
 * The keeper's shell script: mounts the tmpfs, writes the tree and waits for the end of its stdin. Positional parameters: a name
 * and a content for each file. Without parameters the script only tries what a view needs: bind mounts over /proc and nsenter. The
 * kernel removes the mounts with the last process of their namespace.
 */
const keeperScript = [
  "umask 022",
  `mount -n -t tmpfs -o ${tmpfsOptions} tmpfs ${cgroupRoot} && cd ${cgroupRoot} || exit 1`,
  `mkdir -p ${treeDirectories} && mkfifo ${ruleFiles.join(" ")} || exit 1`,
  `if [ $# -eq 0 ]; then : >${ownDirectory}/trial && mount -n --bind ${ownDirectory}/trial /proc/$$/mountinfo || exit 1`,
  "(exec -a view nsenter --mount=/proc/self/ns/mnt true) || exit 1; fi",
  'while [ $# -gt 1 ]; do printf %s "$2" >"$1" || exit 1; shift 2; done',
  `touch -d @${untouchedTime} ${seededPatterns} || exit 1`,
  "echo ready",
  "read -r _",
].join("\n");

/**
 * The directories of the system's own programs, in which the bridge looks for its tools: never the PATH of plugins, which leads to
 * programs that plugins install.
 */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function findTool(name: string, path = systemPath): string | undefined {
  const files = path.split(":").map((directory) => `${directory}/${name}`);
  return files.find(existsSync);
}

/**
 * A shell that can set argv[0] of the program that it becomes by exec. The options keep bash from reading start-up files, and
 * functions from its environment.
 */
export function namingShell(): readonly [path: string, ...args: string[]] {
  const bash = findTool("bash");
  return bash === undefined ? ["/bin/sh"] : [bash, "--norc", "-p"];
}

/** Descriptors by which the bridge fills and reads a view, so that no link that a plugin makes leads the bridge elsewhere. */
interface Tree {
  /** The view's cgroupRoot. By this descriptor the bridge can read the tree even after every process of the view has ended. */
  readonly root: number;
  /** The container's directory in each hierarchy. The descriptor follows the directory when the bridge moves it. */
  readonly directories: ReadonlyMap<string, number>;
  /** Files, and FIFOs, in which the bridge is the reader that a write waits for; keyed by the path that the keeper made. */
  readonly files: ReadonlyMap<string, number>;
  /** The inode number of the newest file that the bridge made. tmpfs counts up: a file that a plugin makes has a higher number. */
  readonly lastInode: number;
}

/** A process that holds a mount namespace with an empty view in it, until the bridge closes the keeper or dies. */
export interface Keeper extends Tree {
  readonly pid: number;
  isAlive(): boolean;
  /** Ends the keeper's process. Background processes of a plugin in the view keep the view as long as they live. */
  close(): Promise<void>;
}

/**
 * Makes a mount namespace with a tree of these files. Without files it only tries whether that is possible.
 * @throws BridgeError CGROUP_VIEW when that fails or takes too long, with what unshare, mount or the shell said
 */
export async function startKeeper(files: readonly TreeFile[], path = systemPath, timeoutMs = 5_000): Promise<Keeper> {
  const contents = files.flatMap(({ path, content }) => [path, content]);
  // Slave propagation: the view sees what the machine mounts later, and does not keep busy what the machine unmounts.
  const inside = ["--mount", "--propagation", "slave", "--", ...namingShell(), "-c", keeperScript, "sh", ...contents];
  const { spawn } = await import("node:child_process");
  const child = spawn(findTool("unshare", path) ?? "unshare", inside, {
    cwd: "/",
    env: { PATH: systemPath, LC_ALL: "C" },
    stdio: ["pipe", "pipe", "pipe"],
    // The keeper is not in the process group of the bridge's terminal: an interrupt must not end the keeper, since the bridge still
    // needs the tree then.
    detached: true,
  });
  let complaint = "";
  child.stdin.on("error", () => {});
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString("utf8")));
  const ready = new Promise<number>((resolve) => child.stdout.once("data", () => resolve(child.pid ?? 0)));
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(errorText(error)));
    child.once("close", (code, signal) => resolve(complaint.trim() || `unshare ended with ${signal ?? code}`));
  });
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  const opened: number[] = [];
  const close = async (): Promise<void> => {
    for (const descriptor of opened.splice(0)) closeSync(descriptor);
    child.ref();
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
    await ended;
  };
  try {
    const late = () => `not ready within ${timeoutMs} ms`;
    const pid = await within<string | number>(Deadline.after(timeoutMs), Promise.race([ready, ended]), late);
    if (typeof pid === "string") throw new Error(pid);
    const named = files.length === 0 ? [] : [...files.map(({ path }) => path), ...ruleFiles];
    const tree = openTree(`/proc/${pid}/root${cgroupRoot}`, named, opened);
    // A view in reserve must not keep the bridge's own process alive.
    child.unref();
    for (const stream of child.stdio) if (stream instanceof Socket) stream.unref();
    return { pid, ...tree, isAlive, close };
  } catch (thrown) {
    // Once the child has ended, its pid may be that of another process.
    if (child.pid !== undefined && isAlive()) process.kill(-child.pid, "SIGKILL");
    await close();
    throw new BridgeError("CGROUP_VIEW", `cannot make a captured cgroup view: ${errorText(thrown)}`);
  }
}

/**
 * Opens the directories and files of a new view, and makes the links beside the hierarchies: the keeper's shell would start a
 * program for each link. @param opened receives every open descriptor
 */
function openTree(path: string, names: readonly string[], opened: number[]): Tree {
  const open = (name: string, flags: number): number => {
    const descriptor = openSync(name, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    opened.push(descriptor);
    return descriptor;
  };
  const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY;
  const root = open(path, directoryFlags);
  const tree = `/proc/self/fd/${root}`;
  for (const { directory, links } of hierarchies) {
    for (const link of links) symlinkSync(directory, `${tree}/${link}`);
  }
  const directories = hierarchies.map(({ directory }): [string, number] => {
    const descriptor = open(`${tree}/${templateOf(directory)}`, directoryFlags);
    futimesSync(descriptor, untouchedTime, untouchedTime);
    return [directory, descriptor];
  });
  const files = names.map((name): [string, number] => [name, open(`${tree}/${name}`, constants.O_RDWR)]);
  const lastInode = lstatSync(`${tree}/${hierarchies.findLast(({ links }) => links.length > 0)?.links.at(-1)}`).ino;
  return { root, directories: new Map(directories), files: new Map(files), lastInode };
}
