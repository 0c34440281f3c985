import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadline } from "../base/deadline.js";
import { attempt, errnoOf, errorText } from "../base/errors.js";
import { fileIdentity } from "../base/files.js";
import type { Answer } from "./proc.js";

/** The process that listens on a socket, or why it is not known. */
type PeerAnswer =
  | { readonly found: true; readonly pid: number; readonly command: string }
  | { readonly found: false; readonly reason: string };

/** These are asked first: on a node with thousands of processes that is most of the work saved. */
const likely = ["containerd", "crio", "k3s-server", "k3s"];

/**
 * Finds the process that owns the runtime's socket: SO_PEERCRED cannot be asked for from here, /proc can. Needs root, the
 * runtime's pid namespace, and the runtime's network namespace or its host's first process.
 *
 * Nothing is found by name alone: the path that the socket was bound to has to be, in the mount namespace of its owner,
 * the very file that we connect to.
 *
 * @param withinMs when it gives up: what follows Configure waits for it, and a node may have tens of thousands of processes
 */
export async function findPeer(socketPath: string, procRoot = "/proc", withinMs = Infinity): Promise<PeerAnswer> {
  const ours = fileIdentity(socketPath);
  if (ours === undefined) return { found: false, reason: `there is no ${socketPath}` };
  const bound = listeningSockets(basename(socketPath), procRoot);
  if (bound.size === 0)
    return { found: false, reason: "no socket of this name listens in a network namespace in sight" };
  let unreadable = 0;
  const until = Deadline.after(withinMs);
  for await (const { pid, command } of processesByLikelihood(procRoot, until)) {
    const inodes = socketsOf(pid, procRoot);
    if (inodes === undefined) {
      unreadable += 1;
      continue;
    }
    const owns = inodes.some((inode) => {
      const path = bound.get(inode);
      return path !== undefined && fileIdentity(`${procRoot}/${pid}/root${path}`) === ours;
    });
    if (owns) return { found: true, pid, command };
  }
  if (until.expired) return { found: false, reason: `the time was too short to look who listens on ${socketPath}` };
  const reason = `no process in sight listens on ${socketPath}`;
  return { found: false, reason: unreadable === 0 ? reason : `${reason}; ${unreadable} could not be looked at` };
}

