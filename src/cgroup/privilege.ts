import { errorText } from "../base/errors.js";
import { findTool, startKeeper, systemPath } from "./keeper.js";

/** Whether captured views can be made here. `unproven`: why the trial came to no end; then a view tells. */
export type Privilege =
  | { readonly ok: true; readonly unproven?: string }
  | { readonly ok: false; readonly reason: string; readonly remedy: string };

/** Errors of a machine that forbids it. All others may be temporary, such as a shortage of namespaces (user.max_mnt_namespaces). */
const denials = /not permitted|denied|EPERM|EACCES|ENOENT|not found/i;

/**
 * Makes an empty view, since seccomp, AppArmor and SELinux can forbid what capabilities allow. It takes some 10 ms, leaves nothing
 * and never rejects.
 * @param withinMs a call of the runtime may wait for it; a machine that takes longer is busy, and forbids nothing
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
      `CAP_SYS_ADMIN, CAP_SYS_CHROOT or leave to unshare and mount is missing: ${said}`,
      "run the bridge as root; in a pod, set privileged: true, or a seccomp and AppArmor profile that allows unshare and mount",
    );
  }
}
