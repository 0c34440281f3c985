import type { Mount } from "../../../host/mountinfo.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { elfMachines } from "../../../plugin/executable-format.js";
import { mountOf } from "./mounts.js";

/** What a look into an executable tells. */
export interface BinaryFacts {
  readonly format: "elf" | "script" | "none";
  /** The e_machine of an ELF file that the kernel of this machine does not run. */
  readonly foreignMachine: number | undefined;
  /**
   * What it needs and is not there: a script's interpreter, an ELF's dynamic loader, or the program that env(1), the interpreter
   * of the script, is to find on PATH.
   */
  readonly missing: string | undefined;
  /** The script's first line ends with a carriage return, which the kernel takes for a part of it. */
  readonly carriageReturn: boolean;
  /** Names of cgroup v1's files that stand in it. */
  readonly v1Names: readonly string[];
  /** It holds such names, and none of cgroup v2. */
  readonly v1Only: boolean;
  /** Its file system is mounted noexec. */
  readonly noexec: boolean;
  /** It speaks NRI v2: a plugin of the runtime's, and none of v0.1. */
  readonly speaksNri2: boolean;
}

/** A file past this is not looked into: no plugin is so large, and the doctor has to stay quick. */
const maxBytes = 256 * 1024 * 1024;
const elfMagic = Buffer.from("\x7fELF", "latin1");

/** Names that only cgroup v1 has: what a plugin that writes to it holds as text. */
const v1Pattern =
  /cpu\.cfs_(quota|period)_us|cpu\.shares|cpuacct\.usage|memory\.(soft_|memsw\.|kmem\.)?limit_in_bytes|blkio\.(weight|throttle\.)|net_cls\.classid|devices\.allow|freezer\.state|cgroup\/(cpu|cpuset|memory|blkio|pids)\//g;

/** Names that only cgroup v2 has. memory.max is the beginning of a v1 name too. */
const v2Pattern = /cpu\.(max(?!_)|weight)|memory\.(max(?!_usage)|high)|io\.max|cgroup\.subtree_control/;

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
  const names = [...new Set(text.match(v1Pattern))];
  const common = {
    v1Names: names,
    v1Only: names.length > 0 && !v2Pattern.test(text),
    noexec: mountOf(mounts, path)?.options.includes("noexec") === true,
    speaksNri2: text.includes(nri2Package),
  };
  if (bytes.subarray(0, 4).equals(elfMagic)) {
    const machine = bytes.length < 20 ? 0 : bytes[5] === 1 ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
    // What PT_INTERP names: linkers put it behind the program headers.
    const loader = /\/[\w./-]*\/ld[\w.-]*\.so(\.\d+)?(?=\0)/.exec(text.slice(0, 4096))?.[0];
    return {
      ...common,
      format: "elf",
      foreignMachine: elfMachines[arch]?.includes(machine) === false ? machine : undefined,
      missing: loader === undefined || files.stat(loader) !== undefined ? undefined : loader,
      carriageReturn: false,
    };
  }
  const [firstLine = ""] = text.slice(0, 256).split("\n", 1);
  const [, interpreter, rest = ""] = /^#![ \t]*([^ \t\r\0]+)(.*)$/s.exec(firstLine) ?? [];
  const program = interpreter?.endsWith("/env") === true ? programOf(rest) : undefined;
  const needed = [
    ...(interpreter === undefined || files.isExecutable(interpreter) ? [] : [interpreter]),
    ...(program === undefined || isOnPath(files, program, searchPath) ? [] : [program]),
  ];
  return {
    ...common,
    format: interpreter === undefined ? "none" : "script",
    foreignMachine: undefined,
    missing: needed[0],
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
