import {
  answerBytes,
  type Change,
  type MergedChange,
  mergeChanges,
  type ParsedAdjustment,
  parseAdjustment,
} from "../adjust/from-v01.js";
import type { Cgroups } from "../cgroup/cgroups.js";
import type { CapturedChanges } from "../cgroup/diff.js";
import type { PluginSettings } from "../config/merge.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { parseVersion } from "../nri/versions.js";
import type { InvokeOutcome } from "../plugin/invoke.js";
import { parseResultExtensions } from "../v01/result-extensions.js";
import type { ChainCall } from "./chain.js";
import type { CgroupStage } from "./plugin-stage.js";

/** What a result's changes depend on beside the result. */
export interface ChangeContext extends Readonly<PluginSettings["results"]> {
  readonly runtime: RuntimeInfo;
  readonly cgroupVersion: Cgroups["version"];
  /** The plugin's captured view; its writes are changes too. */
  readonly stage: CgroupStage | undefined;
  /** What the plugins before it have used of the answer to the runtime. */
  readonly bytesTaken: number;
}

/** What a run asks to change, or why that cannot be; undefined when nothing is to be read from it. */
export function readChange(call: ChainCall, run: InvokeOutcome, context: ChangeContext): ParsedAdjustment | undefined {
  if (call.changesNothing || run.result === undefined) return undefined;
  const { runtime, cgroupVersion, stage, bytesTaken, rename, annotate, keep } = context;
  const captured = call.request.state === "delete" ? undefined : stage?.collect();
  const [fault] = captured?.errors ?? [];
  if (fault !== undefined) return { ok: false, error: formatFault(fault) };
  // NRI v2 has no adjustments of sandboxes, and a plugin may print the same for every request: only its writes count.
  const isSandbox = call.target.kind === "sandbox";
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
      keep,
      bytesLeft: answerBytes - bytesTaken,
    },
    captured?.resources,
  );
  if (!parsed.ok) return parsed;
  const warnings = (captured?.warnings ?? []).map(
    ({ file, text }) => ({ level: "warn", text: `${file}: ${text}` }) as const,
  );
  return { ok: true, change: { ...parsed.change, notes: [...parsed.change.notes, ...warnings] } };
}

function formatFault({ file, value, text }: CapturedChanges["errors"][number]): string {
  const shown = value === undefined ? "" : ` ${JSON.stringify(value)}`;
  return `what it wrote to ${file} cannot be used:${shown} ${text}`;
}

/** What became of the changes of a container's own cgroup in phase start. */
export interface AppliedOwn {
  /** What stands, with nothing of the plugins that are left out. */
  readonly change: MergedChange;
  /** Why the create is to fail. */
  readonly error?: string;
  /** What was left out by the policy of its plugins, and why. */
  readonly leftOut?: { readonly plugins: readonly string[]; readonly error: string };
}

/**
 * Writes the changes of a chain to the real cgroup, before the answer. What the kernel refuses is a failure of the plugins
 * that asked: those whose failure is not to count are left out whole, and the others' changes are tried without them.
 */
export function applyOwn(
  changes: readonly Change[],
  call: ChainCall,
  cgroups: Cgroups,
  counts: (plugin: string) => boolean,
): AppliedOwn {
  const { pid, id } = call.request;
  const merge = (some: readonly Change[]) =>
    mergeChanges(some, { phase: call.phase, containerId: id, kept: call.kept });
  const apply = ({ own }: MergedChange) =>
    own === undefined ? null : cgroups.apply(own, { ...call.request.spec, pid });
  const whole = merge(changes);
  const fault = apply(whole);
  if (fault === null) return { change: whole };
  const kept = changes.filter(({ own, plugin }) => own === undefined || counts(plugin));
  const rest = merge(kept);
  const restFault = kept.length === changes.length ? fault : apply(rest);
  const textOf = (why: string) =>
    `the changes of the cgroup ${call.request.spec.cgroupsPath} cannot be applied: ${why}`;
  if (restFault !== null) {
    const plugins = kept.filter(({ own }) => own !== undefined).map(({ plugin }) => plugin);
    return { change: merge([]), error: `plugin: ${plugins.join(", ")}: ${textOf(restFault)}` };
  }
  const plugins = changes.filter((change) => !kept.includes(change)).map(({ plugin }) => plugin);
  return { change: rest, leftOut: { plugins, error: textOf(fault) } };
}
