import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { Deadline, within } from "../base/deadline.js";
import { attempt, errnoOf, errorText } from "../base/errors.js";
import { cgroupRoot } from "./controllers.js";

/** Whether captured views can be made here. */
export type Privilege =
  | {
      readonly ok: true;
      /** Why the trial came to no end; then a view tells. */
      readonly unproven?: string;
    }
  | {
      readonly ok: false;
      /** What is missing, for people. */
      readonly reason: string;
      readonly remedy: string;
    };

/** Bits of CapEff in /proc/<pid>/status, from linux/capability.h: setns into a mount namespace needs both. */
const capabilities = { CAP_SYS_CHROOT: 18n, CAP_SYS_ADMIN: 21n } as const;

/** What is said by a machine that is short of something, such as of namespaces (user.max_mnt_namespaces), and forbids nothing. */
const shortages = /No space left on device|Cannot allocate memory|Resource temporarily unavailable|Cannot fork/;

interface PrivilegeOptions {
  /** Where the system's programs are. */
  readonly path?: string;
  /** A call of the runtime may wait for the trial. A machine that takes longer is busy, and forbids nothing. */
  readonly withinMs?: number;
}

/**
 * Looks whether the bridge may make mount namespaces, and then makes one, because seccomp, AppArmor and SELinux forbid what
 * capabilities allow. Some 10 ms; leaves nothing.
 */
export async function checkPrivilege(options: PrivilegeOptions = {}): Promise<Privilege> {
  const { path = systemPath, withinMs = 500 } = options;
  const missing = missingCapabilities();
  if (missing.length > 0) {
    return denied(
      `the bridge lacks ${missing.join(" and ")}`,
      "run it as root on the node, or with privileged: true in a pod",
    );
  }
  const unshare = findTool("unshare", path);
  if (unshare === undefined || ["mount", "nsenter"].some((tool) => findTool(tool, path) === undefined)) {
    return denied("unshare, mount or nsenter of util-linux is not installed", "install util-linux");
  }
  // What a view does: a namespace, a tmpfs over the cgroup root, a file bound over one of the process's own in /proc, and a
  // program started by another name.
  const trial = [
    `mount -n -t tmpfs -o size=64k,mode=755 tmpfs ${cgroupRoot}`,
    `: >${cgroupRoot}/mountinfo`,
    `mount -n --bind ${cgroupRoot}/mountinfo /proc/$$/mountinfo`,
    "exec -a view /bin/sh -c :",
  ].join(" && ");
  const args = ["--mount", "--propagation", "slave", "--", ...namingShell(), "-c", trial];
  const { said, transient } = await tryOut(unshare, args, withinMs);
  if (said === undefined) return { ok: true };
  if (transient) return { ok: true, unproven: `the trial of unshare: ${said}` };
  return denied(
    `no mount namespace with a file system of its own can be made: ${said}`,
    "in a pod, set privileged: true, or a seccomp and AppArmor profile that allows unshare and mount",
  );
}

function denied(reason: string, why: string): Privilege {
  return { ok: false, reason, remedy: `${why}; or set cgroup: host` };
}

function missingCapabilities(): string[] {
  const status = attempt(() => readFileSync("/proc/self/status", "latin1"));
  // Without /proc the trial tells.
  if (status === undefined) return [];
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return Object.entries(capabilities)
    .filter(([, bit]) => ((effective >> bit) & 1n) === 0n)
    .map(([name]) => name);
}

/** What a machine has again later. */
const transientCodes: readonly string[] = ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"];

interface Trial {
  /** Why it did not succeed. */
  readonly said?: string;
  /** That says nothing of the machine, but that it is busy or short of something. */
  readonly transient?: boolean;
}

/** Runs a program of the system, and ends it when it takes longer, with all that it has started. Never rejects. */
async function tryOut(path: string, args: readonly string[], withinMs: number): Promise<Trial> {
  try {
    const child = spawn(path, [...args], {
      cwd: "/",
      env: toolEnvironment,
      stdio: ["ignore", "ignore", "pipe"],
      // A group of its own, to end.
      detached: true,
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<Trial>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, signal) => {
        const said = stderr.trim() || `it ended with ${status}`;
        if (status === 0) resolve({});
        else if (status === null) resolve({ said: `it was ended by ${signal}`, transient: true });
        else resolve({ said, transient: shortages.test(said) });
      });
    });
    return await within<Trial>(Deadline.after(withinMs), ended, () => {
      killGroup(child);
      child.stderr.destroy();
      return { said: `it did not end within ${withinMs} ms`, transient: true };
    });
  } catch (thrown) {
    return { said: errorText(thrown), transient: transientCodes.includes(errnoOf(thrown)) };
  }
}

/** Where a system keeps its own programs: never the PATH of plugins, which leads to what plugins install. */
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
  return attempt(() => accessSync(path, constants.X_OK) ?? true) ?? false;
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
