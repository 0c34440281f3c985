import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./bridge.js";
import { listState, readJournals } from "./bridge-state.js";
import type { Daemon } from "./daemon.js";
import { findProcesses } from "./processes.js";

/**
 * What may live in a daemon's namespace when there is no pod: its first process, the runtime, the bridge, and shims, which
 * containerd forgets now and then when it is restarted (containerd#10421). From 24 on, Node calls itself by its main thread.
 */
const residents = /^(bash|containerd|containerd-shim|node|(node-)?MainThread)$/;

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
  const fifos = ["/etc", "/opt", "/var/lib/nri-v01-bridge", "/run/nri"].flatMap((directory) =>
    findFifos(daemon.path(directory)),
  );
  return [...fifos, ...readdirSync(temporaryDirectory(daemon))];
}

/** What does not belong into the state directory, by name, and what the journal still owes a delete. */
export function strayState(daemon: Daemon): string[] {
  const names = listState(daemon).filter((name) => !/^(containerd-[0-9a-f]{16}\.journal|lock\.\d+)$/.test(name));
  const owed = readJournals(daemon).filter(({ stage }) => stage !== "deleted");
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

function findFifos(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return findFifos(path);
      return entry.isFIFO() ? [path] : [];
    });
  } catch {
    return []; // There is no such directory, or it has gone.
  }
}
