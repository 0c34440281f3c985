import { errorText } from "../base/errors.js";
import { findTool, startKeeper, systemPath } from "./keeper.js";

/**
 * Whether the bridge can make captured views here. `unproven`: the error of a trial that failed for a reason that may be temporary;
 * then only a real view shows whether the machine allows views.
 */
export type Privilege =
  | { readonly ok: true; readonly unproven?: string }
  | { readonly ok: false; readonly reason: string; readonly remedy: string };

/**
 * The errors of a machine that forbids views. All other errors may be temporary, such as a shortage of namespaces
 * (user.max_mnt_namespaces).
 */
const denials = /not permitted|denied|EPERM|EACCES|ENOENT|not found/i;

/**
 * Tries to make an empty view, since seccomp, AppArmor and SELinux can forbid what capabilities allow. The trial takes some 10 ms
 * and leaves nothing behind. Never rejects.
 * @param withinMs the time limit of the trial, for which a call of the runtime may wait; a machine that takes longer is busy, which
 * does not mean that it forbids views
 */
export async function checkPrivilege({ path = systemPath, withinMs = 500 } = {}): Promise<Privilege> {
  const denied = (reason: string, why: string) =>
    ({ ok: false, reason, remedy: `${why}; or set cgroup: host` }) as const;
  if (["unshare", "mount", "nsenter", "mkfifo"].some((tool) => findTool(tool, path) === undefined)) {
    return denied("unshare, mount, nsenter or mkfifo is not installed", "install util-linux and coreutils");
  }
  try {
    await (await startKeeper([], path, withinMs)).close();
    return { ok: true };
  } catch (thrown) {
    const said = errorText(thrown);
    if (!denials.test(said)) return { ok: true, unproven: said };
    return denied(
      `CAP_SYS_ADMIN, CAP_SYS_CHROOT or the permission to unshare and mount is missing: ${said}`,
      "run the bridge as root; in a pod, set privileged: true, or a seccomp and AppArmor profile that allows unshare and mount",
    );
  }
}
