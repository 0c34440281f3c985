import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./bridge.js";
import { readJournalsIn, stateDirectory } from "./bridge-state.js";
import type { Daemon } from "./daemon.js";

/**
 * What may live in a daemon's namespace when there is no pod: its first process, the runtime, the bridge, and shims, which
 * containerd forgets now and then when it is restarted (containerd#10421). From 24 on, Node calls itself by its main thread.
 */
const residents = /^(bash|containerd|containerd-shim|node|(node-)?MainThread)$/;

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
        const [, command = "", state = "", parent = ""] = /\((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
        return [{ pid: Number(name), parent: Number(parent), state, command }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

/** Processes that are nobody's any more: plugins, containers, zombies. */
export function strayProcesses(daemon: Daemon): string[] {
  return findProcesses(daemon)
    .filter(({ command, state }) => !residents.test(command) || state === "Z")
    .map(({ pid, parent, state, command }) => `${command} (${pid}, child of ${parent}, ${state})`);
}

/** The mounts of a daemon's namespace. */
export function listMounts(daemon: Daemon): string[] {
  return readFileSync(daemon.path("/proc/1/mounts"), "utf8")
    .split("\n")
    .map((line) => line.split(" ").slice(0, 3).join(" "))
    .sort();
}

/** FIFOs where the bridge, its plugins and their installers write, and whatever is in its temporary directory. */
export function strayFiles(daemon: Daemon): string[] {
  const fifos = ["/etc", "/opt", "/var/lib/nri-v01-bridge", "/run/nri"].flatMap((directory) => {
    const path = daemon.path(directory);
    const entries = existsSync(path) ? readdirSync(path, { withFileTypes: true, recursive: true }) : [];
    return entries.filter((entry) => entry.isFIFO()).map(({ name, parentPath }) => join(parentPath, name));
  });
  return [...fifos, ...readdirSync(temporaryDirectory(daemon))];
}

/** What does not belong into the state directory, by name, and what the journal still owes a delete. */
export function strayState(daemon: Daemon): string[] {
  const directory = daemon.path(stateDirectory);
  const names = readdirSync(directory).filter(
    (name) => !/^(containerd-[0-9a-f]{16}\.journal|lock\.\d+|status\.json)$/.test(name),
  );
  const owed = readJournalsIn(directory).filter(({ stage }) => stage !== "deleted");
  return [...names, ...owed.map(({ remembered, stage }) => `${stage}: ${remembered.kind} ${remembered.id}`)];
}

/** How many of a process's descriptors, /proc/<pid>/fd, watch another process. */
export function pidfdsOf(directory: string): number {
  return readdirSync(directory).filter((fd) => {
    try {
      return readlinkSync(join(directory, fd)).includes("pidfd");
    } catch {
      return false;
    }
  }).length;
}
