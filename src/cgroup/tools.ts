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
