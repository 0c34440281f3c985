import type * as oci from "../v01/resources.js";
import type { ResultExtensions } from "../v01/result-extensions.js";
import type { Result } from "../v01/types.js";
import { buildAnswer } from "./answer.js";
import { Asks, mostFaults, type Place } from "./asks.js";
import { adjustPrefix, readKey } from "./keys.js";
import { readMessages } from "./reader.js";
import type { AdjustmentContext, ParsedAdjustment } from "./types.js";

export { askedResources, type Conflict, type MergedChange, mergeChanges } from "./answer.js";
export type { AdjustmentContext, Change, Note, ParsedAdjustment, Phase, Setting } from "./types.js";

/** The most bytes of changes in one answer to the runtime. A ttRPC message is 4 MiB at most (ttrpc channel.go). */
export const answerBytes = 3 * 1024 * 1024;

/** An estimate of the bytes that a setting takes besides its texts: protobuf tags and lengths, and numbers whose text is short. */
const settingBytes = 64;

/**
 * Reads the changes that a plugin's result asks for; one bad value voids the whole result. If several sources set the same field,
 * the last one in this order wins: top-level `cgroupsPath`, metadata `adjust.*`, NRI's own `adjust`, `update` and `evict`, captured
 * cgroup writes, `results.rename`, `results.annotate`. The error names the plugin, each bad field with its value, what the bridge
 * expected and the remedy.
 */
export function parseAdjustment(
  { metadata }: Pick<Result, "metadata">,
  extensions: ResultExtensions,
  context: AdjustmentContext,
  captured: oci.LinuxResources = {},
): ParsedAdjustment {
  const asks = new Asks(context);
  const read: ReadText = (key, text, label, whenIdle) => readKey(key, { label, text, whenIdle }, asks);
  const { phase, plugin, rename } = context;
  const texts = Object.entries(metadata);

  readCgroupsPath(extensions, asks, read);
  for (const [key, text] of texts) {
    if (key.startsWith(adjustPrefix)) read(key.slice(adjustPrefix.length), text, key);
  }
  const { adjust, update, evict } = extensions;
  readMessages({ adjust, update, evict }, asks);
  readCaptured(captured, read, context.lostWrites);
  for (const [key, text] of texts) {
    const target = Object.hasOwn(rename, key) ? rename[key] : undefined;
    if (target === undefined) continue;
    // An old plugin prints the same keys in every state. In phases update and delete the bridge skips the renamed keys that cannot
    // take effect there.
    const whenIdle = phase === "update" || phase === "delete" ? "skip" : undefined;
    read(target, text, `${key} (results.rename to ${target})`, whenIdle);
  }
  // Only phase create can set annotations.
  const whenIdle = phase === "start" ? "warn" : "skip";
  for (const [key, text] of context.annotate ? texts : []) {
    read(`annotation.v01.${plugin}/${key}`, text, `results.annotate of ${key}`, whenIdle);
  }

  const { faults, notes } = asks;
  const settings = [...asks.settings.values()];
  let bytes = 0;
  for (const { field, value } of settings) bytes += Buffer.byteLength(field) + Buffer.byteLength(value) + settingBytes;
  const { bytesLeft = answerBytes } = context;
  if (bytes > bytesLeft) {
    faults.push(`a change of ${bytes} bytes: the answer to the runtime has room for ${Math.max(bytesLeft, 0)} more`);
  }
  if (faults.length > 0) {
    const rest = faults.length < mostFaults ? "" : "; the bridge did not read the rest";
    return { ok: false, error: `the result of "${plugin}" cannot be applied: ${faults.join("; ")}${rest}` };
  }
  const fields = settings.map(({ field }) => field);
  return { ok: true, change: { plugin, ...buildAnswer(settings, context), fields, bytes, notes, settings } };
}

type ReadText = (key: string, text: string, label: string, whenIdle?: Place["whenIdle"]) => void;

/** compat: containerd 1.6 ignored the key. The bridge ignores it too, except in phase create, where it sets the path. */
function readCgroupsPath({ cgroupsPath, problems }: ResultExtensions, asks: Asks, read: ReadText): void {
  const { phase } = asks.context;
  asks.faults.push(...problems.filter((problem) => phase === "create" || !problem.startsWith('"cgroupsPath"')));
  if (cgroupsPath === undefined || cgroupsPath === "") return;
  if (phase === "create") read("cgroupsPath", cgroupsPath, "cgroupsPath");
  else asks.note("debug", `cgroupsPath is ignored in phase ${phase}; only phase create can set it`);
}

/**
 * Reads what a plugin wrote into its captured cgroup view as settings. A write that this runtime cannot carry is a fault, or a
 * warning if `lostWrites` is `warn`.
 */
function readCaptured(captured: oci.LinuxResources, read: ReadText, lostWrites?: "fail" | "warn"): void {
  const { cpu, memory, pids, hugepageLimits = [], unified, devices } = captured;
  const rules = devices?.map((rule) => ({ ...rule, major: rule.major?.toString(), minor: rule.minor?.toString() }));
  const whenIdle = lostWrites === "warn" ? "warn" : undefined;
  if (rules !== undefined) read("deviceRules", JSON.stringify(rules), "cgroup write of devices", whenIdle);
  const hugepage = Object.fromEntries(hugepageLimits.map(({ pageSize, limit }) => [pageSize, limit]));
  for (const [group, values] of Object.entries({ cpu, memory, pids, hugepage, unified })) {
    for (const [name, value] of Object.entries(values ?? {})) {
      const key = `${group}.${name}`;
      read(key, String(value), `cgroup write of ${key}`, whenIdle);
    }
  }
}
