import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { BridgeError, errnoOf, fileFault } from "../base/errors.js";
import { makeDirectory } from "../base/files.js";
import { findPermissionFault } from "../base/permissions.js";
import type { JournalKey } from "./journal.js";

/**
 * Makes the state directory, or checks that nobody but us and root can put anything into it or into its place.
 * @throws BridgeError STATE when others can, or it cannot be made; the system's error when it cannot be looked at
 */
export function prepareDirectory(path: string): void {
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    throw new BridgeError("STATE", `the state directory ${path} cannot be made: ${fileFault(error)}`, { path });
  }
  const stat = statSync(path);
  const reason = whyNotOurs(stat);
  if (reason !== undefined) throw new BridgeError("STATE", `the state directory ${path} ${reason}`, { path });
  const fault = findPermissionFault(path, { remedy: "root must own it, and nobody else may have write permission" });
  if (fault !== null) throw new BridgeError("STATE", `the state directory ${path} is not safe: ${fault}`, { path });
  // Specs tell of the pods' annotations. Packaging tends to make such directories 0755; one that is shared stays as it is.
  if ((stat.mode & 0o077) !== 0 && stat.uid === process.geteuid?.()) {
    try {
      if (readdirSync(path).every((name) => ownNames.test(name))) chmodSync(path, 0o700);
    } catch {
      // On a read-only disk that is the least of its troubles.
    }
  }
}

/** What we put there: journals, the lock, the note of what runs. */
const ownNames = /^(lock\.[\w.]+|running|[\w-]+\.journal(\.new|\.refused|\.damaged)?)$/;

/** The journal's path: readable as far as it goes, and another one for each runtime and socket. */
export function journalPath(directory: string, { runtime, socket }: JournalKey): string {
  const digest = createHash("sha256").update(`${runtime}\0${socket}`).digest("hex").slice(0, 16);
  return join(directory, `${runtime.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}-${digest}.journal`);
}

/** A socket's path without the links on the way to it, as `/var/run` is one: two names of one socket are one key. */
export function canonicalSocket(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/** Why a journal cannot be trusted, by its owner and mode; undefined when it can, or there is none. */
export function whyUntrusted(path: string): string | undefined {
  try {
    const stat = lstatSync(path);
    return stat.isFile() ? whyNotOurs(stat) : "is no plain file";
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Copies a journal that is damaged, for people to look at; undefined where there is no room for that. */
export function copyAside(path: string): string | undefined {
  const aside = `${path}.damaged`;
  try {
    copyFileSync(path, aside);
    return aside;
  } catch {
    rmSync(aside, { force: true });
    return undefined;
  }
}

/** Takes a journal that cannot be used out of the way. The latest one is kept, and each start tries whether it can be used. */
export function setAside(path: string): string {
  const aside = asideOf(path);
  renameSync(path, aside);
  return aside;
}

/** Where a journal is that was put aside. */
export function asideOf(path: string): string {
  return `${path}.refused`;
}

function whyNotOurs({ uid, mode }: Stats): string | undefined {
  if (uid !== 0 && uid !== process.geteuid?.()) return `is owned by user ${uid}`;
  return (mode & 0o022) !== 0 ? "can be written by others than its owner" : undefined;
}
