import { readdirSync, readSync } from "node:fs";
import { attempt } from "../base/errors.js";
import { closing, openRegularFile } from "../base/files.js";

/** The kernel looks at this many bytes of a file to find its format (BINPRM_BUF_SIZE). */
const headBytes = 256;
const elfMagic = Buffer.from("\x7fELF", "latin1");
const minElfBytes = 52;
const binfmtDirectory = "/proc/sys/fs/binfmt_misc";

/** The ELF machine numbers (elf.h) that the kernel of each architecture executes; the keys are values of Node's `process.arch`. */
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
 * compat: containerd 1.6 failed with `exec format error` for such a file. Node starts processes by glibc's execvp, which runs such
 * a file with /bin/sh instead: a script without a shebang would run, and an empty file would succeed.
 */
export function hasUnknownFormat(path: string): boolean {
  const head = readHead(path);
  // The bridge cannot read the file: the kernel decides when the bridge executes it.
  if (head === null) return false;
  return parseShebang(head) === null && !isExecutableElf(head);
}

/** The first bytes of a file, as many as the kernel looks at to execute it; null when the bridge cannot read the file. */
export function readHead(path: string): Buffer | null {
  const head = Buffer.alloc(headBytes);
  const size = attempt(() =>
    closing(openRegularFile(path).descriptor, (descriptor) => readSync(descriptor, head, 0, headBytes, 0)),
  );
  return size === undefined ? null : head.subarray(0, size);
}

/** The interpreter that the first line of a script names. */
export interface Shebang {
  readonly interpreter: string;
  /** The rest of the line; the kernel passes it to the interpreter as one argument. */
  readonly argument: string;
}

/** Reads a script's first line as the kernel does (fs/binfmt_script.c); null when the line names no interpreter. */
export function parseShebang(head: Buffer): Shebang | null {
  const [line = ""] = head.toString("latin1").split(/[\n\0]/, 1);
  const [, interpreter, argument = ""] = /^#![ \t]*([^ \t]+)[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
  return interpreter === undefined ? null : { interpreter, argument };
}

function isExecutableElf(head: Buffer): boolean {
  if (head.length < minElfBytes || !head.subarray(0, 4).equals(elfMagic)) return false;
  const machine = head[5] === 1 ? head.readUInt16LE(18) : head.readUInt16BE(18);
  return elfMachines[process.arch]?.includes(machine) !== false || hasBinfmtEntries();
}

/** Whether binfmt_misc has interpreters, such as qemu for another machine's ELF files: the kernel may then execute the file. */
function hasBinfmtEntries(): boolean {
  return attempt(() => readdirSync(binfmtDirectory).some((name) => name !== "register" && name !== "status")) ?? false;
}
