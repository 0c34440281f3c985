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

/** Views are made when the run that took one has had its time. */
const fillAfterMs = 50;
const maxCount = 4;

/** Empty views, made ahead. When a run finds none, there is one more from then on. */
export class Reserves {
  private readonly waiting: Promise<Keeper | undefined>[] = [];
  private readonly ending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private count = 1;

  constructor(private readonly files: readonly TreeFile[]) {}

  /** Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) {
      // The run that takes it sees that there is none.
      this.waiting.push(startKeeper(this.files).catch(() => undefined));
    }
    await Promise.all(this.waiting);
  }

  /** An empty view. @throws BridgeError CGROUP_VIEW when there is none and none can be made */
  async take(): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
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

  /** Ends all that waits; settles when that, and what was given up, is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const keeper of await Promise.all(this.waiting.splice(0))) if (keeper !== undefined) this.leave(keeper);
    await Promise.all(this.ending);
  }
}

/** More than the tree and a plugin's honest writes need. */
const tmpfsOptions = `size=${4 << 20},nr_inodes=2048,mode=755,nosuid,nodev,noexec`;

/**
 * Mounts the tmpfs, writes the tree and waits for the end of its stdin. Positional parameters: a name and a content for each file;
 * without any it only tries. The mounts go with the last process of their namespace.
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

/** Where a system keeps its own programs: never the PATH of plugins, which leads to what plugins install. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function findTool(name: string, path = systemPath): string | undefined {
  const files = path.split(":").map((directory) => `${directory}/${name}`);
  return files.find(existsSync);
}

/** A shell that can name what it becomes, with what it needs to read no file and no function from its environment. */
export function namingShell(): readonly [path: string, ...args: string[]] {
  const bash = findTool("bash");
  return bash === undefined ? ["/bin/sh"] : [bash, "--norc", "-p"];
}

/** Descriptors that a view is filled and read by: no link that a plugin makes leads away from them. */
interface Tree {
  /** The view's cgroupRoot: with it the tree can be read when every process of the view has gone. */
  readonly root: number;
  /** The container's directory in each hierarchy, wherever it is moved to. */
  readonly directories: ReadonlyMap<string, number>;
  /** Files, and FIFOs, where a write waits for a reader; by the path that they were made with. */
  readonly files: ReadonlyMap<string, number>;
  /** The number of the newest file that is ours: tmpfs counts up. */
  readonly lastInode: number;
}

/** A process that holds a mount namespace with an empty view in it, until it is let go or the bridge dies. */
export interface Keeper extends Tree {
  readonly pid: number;
  isAlive(): boolean;
  /** Lets go. Background processes in the view keep it as long as they live. */
  close(): Promise<void>;
}

/** Makes a namespace with a tree of these files. @throws BridgeError CGROUP_VIEW with what unshare, mount or the shell said */
export async function startKeeper(files: readonly TreeFile[], path = systemPath, timeoutMs = 5_000): Promise<Keeper> {
  const contents = files.flatMap(({ path, content }) => [path, content]);
  // Slave: what the machine mounts later is seen here, and what it unmounts is not kept busy by us.
  const inside = ["--mount", "--propagation", "slave", "--", ...namingShell(), "-c", keeperScript, "sh", ...contents];
  const { spawn } = await import("node:child_process");
  const child = spawn(findTool("unshare", path) ?? "unshare", inside, {
    cwd: "/",
    env: { PATH: systemPath, LC_ALL: "C" },
    stdio: ["pipe", "pipe", "pipe"],
    // Not in our terminal's group: an interrupt is for us, and we still need the tree then.
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
    // A view in reserve is no reason for us to live on.
    child.unref();
    for (const stream of child.stdio) if (stream instanceof Socket) stream.unref();
    return { pid, ...tree, isAlive, close };
  } catch (thrown) {
    // Once it has ended, its number may be another's.
    if (child.pid !== undefined && isAlive()) process.kill(-child.pid, "SIGKILL");
    await close();
    throw new BridgeError("CGROUP_VIEW", `cannot make a captured cgroup view: ${errorText(thrown)}`);
  }
}

/** `opened`: for the descriptors. The links among the hierarchies are made here: a shell would start a program for each. */
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
