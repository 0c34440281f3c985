import type { Mount } from "../../host/mountinfo.js";
import type { BinaryFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { mountOf } from "./mounts.js";

/** A file past this is not looked into: no plugin is so large, and the doctor has to stay quick. */
const maxBytes = 256 * 1024 * 1024;
const elfMagic = Buffer.from("\x7fELF", "latin1");
const interpreterHeader = 3;

/** ELF machine numbers by Node's names of architectures (elf.h), with those that the same kernel runs besides. */
const machines: Readonly<Record<string, readonly number[]>> = {
  arm: [40],
  arm64: [183, 40],
  ia32: [3],
  loong64: [258],
  ppc64: [21],
  riscv64: [243],
  s390x: [22],
  x64: [62, 3],
};

/** Names that only cgroup v1 has: what a plugin that writes to it holds as text. */
const v1Names = [
  "cpu.cfs_quota_us",
  "cpu.cfs_period_us",
  "cpu.shares",
  "cpuacct.usage",
  "memory.limit_in_bytes",
  "memory.soft_limit_in_bytes",
  "memory.memsw.limit_in_bytes",
  "memory.kmem.limit_in_bytes",
  "blkio.weight",
  "blkio.throttle.",
  "net_cls.classid",
  "devices.allow",
  "freezer.state",
  "cgroup/cpu/",
  "cgroup/cpuset/",
  "cgroup/memory/",
  "cgroup/blkio/",
  "cgroup/pids/",
] as const;

/** Names that only cgroup v2 has. memory.max is the beginning of a v1 name too. */
const v2Names = [
  /cpu\.max(?!_)/,
  /cpu\.weight/,
  /memory\.max(?!_usage)/,
  /memory\.high/,
  /io\.max/,
  /cgroup\.subtree_control/,
] as const;

/** NRI v2's protobuf package, in the program of each plugin that registers with a runtime. */
const nri2Package = "nri.pkg.api.v1alpha1";

export interface BinarySearch {
  readonly arch: string;
  readonly mounts: readonly Mount[];
  /** The PATH that plugins get. */
  readonly searchPath: string;
}

/** Looks into an executable. Undefined when it cannot be read. */
export function readBinary(
  files: NodeFiles,
  path: string,
  { arch, mounts, searchPath }: BinarySearch,
): BinaryFacts | undefined {
  const stats = files.stat(path);
  if (stats === undefined || stats.size > maxBytes) return undefined;
  const bytes = files.readBytes(path);
  if (bytes === undefined) return undefined;
  const text = bytes.toString("latin1");
  const common = {
    v1Names: v1Names.filter((name) => text.includes(name)),
    v2Names: v2Names.flatMap((pattern) => pattern.exec(text)?.[0] ?? []),
    noexec: mountOf(mounts, path)?.options.includes("noexec") === true,
    speaksNri2: text.includes(nri2Package),
    program: undefined,
    programFound: true,
    carriageReturn: false,
  };
  if (bytes.subarray(0, 4).equals(elfMagic)) {
    const machine = bytes.length < 20 ? undefined : elfReader(bytes).u16(18);
    const interpreter = elfInterpreter(bytes);
    return {
      ...common,
      format: "elf",
      machine,
      ownMachine: machine !== undefined && (machines[arch]?.includes(machine) ?? true),
      interpreter,
      interpreterFound: interpreter === undefined || files.stat(interpreter) !== undefined,
    };
  }
  const [firstLine = ""] = text.slice(0, 256).split("\n", 1);
  const [, interpreter, rest = ""] = /^#![ \t]*([^ \t\r\0]+)(.*)$/s.exec(firstLine) ?? [];
  const program = interpreter?.endsWith("/env") === true ? programOf(rest) : undefined;
  return {
    ...common,
    format: interpreter === undefined ? "none" : "script",
    machine: undefined,
    ownMachine: true,
    interpreter,
    interpreterFound: interpreter === undefined || files.isExecutable(interpreter),
    program,
    programFound: program === undefined || isOnPath(files, program, searchPath),
    carriageReturn: interpreter !== undefined && firstLine.endsWith("\r"),
  };
}

/** The program that env(1) starts: the first word that is neither an option nor a variable. */
function programOf(rest: string): string | undefined {
  return rest.split(/[ \t\r]+/).find((word) => word !== "" && !word.startsWith("-") && !word.includes("="));
}

function isOnPath(files: NodeFiles, program: string, searchPath: string): boolean {
  if (program.includes("/")) return files.isExecutable(program);
  return searchPath.split(":").some((directory) => files.isExecutable(`${directory}/${program}`));
}

/** Whether an executable is a plugin of NRI v2. */
export function speaksNri2(files: NodeFiles, path: string): boolean {
  const size = files.stat(path)?.size ?? 0;
  return size <= maxBytes && files.readBytes(path)?.includes(nri2Package) === true;
}

/** Reads an ELF file's numbers in its own byte order. */
function elfReader(bytes: Buffer) {
  const little = bytes[5] === 1;
  const fits = (at: number, size: number) => at >= 0 && at + size <= bytes.length;
  return {
    u16: (at: number) => (fits(at, 2) ? (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)) : 0),
    u32: (at: number) => (fits(at, 4) ? (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)) : 0),
    // No plugin has offsets past 2^53.
    u64: (at: number) => (fits(at, 8) ? Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)) : 0),
  };
}

/** The dynamic loader that PT_INTERP names (elf.h: Elf64_Ehdr, Elf64_Phdr and their 32 bit forms). */
function elfInterpreter(bytes: Buffer): string | undefined {
  const { u16, u32, u64 } = elfReader(bytes);
  const wide = bytes[4] === 2;
  const [table, size, count] = wide ? [u64(32), u16(54), u16(56)] : [u32(28), u16(42), u16(44)];
  for (let at = table; at < table + size * Math.min(count, 256); at += Math.max(size, 1)) {
    if (u32(at) !== interpreterHeader) continue;
    const [offset, length] = wide ? [u64(at + 8), u64(at + 32)] : [u32(at + 4), u32(at + 16)];
    const path = bytes.subarray(offset, offset + Math.min(length, 4096)).toString("latin1");
    return path.split("\0")[0] || undefined;
  }
  return undefined;
}
