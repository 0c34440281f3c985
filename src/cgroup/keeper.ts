import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, lstatSync, openSync, readFileSync, symlinkSync } from "node:fs";
import { Deadline, within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import { parseMountinfo } from "../host/proc.js";
import { cgroupRoot, hierarchies } from "./controllers.js";
import { findTool, killGroup, toolEnvironment } from "./privilege.js";
import {
  ownFiles,
  ruleFiles,
  seededPatterns,
  type TreeFile,
  templateOf,
  treeDirectories,
  untouchedTime,
} from "./tree.js";

/** Views are made, and ended, when the run that took one has had its time: both take some of ours. */
const tidyAfterMs = 50;
/** More are not made ahead, however fast the runs follow each other. */
const maxCount = 4;

/** Empty views, made ahead. When a run has had to wait for one, there is one more from then on. */
export class Reserves {
  private readonly waiting: { readonly made: Promise<Keeper>; ready: boolean }[] = [];
  private readonly left = new Set<Keeper>();
  private timer: NodeJS.Timeout | undefined;
  private ending: Promise<undefined> = Promise.resolve(undefined);
  private closed = false;

  /** `files`: of each view; `count`: how many are to wait. */
  constructor(
    private readonly files: readonly TreeFile[],
    private count: number,
  ) {}

  /** Makes what is missing. Never rejects. */
  async fill(): Promise<void> {
    while (!this.closed && this.waiting.length < this.count) this.waiting.push(this.begin());
    await Promise.allSettled(this.waiting.map(({ made }) => made));
  }

  /**
   * An empty view. `mountinfo`: what the machine has mounted now.
   * @throws BridgeError CGROUP_VIEW when there is none and none can be made
   */
  async take(mountinfo: string): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
    this.tidySoon();
    if (!this.waiting[0]?.ready && this.count < maxCount) this.count++;
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      const keeper = await next.made.catch(() => undefined);
      if (keeper?.serves(mountinfo)) return keeper;
      if (keeper !== undefined) this.leave(keeper);
    }
    return await startKeeper(this.files);
  }

  /** Gives a view up. It is ended when there is time for that. */
  leave(keeper: Keeper): void {
    this.left.add(keeper);
    if (this.closed) this.endLeft();
    else this.tidySoon();
  }

  /** Ends all that nobody uses; settles when that is gone. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    for (const { made } of this.waiting.splice(0)) {
      const keeper = await made.catch(() => undefined);
      if (keeper !== undefined) this.left.add(keeper);
    }
    this.endLeft();
    await this.ending;
  }

  private tidySoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.endLeft();
      void this.fill();
    }, tidyAfterMs).unref();
  }

  private endLeft(): void {
    const ends = [...this.left].map((keeper) => keeper.close());
    this.left.clear();
    // Without the results: each holds those before it.
    this.ending = Promise.all([this.ending, ...ends]).then(() => undefined);
  }

  private begin(): (typeof this.waiting)[number] {
    const waiting = { made: startKeeper(this.files), ready: false };
    waiting.made.then(
      () => {
        waiting.ready = true;
      },
      // Whoever takes it sees that there is none.
      () => {},
    );
    return waiting;
  }
}

/** Whether new mounts reach a namespace made before: the root mount is shared, or a slave itself. */
function followsMachine(mountinfo: string): boolean {
  return parseMountinfo(mountinfo).some(
    ({ point, optional }) => point === "/" && optional.some((field) => /^(shared|master):/.test(field)),
  );
}

/** More than the tree and a plugin's honest writes need; a plugin that fills it hurts itself alone. */
const treeLimits = { bytes: 4 << 20, inodes: 2048 } as const;

const readyTimeoutMs = 5_000;

/**
 * Mounts the tmpfs, writes the tree and waits for the end of its stdin. Positional parameters: the mount options, then a
 * name and a content for each file. Its mounts are in a namespace of its own and go with the last process there.
 */
const keeperScript = [
  "umask 022",
  `mount -n -t tmpfs -o "$1" tmpfs ${cgroupRoot} && cd ${cgroupRoot} || exit 1`,
  "shift",
  `mkdir -p ${treeDirectories.join(" ")} && mkfifo ${ruleFiles.join(" ")} || exit 1`,
  'while [ $# -gt 1 ]; do printf %s "$2" >"$1" || exit 1; shift 2; done',
  `touch -d @${untouchedTime} ${seededPatterns.join(" ")} || exit 1`,
  "echo ready",
  "read -r _",
].join("\n");