/** Inode to path of the listening sockets whose path ends so. */
export function listeningSockets(name: string, procRoot: string): Map<string, string> {
  const found = new Map<string, string>();
  // A socket is listed in the network namespace that it was made in: ours, or the host's.
  for (const process of ["self", "1"]) {
    for (const line of readLines(`${procRoot}/${process}/net/unix`)) {
      // Num RefCount Protocol Flags Type St Inode Path; 00010000 is __SO_ACCEPTCON: it listens.
      const [, flags, inode, path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (\/.*)$/.exec(line) ?? [];
      if (flags === "00010000" && inode !== undefined && path !== undefined && basename(path) === name) {
        found.set(inode, path);
      }
    }
  }
  return found;
}

/** One process after the other while there is time, with events between them: a node has thousands, of descriptors too. */
async function* processesByLikelihood(
  procRoot: string,
  until: Deadline,
): AsyncGenerator<{ pid: number; command: string }> {
  const others: { pid: number; command: string }[] = [];
  for (const [index, name] of readdirSync(procRoot).entries()) {
    if (!/^\d+$/.test(name)) continue;
    if (until.expired) return;
    if (index % 64 === 63) await nextTurn();
    const process = { pid: Number(name), command: readLines(`${procRoot}/${name}/comm`)[0] ?? "" };
    if (likely.includes(process.command)) yield process;
    else others.push(process);
  }
  for (const [index, process] of others.entries()) {
    if (until.expired) return;
    if (index % 16 === 15) await nextTurn();
    yield process;
  }
}

/** The inodes of a process's sockets; undefined when its descriptors cannot be seen. */
function socketsOf(pid: number, procRoot: string): string[] | undefined {
  const names = attempt(() => readdirSync(`${procRoot}/${pid}/fd`));
  return names?.flatMap((name) => {
    const target = attempt(() => readlinkSync(`${procRoot}/${pid}/fd/${name}`)) ?? "";
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
  });
}

/** A variable in the environment that a process was started with; undefined when it has none, or cannot be read. */
export function environmentVariableOf(pid: number, name: string, procRoot = "/proc"): string | undefined {
  try {
    const entries = readFileSync(`${procRoot}/${pid}/environ`, "utf8").split("\0");
    return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  } catch {
    return undefined;
  }
}

/** The arguments that a process was started with, its name first; none when they cannot be read. */
export function argumentsOf(pid: number, procRoot = "/proc"): string[] {
  try {
    return readFileSync(`${procRoot}/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

/** Programs are tens of megabytes; past this nothing is looked at. */
const mostProgramBytes = 512 * 1024 * 1024;
const elfMagic = Buffer.from("\x7fELF", "latin1");

/**
 * Whether a text stands in the program that a process runs; `unknown` when that cannot be read. In pieces, with events between
 * them: it is no work for the way of a call.
 */
export async function programHolds(
  pid: number,
  text: string,
  procRoot = "/proc",
  pieceBytes = 1024 * 1024,
): Promise<Answer["answer"]> {
  const wanted = Buffer.from(text);
  const buffer = Buffer.alloc(wanted.length + pieceBytes);
  let file: FileHandle | undefined;
  try {
    file = await open(`${procRoot}/${pid}/exe`);
    // The end of the piece before, where the text may begin.
    let kept = 0;
    for (let read = 0; read < mostProgramBytes; ) {
      const { bytesRead } = await file.read(buffer, kept, pieceBytes);
      if (bytesRead === 0) return "no";
      if (read === 0 && !buffer.subarray(0, elfMagic.length).equals(elfMagic)) return "unknown";
      read += bytesRead;
      const filled = kept + bytesRead;
      if (buffer.subarray(0, filled).includes(wanted)) return "yes";
      kept = Math.min(wanted.length - 1, filled);
      buffer.copyWithin(0, filled - kept, filled);
    }
  } catch {
    // Another user's, or it has ended.
  } finally {
    await file?.close();
  }
  return "unknown";
}

function readLines(path: string): string[] {
  return attempt(() => readFileSync(path, "latin1").split("\n")) ?? [];
}

/** compat: containerd 1.6 to 2.x read v0.1's configuration from here and nowhere else. */
const nativeConfFile = "/etc/nri/conf.json";

/**
 * Whether the runtime's own /etc/nri/conf.json is the file that the bridge reads: the same device and inode, seen through
 * the runtime's root; or, where neither has one yet, the same place for it. Asked anew for each pod, at its create and at
 * its delete, since installers put new files in place.
 *
 * @param peer the runtime's process; undefined when it is not known
 */
export function sharesConfFile(peer: number | undefined, confFile: string, procRoot = "/proc"): Answer {
  if (peer === undefined) return { answer: "unknown", reason: "the runtime's process is not known" };
  const theirs = `${procRoot}/${peer}/root${nativeConfFile}`;
  try {
    // Without its root nothing can be said; a missing file below it is an answer.
    if (identityOf(`${procRoot}/${peer}/root/.`) === undefined) {
      return { answer: "unknown", reason: `the root of process ${peer} cannot be seen` };
    }
    for (let attempt = 0; ; attempt++) {
      const own = placeOf(confFile);
      const native = placeOf(theirs);
      if (own.place === native.place) {
        const reason = `${nativeConfFile} of process ${peer} is ${confFile}`;
        return { answer: "yes", reason: own.exists ? reason : `${reason}, which is not there yet` };
      }
      // A rename between the two looks makes one file two: look again before saying no.
      if (attempt < 2 && placeOf(confFile).place !== own.place) continue;
      return {
        answer: "no",
        reason: native.exists
          ? `${nativeConfFile} of process ${peer} is another file than ${confFile}`
          : `process ${peer} has no ${nativeConfFile}`,
      };
    }
  } catch (error) {
    return { answer: "unknown", reason: errorText(error) };
  }
}

interface Place {
  readonly exists: boolean;
  /** A file's device and inode; of a missing one those of the nearest directory that is there, and the names below it. */
  readonly place: string;
}

/** @throws the system's error when it cannot be looked at */
function placeOf(path: string): Place {
  let names = "";
  for (let at = path; ; at = dirname(at)) {
    const identity = identityOf(at);
    if (identity !== undefined) return { exists: names === "", place: identity + names };
    names = `/${basename(at)}${names}`;
  }
}

/** Device and inode; undefined when there is no such file. @throws the system's error when it cannot be looked at */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}
