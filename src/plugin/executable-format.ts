import { closeSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { openRegularFile } from "../base/files.js";

/** As much as the kernel looks at (BINPRM_BUF_SIZE). */
const headBytes = 256;
const elfMagic = Buffer.from("\x7fELF", "latin1");
const minElfBytes = 52;
const binfmtDirectory = "/proc/sys/fs/binfmt_misc";

/** ELF machine numbers (elf.h) that the kernel of an architecture runs, by Node's names of those. */
export const elfMachines: Readonly<Record<string, readonly number[]>> = {
  arm: [40],
  arm64: [183, 40],
  ia32: [3],
  loong64: [258],
  ppc64: [21],
  riscv64: [243],
  s390x: [22],
  x64: [62, 3],
};

/**
 * Whether execve would refuse a file with ENOEXEC.
 *
 * compat: containerd 1.6 failed with `exec format error` there. Node starts processes by glibc's execvp, which gives such
 * a file to /bin/sh instead: a script without a shebang would run, and an empty file succeed.
 */
export function hasUnknownFormat(path: string): boolean {
  const head = readHead(path);
  // What we cannot read, the kernel judges.
  if (head === null) return false;
  if (parseShebang(head) !== null || isOwnElf(head)) return false;
  return !isRegistered(path, head);
}

/** As much of a file as the kernel looks at to execute it; null when we cannot read it. */
export function readHead(path: string): Buffer | null {
  try {
    const { descriptor } = openRegularFile(path);
    try {
      const head = Buffer.alloc(headBytes);
      return head.subarray(0, readSync(descriptor, head, 0, headBytes, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return null;
  }
}

/** What the first line of a script names. */
export interface Shebang {
  readonly interpreter: string;
  /** The rest of the line is one argument. */
  readonly argument: string;
}

/** Reads the first line as the kernel does (fs/binfmt_script.c); null when that is none of a script. */
export function parseShebang(head: Buffer): Shebang | null {
  const [line = ""] = head.toString("latin1").split(/[\n\0]/, 1);
  const [, interpreter, argument = ""] = /^#![ \t]*([^ \t]+)[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
  return interpreter === undefined ? null : { interpreter, argument };
}

function isOwnElf(head: Buffer): boolean {
  if (head.length < minElfBytes || !head.subarray(0, 4).equals(elfMagic)) return false;
  const known = elfMachines[process.arch];
  if (known === undefined) return true;
  const littleEndian = head[5] === 1;
  return known.includes(littleEndian ? head.readUInt16LE(18) : head.readUInt16BE(18));
}

/** Whether binfmt_misc has an interpreter for it, such as qemu for a foreign machine's ELF. */
function isRegistered(path: string, head: Buffer): boolean {
  try {
    if (!readFileSync(join(binfmtDirectory, "status"), "latin1").startsWith("enabled")) return false;
    return readdirSync(binfmtDirectory)
      .filter((name) => name !== "register" && name !== "status")
      .some((name) => matchesEntry(readFileSync(join(binfmtDirectory, name), "latin1"), path, head));
  } catch {
    return false;
  }
}

/** An entry as the kernel shows it: `enabled`, `offset 0`, `magic 7f454c46…`, `mask ff…` or `extension .x`. */
function matchesEntry(entry: string, path: string, head: Buffer): boolean {
  if (!entry.startsWith("enabled")) return false;
  const field = (name: string): string | undefined => new RegExp(`^${name} (\\S+)$`, "m").exec(entry)?.[1];
  const extension = field("extension");
  if (extension !== undefined) return path.endsWith(extension);
  const magic = Buffer.from(field("magic") ?? "", "hex");
  const mask = Buffer.from(field("mask") ?? "", "hex");
  const offset = Number(field("offset") ?? 0);
  return magic.every((byte, i) => byte === ((head[offset + i] ?? 0) & (mask[i] ?? 0xff)));
}
