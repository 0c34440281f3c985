import type { ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";

/** Where a system keeps its own programs: never the PATH of plugins, which leads to what plugins install. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of the programs that a view is made with. */
export const toolEnvironment: Readonly<Record<string, string>> = { PATH: systemPath, LC_ALL: "C" };

/** Finds a program of the system. */
export function findTool(name: string, path = systemPath): string | undefined {
  return path
    .split(":")
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Ends a child that leads a group, with the group. Once it has ended, its number may be another's. */
export function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  try {
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended.
  }
}

/** A shell that can name what it becomes, with what it needs to read no file and no function from its environment. */
export function namingShell(): readonly [path: string, ...args: string[]] {
  const bash = findTool("bash");
  return bash === undefined ? ["/bin/sh"] : [bash, "--norc", "-p"];
}
