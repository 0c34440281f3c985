import { open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadline } from "../base/deadline.js";
import { fileIdentity } from "../base/files.js";
import { type Answer, commandOf, listPids, readText, socketsOf } from "./proc.js";

type PeerAnswer = { readonly found: true; readonly pid: number } | { readonly found: false; readonly reason: string };

/** The names of the processes that findPeer examines first, which saves most of the work on a node with thousands of processes. */
const likely = ["containerd", "crio", "k3s-server", "k3s"];

/**
 * Finds the process that listens on the runtime's socket. The search uses /proc, because Node cannot read SO_PEERCRED.
 * The bridge has to run as root in the runtime's pid namespace, and the socket has to be of the bridge's network
 * namespace or of that of process 1. A process counts only if the socket's path, in the mount namespace of the process,
 * is the file that the bridge connects to.
 * @param withinMs the most time that the search may take, in milliseconds, as the work after Configure waits for its
 *   end
 */
export async function findPeer(socketPath: string, procRoot = "/proc", withinMs = Infinity): Promise<PeerAnswer> {
  const ours = fileIdentity(socketPath);
  if (ours === undefined) return { found: false, reason: `there is no ${socketPath}` };
  const bound = listeningSockets(basename(socketPath), procRoot);
  if (bound.size === 0)
    return { found: false, reason: "no socket of this name listens in a network namespace that the bridge sees" };
  const until = Deadline.after(withinMs);
  const pids = listPids(procRoot);
  for (const inTurn of [true, false]) {
    for (const [index, pid] of pids.entries()) {
      if (until.expired)
        return { found: false, reason: `the time was too short to find the process that listens on ${socketPath}` };
      // Lets the bridge handle events between the processes, each of which may have thousands of descriptors.
      if (index % 16 === 15) await nextTurn();
      if (likely.includes(commandOf(pid, procRoot) ?? "") !== inTurn) continue;
      const paths = socketsOf(pid, procRoot).flatMap((inode) => bound.get(inode) ?? []);
      if (paths.some((path) => fileIdentity(`${procRoot}/${pid}/root${path}`) === ours)) return { found: true, pid };
    }
  }
  return { found: false, reason: `no process that the bridge sees listens on ${socketPath}` };
}

/** The listening sockets whose path has this file name: from the socket's inode to its path. */
export function listeningSockets(name: string, procRoot: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  // The kernel lists a socket in the network namespace in which it was made: here the bridge's, and that of process 1.
  for (const process of ["self", "1"]) {
    for (const line of (readText(`${procRoot}/${process}/net/unix`) ?? "").split("\n")) {
      // The columns are Num RefCount Protocol Flags Type St Inode Path; the flag 00010000 (__SO_ACCEPTCON) means listening.
      const [, inode, path] = /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) (\/.*)$/.exec(line) ?? [];
      if (inode !== undefined && path !== undefined && basename(path) === name) found.set(inode, path);
    }
  }
  return found;
}

const pieceBytes = 256 * 1024;

/**
 * Whether the executable file of a process contains a text; `unknown` when the file cannot be read or is no ELF file. Reads the
 * file in pieces, so that the bridge handles events between the pieces.
 */
export async function programHolds(pid: number, text: string, procRoot = "/proc"): Promise<Answer["answer"]> {
  const wanted = Buffer.from(text);
  // All pieces use one buffer: with a new buffer for each the allocator would keep up to 40 MB.
  const buffer = Buffer.alloc(pieceBytes);
  const file = await open(`${procRoot}/${pid}/exe`).catch(() => undefined);
  try {
    // `kept` bytes from the end of the last piece stay in the buffer, because the text may begin in them.
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
    // The process belongs to another user, or has ended.
  } finally {
    await file?.close();
  }
  return "unknown";
}

/** compat: containerd 1.6 to 2.x read the configuration of NRI v0.1 only from this file. */
const nativeConfFile = "/etc/nri/conf.json";

/**
 * Whether the runtime's /etc/nri/conf.json is the file that the bridge reads: both have the same device and inode, or both are
 * missing at the same place. The bridge checks this at each pod's create and delete, because installers replace the file.
 * @param peer the runtime's pid; undefined when it is not known
 */
export function sharesConfFile(peer: number | undefined, confFile: string, procRoot = "/proc"): Answer {
  if (peer === undefined) return { answer: "unknown", reason: "it is not known which process is the runtime" };
  const root = `${procRoot}/${peer}/root`;
  // If the root of the process cannot be read, the answer is unknown; a missing file below a readable root is an answer.
  if (fileIdentity(`${root}/.`) === undefined) {
    return { answer: "unknown", reason: `the root directory of the runtime (process ${peer}) is not readable` };
  }
  const theirs = `${root}${nativeConfFile}`;
  // A rename between the two stats makes the same file look like two, so the comparison is repeated before a "no".
  if ([1, 2, 3].some(() => placeOf(confFile) === placeOf(theirs))) {
    const reason = `the runtime (process ${peer}) reads the bridge's ${confFile} as its ${nativeConfFile}`;
    return { answer: "yes", reason: fileIdentity(theirs) ? reason : `${reason}, and the file does not exist yet` };
  }
  const reason = fileIdentity(theirs)
    ? `${nativeConfFile} of the runtime (process ${peer}) is another file than the bridge's ${confFile}`
    : `the runtime (process ${peer}) has no ${nativeConfFile}`;
  return { answer: "no", reason };
}

/**
 * The device and inode of a file; for a missing file those of the nearest existing directory, and the names below that directory.
 */
function placeOf(path: string): string {
  const identity = fileIdentity(path);
  return identity ?? `${path === "/" ? "" : placeOf(dirname(path))}/${basename(path)}`;
}
