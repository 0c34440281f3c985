import { askedResources, type MergedChange } from "../adjust/from-v01.js";
import { errorText } from "../base/errors.js";
import { type Cgroups, withoutUnset } from "../cgroup/cgroups.js";
import type { CapturedChanges } from "../cgroup/diff.js";
import { cgroupSeen, type PluginSettings } from "../config/merge.js";
import type { Stage } from "../plugin/invoke.js";
import { layOver } from "../v01/resources.js";
import type { Request } from "../v01/types.js";
import type { ChainCall } from "./chain.js";

/** The captured cgroup view of one plugin run. */
export interface CgroupStage extends Stage {
  /** The request with the cgroupsPath that is valid in the view. */
  readonly request: Request;
  /** Reads what the plugin wrote into the view. */
  collect(): CapturedChanges;
  close(): void;
}

/**
 * Opens the view for one plugin run; undefined where the plugin sees the node's cgroups. The view already shows what the earlier
 * plugins of the chain asked for. On a machine that cannot create views, a plugin with `cgroup: auto` runs without one, and the log
 * says so once; a plugin with `cgroup: capture` fails.
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
    tellOnce(
      { reason, remedy },
      "the bridge cannot make captured cgroup views on this node: plugins with cgroup: auto see the node's cgroups",
    );
    return undefined;
  }
  const { cgroupsPath, resources } = request.spec;
  const soFar = askedResources(changed(), request.id);
  // During an update, the cgroup does not have the requested values yet, and the runtime will set every value of the spec
  // afterwards. The view starts from those values, so that each later difference is the plugin's.
  const asked = call.phase === "update" ? layOver(withoutUnset(resources ?? {}), soFar) : soFar;
  // These events come when the cgroup is gone or about to go, so the view shows the values of the request.
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
      // A process that the spawner keeps ready waits outside of every view, so a run in a view cannot use it.
      command: (command) => ({ ...view.command(command), startAhead: undefined }),
      startError: (stderr) => view.startError(stderr),
      collect() {
        try {
          return view.collect();
        } catch (error) {
          // Whatever the plugin did to make the view unreadable is the plugin's failure, not the call's.
          const errors = [`the bridge cannot read the plugin's captured cgroup view: ${errorText(error)}`];
          return { resources: {}, files: [], errors, lost: [] };
        }
      },
      close: () => view.close(),
    };
  } catch (error) {
    return { error: `the bridge cannot make the plugin's captured cgroup view: ${errorText(error)}` };
  }
}
