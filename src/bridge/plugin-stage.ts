import { askedResources, type MergedChange } from "../adjust/from-v01.js";
import { errorText } from "../base/errors.js";
import { type Cgroups, withoutUnset } from "../cgroup/cgroups.js";
import type { CapturedChanges } from "../cgroup/diff.js";
import type { View } from "../cgroup/view.js";
import { cgroupSeen, type PluginSettings } from "../config/merge.js";
import type { Stage } from "../plugin/invoke.js";
import { layOver } from "../v01/resources.js";
import type { ChainCall } from "./chain.js";

/** A plugin's captured cgroup view, for one run. */
export interface CgroupStage extends Stage {
  /** What the plugin wrote. */
  collect(): CapturedChanges;
}

/**
 * Whether a plugin sees a captured view. `auto`: only before the container exists, since there is no cgroup then; a plugin
 * that knows cgroup v2 must see the real thing.
 */
function isCaptured(settings: PluginSettings, call: ChainCall): boolean {
  return cgroupSeen({ cgroup: settings.cgroup, phase: call.phase }) === "capture";
}

/**
 * Opens the view for one run of a chain, with what the plugins before it asked for already in it.
 *
 * In `auto` a machine that can make no views runs the plugin as it is, and it is said once; in `capture` that is the plugin's
 * failure.
 */
export async function openStage(
  call: ChainCall,
  settings: PluginSettings,
  changed: () => MergedChange,
  cgroups: Cgroups,
  tellOnce: (fields: object, sentence: string) => void,
): Promise<CgroupStage | { readonly error: string } | undefined> {
  if (!isCaptured(settings, call)) return undefined;
  const { request } = call;
  if (settings.cgroup === "auto") {
    const privilege = await cgroups.privilege();
    if (!privilege.ok) {
      const { reason, remedy } = privilege;
      tellOnce({ reason, remedy }, "cgroup writes cannot be captured here: plugins see the node's cgroups");
      return undefined;
    }
  }
  const { cgroupsPath, resources } = request.spec;
  const soFar = askedResources(changed(), request.id);
  // The cgroup does not have yet what an update asks for, and the runtime will set all that the spec says: against that it
  // shows what a plugin changes.
  const asked = call.phase === "update" ? layOver(withoutUnset(resources ?? {}), soFar) : soFar;
  // These come when the cgroup is gone or going: the view is as the request says.
  const isGoing = request.state === "delete" || call.event.startsWith("Remove");
  try {
    const view = await cgroups.openView({
      cgroupsPath,
      resources,
      pid: isGoing ? 0 : request.pid,
      asked,
      phase: call.phase,
    });
    return {
      request: { ...request, spec: { ...request.spec, cgroupsPath: view.cgroupsPath } },
      // A process that the spawner keeps ahead is in no view, or would be in that of another run; it waits for those outside.
      command: (command) => ({ ...view.command(command), startAhead: undefined }),
      startError: (stderr) => view.startError(stderr),
      collect: () => collectFrom(view),
      close: () => view.close(),
    };
  } catch (error) {
    return { error: `its cgroup view cannot be made: ${errorText(error)}` };
  }
}

/** What cannot be read back for whatever a plugin made of its view is the plugin's failure, not the call's. */
function collectFrom(view: View): CapturedChanges {
  try {
    return view.collect();
  } catch (error) {
    return { resources: {}, files: [], errors: [`its cgroup view cannot be read: ${errorText(error)}`], lost: [] };
  }
}
