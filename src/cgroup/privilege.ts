import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { Deadline, within } from "../base/deadline.js";
import { attempt, errorText } from "../base/errors.js";
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

interface PrivilegeOptions {
  /** Where the system's programs are. */
  readonly path?: string;
  /** A call of the runtime may wait for the trial. A machine that takes longer is busy, and forbids nothing. */
  readonly withinMs?: number;
}

/** What a machine says that forbids it. All else may pass, such as a shortage of namespaces (user.max_mnt_namespaces). */
const denials = /not permitted|denied|EPERM|EACCES|ENOENT/i;

/**
 * Makes a mount namespace: seccomp, AppArmor and SELinux forbid what capabilities allow. Some 10 ms; leaves nothing. Never
 * rejects.
 */
export async function checkPrivilege(options: PrivilegeOptions = {}): Promise<Privilege> {
  const { path = systemPath, withinMs = 500 } = options;
  const denied = (reason: string, why: string) =>
    ({ ok: false, reason, remedy: `${why}; or set cgroup: host` }) as const;
  const unshare = findTool("unshare", path);
  if (unshare === undefined || ["mount", "nsenter"].some((tool) => findTool(tool, path) === undefined)) {
    return denied("unshare, mount or nsenter of util-linux is not installed", "install util-linux");
  }
  // What a view does: a namespace that is entered, a tmpfs over the cgroup root, a file bound over one of the process's own in
  // /proc, and a program started by another name.
  const trial = [
    `mount -n -t tmpfs -o size=64k,mode=755 tmpfs ${cgroupRoot}`,
    `: >${cgroupRoot}/mountinfo`,
    `mount -n --bind ${cgroupRoot}/mountinfo /proc/$$/mountinfo`,
    "exec -a view nsenter --mount=/proc/self/ns/mnt /bin/sh -c :",
  ].join(" && ");
  const said = await tryOut(unshare, [...newNamespace, ...namingShell(), "-c", trial], withinMs);
  if (said === undefined) return { ok: true };
  if (!denials.test(said)) return { ok: true, unproven: `the trial of unshare: ${said}` };
  return denied(
    `no mount namespace with a file system of its own can be made (CAP_SYS_ADMIN, CAP_SYS_CHROOT): ${said}`,
    "run the bridge as root; in a pod, set privileged: true, or a seccomp and AppArmor profile that allows unshare and mount",
  );
}

/** Runs a program of the system, and ends it when it takes longer, with all that it has started. Gives why it did not succeed. */
async function tryOut(path: string, args: readonly string[], withinMs: number): Promise<string | undefined> {
  try {
    const child = spawn(path, args, { ...ofTool, stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = new Promise<string | undefined>((resolve) => {
      child.once("error", (error) => resolve(errorText(error)));
      child.once("close", (status, signal) =>
        resolve(status === 0 ? undefined : stderr.trim() || `it ended with ${signal ?? status}`),
      );
    });
    return await within(Deadline.after(withinMs), ended, () => {
      killGroup(child);
      child.stderr.destroy();
      return `it did not end within ${withinMs} ms`;
    });
  } catch (thrown) {
    return errorText(thrown);
  }
}

/** Where a system keeps its own programs: never the PATH of plugins, which leads to what plugins install. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How the programs run that a view is made with: with no secret, and not in our terminal's group, whose interrupts are for us. */
export const ofTool = { cwd: "/", env: { PATH: systemPath, LC_ALL: "C" }, detached: true } as const;

/** Of unshare. Slave: what the machine mounts later is seen here, and what it unmounts is not kept busy by us. */
export const newNamespace = ["--mount", "--propagation", "slave", "--"] as const;

/** Finds a program of the system. */
export function findTool(name: string, path = systemPath): string | undefined {
  const isExecutable = (file: string) => attempt(() => accessSync(file, constants.X_OK) ?? true) ?? false;
  return path
    .split(":")
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

/** Ends a child that leads a group, with the group. Once it has ended, its number may be another's. */
export function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) attempt(() => process.kill(-pid, "SIGKILL"));
}

/** A shell that can name what it becomes, with what it needs to read no file and no function from its environment. */
export function namingShell(): readonly [path: string, ...args: string[]] {
  const bash = findTool("bash");
  return bash === undefined ? ["/bin/sh"] : [bash, "--norc", "-p"];
}
