import {
  answerBytes,
  type Change,
  type MergedChange,
  mergeChanges,
  type ParsedAdjustment,
  parseAdjustment,
} from "../adjust/from-v01.js";
import type { Cgroups } from "../cgroup/cgroups.js";
import type { PluginSettings } from "../config/merge.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { parseVersion } from "../nri/versions.js";
import type { InvokeOutcome } from "../plugin/invoke.js";
import { parseResultExtensions } from "../v01/result-extensions.js";
import type { ChainCall } from "./chain.js";
import type { CgroupStage } from "./plugin-stage.js";

/** What the changes of a plugin run depend on, besides its result. */
export interface ChangeContext extends Readonly<PluginSettings["results"]> {
  readonly lostWrites: PluginSettings["lostWrites"];
  readonly runtime: RuntimeInfo;
  readonly cgroupVersion: Cgroups["version"];
  /** The plugin's captured cgroup view; what the plugin writes there counts as changes too. */
  readonly stage: CgroupStage | undefined;
  /** The bytes of the answer to the runtime that the earlier plugins of the chain have used. */
  readonly bytesTaken: number;
}

/** The changes that a run asks for, or the reason why they cannot be used; undefined when the bridge reads none from this run. */
export function readChange(
  call: Pick<ChainCall, "changesNothing" | "phase" | "request" | "target">,
  run: InvokeOutcome,
  context: ChangeContext,
): ParsedAdjustment | undefined {
  if (call.changesNothing || run.result === undefined) return undefined;
  const { runtime, cgroupVersion, stage, bytesTaken, rename, annotate, keep } = context;
  const captured = stage?.collect();
  // NRI v2 has no adjustments of sandboxes, and a plugin may print the same result for every request: for a sandbox, the bridge
  // uses only what the plugin writes to its cgroup view.
  const isSandbox = call.target.kind === "sandbox";
  const isDelete = call.request.state === "delete";
  const lostWrites = isSandbox || isDelete ? "warn" : context.lostWrites;
  const { resources, files = [], errors = [], lost = [] } = captured ?? {};
  const [fault] = isDelete ? [] : errors;
  if (fault !== undefined) return { ok: false, error: fault };
  const [first] = lostWrites === "fail" ? lost : [];
  if (first !== undefined) return { ok: false, error: `${first}, or set \`lostWrites: warn\` to go on without it` };
  if (isSandbox && captured === undefined) return undefined;
  const parsed = parseAdjustment(
    isSandbox ? { metadata: {} } : run.result,
    isSandbox ? { problems: [] } : parseResultExtensions(run.stdoutBytes),
    {
      plugin: run.plugin,
      phase: call.phase,
      nri: runtime.nri,
      runtime: { name: runtime.name, version: parseVersion(runtime.version) },
      cgroupVersion,
      containerId: call.request.id,
      ...(stage === undefined ? {} : { shownCgroupsPath: stage.request.spec.cgroupsPath }),
      rename,
      annotate,
      lostWrites,
      keep,
      bytesLeft: answerBytes - bytesTaken,
    },
    resources,
  );
  if (!parsed.ok) return parsed;
  const warnings = [...errors, ...lost].map((text) => ({ level: "warn", text }) as const);
  const { change } = parsed;
  const fields = [...change.fields, ...files.map(({ file }) => file)];
  return { ok: true, change: { ...change, fields, files, notes: [...change.notes, ...warnings] } };
}

/** What the bridge did with the changes that a chain made to the container's own cgroup in phase start. */
export interface AppliedOwn {
  /** The changes of the chain that remain, without the changes of the plugins in `leftOut`. */
  readonly change: MergedChange;
  /** Why the create fails; undefined when it does not. */
  readonly error?: string;
  /** The plugins whose changes the bridge left out since their onFailure lets the call go on, and why those changes failed. */
  readonly leftOut?: { readonly plugins: readonly string[]; readonly error: string };
}

/**
 * Writes a chain's changes of the container's own cgroup to the real cgroup, before the answer. When the kernel refuses a change,
 * the plugins that asked for changes of the cgroup have failed: the bridge leaves out every change of those whose failure does not
 * count, and tries again with the changes of the others.
 */
export function applyOwn(
  changes: readonly Change[],
  call: ChainCall,
  cgroups: Cgroups,
  counts: (plugin: string) => boolean,
): AppliedOwn {
  const { request, phase, kept: earlier } = call;
  const merge = (some: readonly Change[]) => mergeChanges(some, { phase, containerId: request.id, kept: earlier });
  const change = merge(changes);
  const isOwn = ({ own, files = [] }: Change) => own !== undefined || files.length > 0;
  const askers = changes.filter(isOwn);
  const files = askers.flatMap((asker) => asker.files ?? []);
  const cgroup = { ...request.spec, pid: request.pid };
  const fault = askers.length === 0 ? null : cgroups.apply(change.own ?? {}, files, cgroup);
  if (fault === null) return { change };
  const error = `the bridge cannot make these changes to the cgroup ${request.spec.cgroupsPath}: ${fault}`;
  const names = askers.map(({ plugin }) => plugin);
  const plugins = names.filter((plugin) => !counts(plugin));
  if (plugins.length === 0) return { change: merge([]), error: `plugin: ${names.join(", ")}: ${error}` };
  const kept = changes.filter((each) => !isOwn(each) || counts(each.plugin));
  return { ...applyOwn(kept, call, cgroups, counts), leftOut: { plugins, error } };
}
