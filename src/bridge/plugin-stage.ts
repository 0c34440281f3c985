import { askedResources, type MergedChange } from "../adjust/from-v01.js";
import { errorText } from "../base/errors.js";
import { type Cgroups, withoutUnset } from "../cgroup/cgroups.js";
import type { CapturedChanges } from "../cgroup/diff.js";
import { cgroupSeen, type PluginSettings } from "../config/merge.js";
import type { Stage } from "../plugin/invoke.js";
import { layOver } from "../v01/resources.js";
import type { Request } from "../v01/types.js";
import type { ChainCall } from "./chain.js";

/** A plugin's captured cgroup view, for one run. */
export interface CgroupStage extends Stage {
  /** The request as it is true there. */
  readonly request: Request;
  /** The writes of the plugin. */
  collect(): CapturedChanges;
  close(): void;
}

/**
 * Opens the view for one run of a chain, where the plugin sees one, with what the plugins before it asked for already in it. In
 * `auto` a machine that can make no views runs the plugin as it is, and it is said once; in `capture` that is the plugin's failure.
 */
export async function openStage(
  call: ChainCall,
  settings: PluginSettings,
  changed: () => MergedChange,
  cgroups: Cgroups,
  tellOnce: (fields: object, sentence: string) => void,
): Promise<CgroupStage | { readonly error: string } | undefined> {
  if (cgroupSeen({ cgroup: settings.cgroup, phase: call.phase }) !== "capture") return undefined;
  const { request } = call;
  const privilege = settings.cgroup === "auto" ? await cgroups.privilege() : undefined;
  if (privilege?.ok === false) {
    const { reason, remedy } = privilege;
    tellOnce({ reason, remedy }, "cannot capture cgroup writes on this node: plugins see the node's cgroups");
    return undefined;
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
      collect() {
        try {
          return view.collect();
        } catch (error) {
          // It cannot be read back for whatever the plugin made of it: that is the plugin's failure, not the call's.
          const errors = [`the bridge cannot read the plugin's cgroup view: ${errorText(error)}`];
          return { resources: {}, files: [], errors, lost: [] };
        }
      },
      close: () => view.close(),
    };
  } catch (error) {
    return { error: `the bridge cannot make the plugin's cgroup view: ${errorText(error)}` };
  }
}
