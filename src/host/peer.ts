import { open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadline } from "../base/deadline.js";
import { fileIdentity } from "../base/files.js";
import { type Answer, commandOf, listPids, readText, socketsOf } from "./proc.js";

type PeerAnswer = { readonly found: true; readonly pid: number } | { readonly found: false; readonly reason: string };

/** These are asked first: on a node with thousands of processes that is most of the work saved. */
const likely = ["containerd", "crio", "k3s-server", "k3s"];

/**
 * Finds the process of the runtime's socket in /proc, as Node cannot ask for SO_PEERCRED. Needs root, the runtime's pid namespace,
 * and its network namespace or that of the host's first process. The socket's path in its owner's mount namespace has to be the
 * file that we connect to. @param withinMs when it gives up: what follows Configure waits for it
 */
export async function findPeer(socketPath: string, procRoot = "/proc", withinMs = Infinity): Promise<PeerAnswer> {
  const ours = fileIdentity(socketPath);
  if (ours === undefined) return { found: false, reason: `there is no ${socketPath}` };
  const bound = listeningSockets(basename(socketPath), procRoot);
  if (bound.size === 0)
    return { found: false, reason: "no socket of this name listens in a visible network namespace" };
  const until = Deadline.after(withinMs);
  const pids = listPids(procRoot);
  for (const inTurn of [true, false]) {
    for (const [index, pid] of pids.entries()) {
      if (until.expired)
        return { found: false, reason: `the time was too short to find the process that listens on ${socketPath}` };
      // Events come between: a process has thousands of descriptors, too.
      if (index % 16 === 15) await nextTurn();
      if (likely.includes(commandOf(pid, procRoot) ?? "") !== inTurn) continue;
      const paths = socketsOf(pid, procRoot).flatMap((inode) => bound.get(inode) ?? []);
      if (paths.some((path) => fileIdentity(`${procRoot}/${pid}/root${path}`) === ours)) return { found: true, pid };
    }
  }
  return { found: false, reason: `no visible process listens on ${socketPath}` };
}

/** Inode to path of the listening sockets whose path ends so. */
export function listeningSockets(name: string, procRoot: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  // A socket is listed in the network namespace that it was made in: ours, or the host's.
  for (const process of ["self", "1"]) {
    for (const line of (readText(`${procRoot}/${process}/net/unix`) ?? "").split("\n")) {
      // Num RefCount Protocol Flags Type St Inode Path; 00010000 is __SO_ACCEPTCON: it listens.
      const [, inode, path] = /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) (\/.*)$/.exec(line) ?? [];
      if (inode !== undefined && path !== undefined && basename(path) === name) found.set(inode, path);
    }
  }
  return found;
}

const pieceBytes = 256 * 1024;

/** Whether a process's program holds a text; `unknown` when that cannot be read. In pieces, with events between them. */
export async function programHolds(pid: number, text: string, procRoot = "/proc"): Promise<Answer["answer"]> {
  const wanted = Buffer.from(text);
  // One for all pieces: of new ones the allocator would keep up to 40 MB.
  const buffer = Buffer.alloc(pieceBytes);
  const file = await open(`${procRoot}/${pid}/exe`).catch(() => undefined);
  try {
    // `kept`: the end of the piece before, where the text may begin.
    for (let kept = 0, first = true; file !== undefined; first = false) {
      const { bytesRead } = await file.read(buffer, kept, buffer.length - kept);
      if (bytesRead === 0) return "no";
      if (first && buffer.toString("latin1", 0, 4) !== "\x7fELF") break;
      const end = kept + bytesRead;
      if (buffer.subarray(0, end).includes(wanted)) return "yes";
      kept = Math.min(end, wanted.length - 1);
      buffer.copyWithin(0, end - kept, end);
    }
  } catch {
    // Another user's, or it has ended.
  } finally {
    await file?.close();
  }
  return "unknown";
}

/** compat: containerd 1.6 to 2.x read v0.1's configuration from here and nowhere else. */
const nativeConfFile = "/etc/nri/conf.json";

/**
 * Whether the runtime's /etc/nri/conf.json is the bridge's: one device and inode, or the same place where neither exists. Asked at
 * each pod's create and delete, since installers put new files in place. @param peer undefined: the runtime is not known
 */
export function sharesConfFile(peer: number | undefined, confFile: string, procRoot = "/proc"): Answer {
  if (peer === undefined) return { answer: "unknown", reason: "the runtime's process is not known" };
  const root = `${procRoot}/${peer}/root`;
  // Without its root nothing can be said; a missing file below it is an answer.
  if (fileIdentity(`${root}/.`) === undefined) {
    return { answer: "unknown", reason: `cannot read the root directory of process ${peer}` };
  }
  const theirs = `${root}${nativeConfFile}`;
  // A rename between two looks makes one file two: it is looked again before no is said.
  if ([1, 2, 3].some(() => placeOf(confFile) === placeOf(theirs))) {
    const reason = `${nativeConfFile} of process ${peer} is ${confFile}`;
    return { answer: "yes", reason: fileIdentity(theirs) ? reason : `${reason}, which is not there yet` };
  }
  const reason = fileIdentity(theirs)
    ? `${nativeConfFile} of process ${peer} is another file than ${confFile}`
    : `process ${peer} has no ${nativeConfFile}`;
  return { answer: "no", reason };
}

/** A file's device and inode; of a missing one those of the nearest directory that is there, and the names below it. */
function placeOf(path: string): string {
  const identity = fileIdentity(path);
  return identity ?? `${path === "/" ? "" : placeOf(dirname(path))}/${basename(path)}`;
}
