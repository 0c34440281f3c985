import { spawn } from "node:child_process";
import { closeSync, constants, lstatSync, openSync, readFileSync, symlinkSync } from "node:fs";
import { Socket } from "node:net";
import { Deadline, within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import { parseMountinfo } from "../host/proc.js";
import { cgroupRoot, hierarchies } from "./controllers.js";
import { findTool, killGroup, newNamespace, ofTool } from "./privilege.js";
import {
  ownFiles,
  ruleFiles,
  seededPatterns,
  type TreeFile,
  templateOf,
  treeDirectories,
  untouchedTime,
} from "./tree.js";

/** Views are made when the run that took one has had its time: to start a process takes some of ours. */
const fillAfterMs = 50;
/** More are not made ahead, however fast the runs follow each other. */
const maxCount = 4;

/** Empty views, made ahead. When a run finds none, there is one more from then on. */
export class Reserves {
  private readonly waiting: Promise<Keeper | undefined>[] = [];
  private readonly ending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  /** `files`: of each view; `count`: how many are to wait. */
  constructor(
    private readonly files: readonly TreeFile[],
    private count: number,
  ) {}

  /** Makes what is missing. Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) {
      // The run that takes it sees that there is none.
      this.waiting.push(startKeeper(this.files).catch(() => undefined));
    }
    await Promise.all(this.waiting);
  }

  /**
   * An empty view. `mountinfo`: what the machine has mounted now.
   * @throws BridgeError CGROUP_VIEW when there is none and none can be made
   */
  async take(mountinfo: string): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.fill();
    }, fillAfterMs).unref();
    if (this.waiting.length === 0 && this.count < maxCount) this.count++;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      const keeper = await next;
      if (keeper?.serves(mountinfo)) return keeper;
      if (keeper !== undefined) this.leave(keeper);
    }
    return await startKeeper(this.files);
  }

  /** Gives a view up. */
  leave(keeper: Keeper): void {
    const end: Promise<void> = keeper.close().finally(() => this.ending.delete(end));
    this.ending.add(end);
  }

  /** Ends all that waits; settles when that, and what was given up, is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const made of this.waiting.splice(0)) {
      const keeper = await made;
      if (keeper !== undefined) this.leave(keeper);
    }
    await Promise.all(this.ending);
  }
}

/** Whether new mounts reach a namespace made before: the root mount is shared, or a slave itself. */
function followsMachine(mountinfo: string): boolean {
  return parseMountinfo(mountinfo).some(
    ({ point, optional }) => point === "/" && optional.some((field) => /^(shared|master):/.test(field)),
  );
}

/** More than the tree and a plugin's honest writes need; a plugin that fills it hurts itself alone. */
const tmpfsOptions = `size=${4 << 20},nr_inodes=2048,mode=755,nosuid,nodev,noexec`;

const readyTimeoutMs = 5_000;

/**
 * Mounts the tmpfs, writes the tree and waits for the end of its stdin. Positional parameters: a name and a content for each file.
 * Its mounts are in a namespace of its own and go with the last process there.
 */
const keeperScript = [
  "umask 022",
  `mount -n -t tmpfs -o ${tmpfsOptions} tmpfs ${cgroupRoot} && cd ${cgroupRoot} || exit 1`,
  `mkdir -p ${treeDirectories.join(" ")} && mkfifo ${ruleFiles.join(" ")} || exit 1`,
  'while [ $# -gt 1 ]; do printf %s "$2" >"$1" || exit 1; shift 2; done',
  `touch -d @${untouchedTime} ${seededPatterns.join(" ")} || exit 1`,
  "echo ready",
  "read -r _",
].join("\n");

/** What a view is filled and read by. */
interface Tree {
  /** A descriptor of the view's cgroupRoot: with it the tree can be read when every process of the view has gone. */
  readonly root: number;
  /** Of the container's directory in each hierarchy, wherever it is moved to. */
  readonly directories: ReadonlyMap<string, number>;
  /** Of the FIFOs, by the path that they were made with: a write waits for a reader. */
  readonly rules: ReadonlyMap<string, number>;
  /** Of ownFiles.start, which a plugin could put something else in the place of. */
  readonly start: number;
  /** The number of the newest file that is ours: tmpfs counts up. */
  readonly lastInode: number;
}

/** A process that holds a mount namespace with an empty view in it, until it is let go or the bridge dies. */
export interface Keeper extends Tree {
  readonly pid: number;
  /** Whether the process still runs, and sees what the machine has mounted now. */
  serves(mountinfo: string): boolean;
  /** Lets go. Background processes in the view keep it as long as they live. */
  close(): Promise<void>;
}

/**
 * Makes a namespace with a tree of these files.
 * @throws BridgeError CGROUP_VIEW with what unshare, mount or the shell said
 */
async function startKeeper(files: readonly TreeFile[]): Promise<Keeper> {
  const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
  const named = files.flatMap(({ path, content }) => [path, content]);
  const args = [...newNamespace, "/bin/sh", "-c", keeperScript, "sh", ...named];
  const child = spawn(findTool("unshare") ?? "unshare", args, { ...ofTool, stdio: ["pipe", "pipe", "pipe"] });
  let complaint = "";
  child.stdin.on("error", () => {});
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString("utf8")));
  const ready = new Promise<number>((resolve) => child.stdout.once("data", () => resolve(child.pid ?? 0)));
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(errorText(error)));
    child.once("close", (code, signal) => resolve(complaint.trim() || `unshare ended with ${signal ?? code}`));
  });
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
    const late = () => `not ready within ${readyTimeoutMs} ms`;
    const pid = await within<string | number>(Deadline.after(readyTimeoutMs), Promise.race([ready, ended]), late);
    if (typeof pid === "string") throw new Error(pid);
    const tree = openTree(`/proc/${pid}/root${cgroupRoot}`, opened);
    // A view in reserve is no reason for us to live on.
    child.unref();
    for (const stream of child.stdio) if (stream instanceof Socket) stream.unref();
    return {
      pid,
      ...tree,
      serves: (now) =>
        child.exitCode === null && child.signalCode === null && (now === mountinfo || followsMachine(mountinfo)),
      close,
    };
  } catch (thrown) {
    killGroup(child);
    await close();
    throw new BridgeError("CGROUP_VIEW", `no captured cgroup view can be made: ${errorText(thrown)}`);
  }
}

/** `opened`: for the descriptors. The links among the hierarchies are made here: a shell would start a program for each. */
function openTree(path: string, opened: number[]): Tree {
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
  return {
    root,
    directories: new Map(
      hierarchies.map(({ directory }) => [directory, open(`${tree}/${templateOf(directory)}`, directoryFlags)]),
    ),
    rules: new Map(ruleFiles.map((rule) => [rule, open(`${tree}/${rule}`, constants.O_RDWR)])),
    start: open(`${tree}/${ownFiles.start}`, constants.O_RDWR),
    lastInode: lstatSync(`${tree}/${hierarchies.findLast(({ links }) => links.length > 0)?.links.at(-1)}`).ino,
  };
}
