import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Daemon } from "./daemon.js";

/** A process of a daemon's namespace, numbered as inside. */
export interface InsideProcess {
  readonly pid: number;
  readonly parent: number;
  /** `Z` for a zombie. */
  readonly state: string;
  /** The name of its executable, at most 15 letters. */
  readonly command: string;
}

/** Every process in a daemon's namespace: the runtime, the bridge, plugins, shims and the pods' own. */
export function findProcesses(daemon: Daemon): InsideProcess[] {
  const proc = daemon.path("/proc");
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(join(proc, name, "stat"), "latin1");
        const [, command = ""] = /\((.*)\)/s.exec(stat) ?? [];
        const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return [{ pid: Number(name), parent: Number(parent), state, command }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}
