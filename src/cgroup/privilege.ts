import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { type Entrance, findEntrances } from "./enter.js";
import { cgroupRoot } from "./mountinfo.js";
import { findTool, toolEnvironment } from "./tools.js";

/** Whether captured views can be made here, and by which way plugins enter them. */
export type Privilege =
  | { readonly ok: true; readonly entrance: Entrance }
  | {
      readonly ok: false;
      /** What is missing, for people. */
      readonly reason: string;
      readonly remedy: string;
    };

/** Bits of CapEff in /proc/<pid>/status, from linux/capability.h: setns into a mount namespace needs both. */
const capabilities = { CAP_SYS_CHROOT: 18n, CAP_SYS_ADMIN: 21n } as const;

const trialTimeoutMs = 5_000;

/**
 * Looks whether the bridge may make mount namespaces, and then makes one, because seccomp, AppArmor and SELinux forbid what
 * capabilities allow. Some 10 ms, once at start-up; leaves nothing.
 */
export function checkPrivilege(entrances: readonly Entrance[] = findEntrances()): Privilege {
  const missing = missingCapabilities();
  if (missing.length > 0) {
    return denied(
      `the bridge lacks ${missing.join(" and ")}`,
      "run it as root on the node, or with privileged: true in a pod",
    );
  }
  const unshare = findTool("unshare");
  if (unshare === undefined || findTool("mount") === undefined) {
    return denied("unshare and mount of util-linux are not installed", "install util-linux");
  }
  const [entrance] = entrances;
  if (entrance === undefined) {
    return denied("neither Perl nor nsenter of util-linux is installed", "install one of them");
  }
  // What a view does: a namespace, a tmpfs over the cgroup root, and a file bound over one of the process's own in /proc.
  const trial = [
    `mount -n -t tmpfs -o size=64k,mode=755 tmpfs ${cgroupRoot}`,
    `: >${cgroupRoot}/mountinfo`,
    `mount -n --bind ${cgroupRoot}/mountinfo /proc/$$/mountinfo`,
  ].join(" && ");
  const run = spawnSync(unshare, ["--mount", "--propagation", "slave", "--", "/bin/sh", "-c", trial], {
    cwd: "/",
    env: toolEnvironment,
    encoding: "utf8",
    timeout: trialTimeoutMs,
  });
  if (run.status === 0) return { ok: true, entrance };
  const said = run.error?.message ?? (run.stderr.trim() || `it ended with ${run.signal ?? run.status}`);
  return denied(
    `no mount namespace with a file system of its own can be made: ${said}`,
    "in a pod, set privileged: true, or a seccomp and AppArmor profile that allows unshare and mount",
  );
}

function denied(reason: string, why: string): Privilege {
  return { ok: false, reason, remedy: `${why}; or set cgroup: host` };
}

function missingCapabilities(): string[] {
  let effective: bigint;
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  } catch {
    // Without /proc the trial tells.
    return [];
  }
  return Object.entries(capabilities)
    .filter(([, bit]) => ((effective >> bit) & 1n) === 0n)
    .map(([name]) => name);
}
