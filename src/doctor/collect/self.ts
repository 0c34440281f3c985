import { execFileSync } from "node:child_process";
import type { Facts, SelfFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { findFaultBelow } from "../permissions.js";
import type { ProcessFacts } from "./processes.js";

const versionTimeoutMs = 5000;

/** What we are: Node and user. */
export function readSelf(): SelfFacts {
  return {
    nodeVersion: process.versions.node,
    arch: process.arch,
    uid: process.geteuid?.() ?? 0,
  };
}

/**
 * Asks a runtime's file for its version: `here` is where we see the node's `path`. One that somebody else than root can write
 * is not started.
 */
export function askVersion(here: string, files: NodeFiles, path: string, run = runForVersion): string {
  try {
    // The link below /proc is the file of a process of root's, whatever now lies at its name.
    const running = /\/proc\/\d+\/exe$/.test(here);
    if (!running && findFaultBelow(files, path) !== null) return "";
    return run(here);
  } catch {
    return "";
  }
}

function runForVersion(file: string): string {
  return execFileSync(file, ["--version"], {
    encoding: "utf8",
    timeout: versionTimeoutMs,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** Processes that run v0.1 plugins under NRI v2: the bridge itself, and containerd's Go adapter. */
export function adaptersAmong(processes: readonly ProcessFacts[], ownPid: number): Facts["adapters"] {
  return processes.flatMap(({ pid, args, exe }) => {
    if (pid === ownPid) return [];
    // As `node --v8-pool-size=1 nri-v01-bridge.mjs`, the launcher's and the image's form: flags come before the program.
    const program = args.findIndex((arg, at) => at > 0 && !arg.startsWith("-"));
    const names = [exe, ...args.slice(0, 1), ...args.slice(program < 0 ? 1 : program).slice(0, 1)].map((path) =>
      path.slice(path.lastIndexOf("/") + 1),
    );
    if (names.some((name) => name.includes("v010-adapter"))) return [{ pid, name: "v010-adapter" }];
    const at = args.findIndex((arg) => /(^|\/)(nri-v01-bridge(\.mjs)?|\d\d-v01-bridge)$/.test(arg));
    const verb = args[at + 1];
    const runs = verb === undefined || verb === "run" || verb.startsWith("-");
    return (at === 0 || at === program) && at >= 0 && runs ? [{ pid, name: "nri-v01-bridge" }] : [];
  });
}