/** A process that holds a mount namespace with an empty view in it, until it is let go or the bridge dies. */
export interface Keeper {
  readonly pid: number;
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
  const unshare = findTool("unshare") ?? "unshare";
  const { bytes, inodes } = treeLimits;
  const options = `size=${bytes},nr_inodes=${inodes},mode=755,nosuid,nodev,noexec`;
  const named = files.flatMap(({ path, content }) => [path, content]);
  // Slave: what the machine mounts later is seen here, and what it unmounts is not kept busy by us.
  const arguments_ = ["--mount", "--propagation", "slave", "--", "/bin/sh", "-c", keeperScript, "sh"];
  const child = spawn(unshare, [...arguments_, options, ...named], {
    cwd: "/",
    env: toolEnvironment,
    stdio: ["pipe", "pipe", "pipe"],
    // Not in our terminal's group: an interrupt is for us, and we still need the tree then.
    detached: true,
  });
  let alive = true;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      alive = false;
      resolve();
    };
    child.once("exit", end);
    child.once("error", end);
  });
  const close = async (): Promise<void> => {
    child.stdin?.destroy();
    await ended;
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  try {
    const pid = await readyPid(child);
    const tree = openTree(`/proc/${pid}/root${cgroupRoot}`);
    // A view in reserve is no reason for us to live on.
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr])
      if (stream && "unref" in stream) unrefStream(stream);
    return {
      pid,
      ...tree,
      serves: (now) => alive && (now === mountinfo || followsMachine(mountinfo)),
      close: async () => {
        closeAll([tree.root, tree.start, ...tree.directories.values(), ...tree.rules.values()]);
        child.ref();
        await close();
      },
    };
  } catch (thrown) {
    killGroup(child);
    await close();
    throw new BridgeError("CGROUP_VIEW", `no captured cgroup view can be made: ${errorText(thrown)}`);
  }
}

/**
 * Opens what a view is filled and read by. The links among the hierarchies are made here, last of all: a shell would start a
 * program for each.
 */
function openTree(path: string): Pick<Keeper, "root" | "directories" | "rules" | "start" | "lastInode"> {
  const opened: number[] = [];
  const open = (name: string, flags: number): number => {
    const descriptor = openSync(name, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const root = open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    const tree = `/proc/self/fd/${root}`;
    let lastInode = 0;
    for (const { directory, links } of hierarchies) {
      for (const link of links) {
        symlinkSync(directory, `${tree}/${link}`);
        lastInode = lstatSync(`${tree}/${link}`).ino;
      }
    }
    const directories = hierarchies.map(({ directory }): [string, number] => [
      directory,
      open(`${tree}/${templateOf(directory)}`, constants.O_RDONLY | constants.O_DIRECTORY),
    ]);
    const rules = ruleFiles.map((rule): [string, number] => [rule, open(`${tree}/${rule}`, constants.O_RDWR)]);
    const start = open(`${tree}/${ownFiles.start}`, constants.O_RDWR);
    return { root, directories: new Map(directories), rules: new Map(rules), start, lastInode };
  } catch (thrown) {
    closeAll(opened);
    throw thrown;
  }
}

function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}

function unrefStream(stream: { unref?: unknown }): void {
  if (typeof stream.unref === "function") stream.unref();
}

async function readyPid(child: ChildProcess): Promise<number> {
  const ready = new Promise<number>((resolve, reject) => {
    let said = "";
    let complaint = "";
    child.stdin?.on("error", () => {});
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      if (said === "ready\n" && child.pid !== undefined) resolve(child.pid);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      complaint += chunk.toString("utf8");
    });
    child.once("error", reject);
    child.once("close", (code, signal) =>
      reject(new Error(complaint.trim() || `unshare ended with ${signal ?? code}`)),
    );
  });
  const pid = await within<number | undefined>(Deadline.after(readyTimeoutMs), ready, () => undefined);
  if (pid === undefined) throw new Error(`not ready within ${readyTimeoutMs} ms`);
  return pid;
}
