import type { ContainerAdjustment, ContainerUpdate } from "../nri/types.js";
import type * as oci from "../v01/resources.js";
import type { ResultExtensions } from "../v01/result-extensions.js";
import type { Result } from "../v01/types.js";
import { readAdjustObject } from "./adjust-object.js";
import { Asks, mostFaults } from "./asks.js";
import { buildAnswer } from "./build.js";
import { readCaptured } from "./captured.js";
import { maxAnnotationBytes } from "./container-keys.js";
import { byteLength } from "./grammar.js";
import { adjustPrefix } from "./keys.js";
import { type Conflict, conflictsOf, overlay, own } from "./merge.js";
import type { AdjustmentContext, Change, ParsedAdjustment, Phase, Setting } from "./types.js";

export { askedResources } from "./build.js";
export { knownKeys } from "./keys.js";
export type { Conflict } from "./merge.js";
export type { AdjustmentContext, Change, Note, ParsedAdjustment, Phase } from "./types.js";

/**
 * What one answer may hold of changes, in bytes. A ttRPC message is 4 MiB at most (ttrpc channel.go), and each field costs
 * more on the wire than its text.
 */
export const answerBytes = 3 * 1024 * 1024;

/** What a setting costs beside its texts: tags, lengths, and numbers that a text of few letters names. */
const settingBytes = 64;

/**
 * What a result asks for, or why it asks in vain: one wrong value, or one key that cannot take effect here, and nothing of
 * the result is done. The sources are read in this order, a later one wins over an earlier one for the same field:
 * `cgroupsPath` at the top level, metadata `adjust.*`, the `adjust` object, captured cgroup writes, `results.rename`,
 * `results.annotate`.
 *
 * The error names the plugin, each key with its value, what was expected and the remedy.
 */
export function parseAdjustment(
  result: Pick<Result, "metadata">,
  extensions: ResultExtensions,
  context: AdjustmentContext,
  captured: oci.LinuxResources = {},
): ParsedAdjustment {
  const asks = new Asks(context);
  const metadata = Object.entries(result.metadata);

  readCgroupsPath(extensions, context, asks);
  for (const [key, value] of metadata) {
    if (key.startsWith(adjustPrefix)) asks.add({ label: key, key: key.slice(adjustPrefix.length), value });
  }
  if (extensions.adjust !== undefined) readAdjustObject(extensions.adjust, asks);
  readCaptured(captured, context.lostWrites, asks);
  readRenamed(metadata, context, asks);
  if (context.annotate) {
    for (const [key, value] of metadata) {
      const label = `results.annotate of ${key}`;
      // A plugin prints its metadata in every state; only a create has annotations to set.
      const whenIdle = context.phase === "start" ? "warn" : "skip";
      asks.add({ label, key: `annotation.v01.${context.plugin}/${key}`, value, whenIdle });
    }
  }

  const { settings, notes } = asks;
  const bytes = checkSize(settings, context, asks);
  if (asks.faults.length > 0) return { ok: false, error: formatFaults(asks.faults, context.plugin) };
  const built = buildAnswer(settings, context.phase, context.containerId);
  const fields = settings.map(({ field }) => field);
  return { ok: true, change: { plugin: context.plugin, ...built, fields, bytes, notes, settings } };
}

/** A chain's changes as one. */
export interface MergedChange {
  readonly adjust?: ContainerAdjustment;
  readonly updates: readonly ContainerUpdate[];
  readonly own?: oci.LinuxResources;
  readonly fields: readonly string[];
  /** Fields that two plugins set differently. */
  readonly conflicts: readonly Conflict[];
}

/** Merges the changes of a chain, in its order: for one field the last one wins; hooks add up. */
export function mergeChanges(
  changes: readonly Pick<Change, "plugin" | "settings">[],
  { phase, containerId }: { readonly phase: Phase; readonly containerId: string },
): MergedChange {
  const merged = overlay(
    changes.flatMap(({ plugin, settings }) => own(plugin, settings)),
    [],
  );
  const fields = [...new Set(merged.map(({ field }) => field))];
  return { ...buildAnswer(merged, phase, containerId), fields, conflicts: conflictsOf(merged) };
}

/** compat: 1.6 ignored the key, and so does every state but the create that it can change. */
function readCgroupsPath({ cgroupsPath, problems }: ResultExtensions, { phase }: AdjustmentContext, asks: Asks): void {
  for (const problem of problems) {
    if (phase === "create" || !problem.startsWith('"cgroupsPath"')) asks.faults.push(problem);
  }
  if (cgroupsPath === undefined || cgroupsPath === "") return;
  if (phase === "create") asks.add({ label: "cgroupsPath", key: "cgroupsPath", value: cgroupsPath });
  else asks.note("debug", `cgroupsPath is ignored in phase ${phase}; only phase create can set it`);
}

/** A plugin that nobody will change prints the same in every state, so its deletes and updates ask for what they can. */
function readRenamed(
  metadata: readonly (readonly [string, string])[],
  { rename, phase }: AdjustmentContext,
  asks: Asks,
): void {
  for (const [key, value] of metadata) {
    const target = Object.hasOwn(rename, key) ? rename[key] : undefined;
    if (target === undefined) continue;
    const ask = { label: `${key} (results.rename to ${target})`, key: target, value };
    asks.add(phase === "update" || phase === "delete" ? { ...ask, whenIdle: "skip" } : ask);
  }
}

function checkSize(settings: readonly Setting[], { bytesLeft = answerBytes }: AdjustmentContext, asks: Asks): number {
  let bytes = 0;
  let annotationBytes = 0;
  for (const { field, value } of settings) {
    const size = byteLength(field) + byteLength(value);
    bytes += size + settingBytes;
    if (field.startsWith("annotation.")) annotationBytes += size - "annotation.".length;
  }
  if (annotationBytes > maxAnnotationBytes) {
    asks.faults.push(
      `${annotationBytes} bytes of annotations: expected at most ${maxAnnotationBytes}, Kubernetes' own limit for annotations`,
    );
  }
  if (bytes > bytesLeft) {
    asks.faults.push(
      `a change of ${bytes} bytes: the answer to the runtime has room for ${Math.max(bytesLeft, 0)} more`,
    );
  }
  return bytes;
}

function formatFaults(faults: readonly string[], plugin: string): string {
  const rest = faults.length < mostFaults ? "" : "; the rest was not read";
  return `the result of "${plugin}" cannot be applied: ${faults.join("; ")}${rest}`;
}
