import type { NodeFiles } from "../node-files.js";

/** A process as /proc shows it. */
export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Its executable as the node names it; "" when it cannot be read. */
  readonly exe: string;
  /** The executable was replaced or removed since it was started. */
  readonly replaced: boolean;
  readonly uid: number;
}

const deletedMark = " (deleted)";

/** Every process that can be seen, by pid. */
export function listProcesses(files: NodeFiles): readonly ProcessFacts[] {
  return files
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((pid) => {
      const command = files.readText(`/proc/${pid}/comm`)?.trim();
      if (command === undefined) return [];
      const args = argsOf(files, pid);
      // Another user's link cannot be read; what has no arguments either has ended, or is the kernel's.
      const link = files.link(`/proc/${pid}/exe`) ?? args[0];
      if (link === undefined) return [];
      return [
        {
          pid,
          command,
          args,
          exe: link.endsWith(deletedMark) ? link.slice(0, -deletedMark.length) : link,
          replaced: link.endsWith(deletedMark),
          uid: files.stat(`/proc/${pid}`)?.uid ?? -1,
        },
      ];
    });
}

function argsOf(files: NodeFiles, pid: number): string[] {
  const text = files.readText(`/proc/${pid}/cmdline`) ?? "";
  return text.split("\0").filter((arg) => arg !== "");
}

/** A variable that a process was started with; "" when it has none, undefined when its environment cannot be read. */
export function variableOf(files: NodeFiles, pid: number, name: string): string | undefined {
  const text = files.readText(`/proc/${pid}/environ`);
  if (text === undefined) return undefined;
  const entry = text.split("\0").find((line) => line.startsWith(`${name}=`));
  return entry === undefined ? "" : entry.slice(name.length + 1);
}

/** The value of `--flag value`, `--flag=value` or their short form. */
export function flagOf(args: readonly string[], ...flags: readonly string[]): string | undefined {
  for (const [at, arg] of args.entries()) {
    for (const flag of flags) {
      if (arg === flag) return args[at + 1];
      if (arg.startsWith(`${flag}=`)) return arg.slice(flag.length + 1);
    }
  }
  return undefined;
}
