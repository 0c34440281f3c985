import { expect } from "vitest";
import { byKey, type Field, isFamily, updatable } from "../../src/adjust/fields.js";
import {
  type AdjustmentContext,
  type Change,
  type ParsedAdjustment,
  parseAdjustment,
} from "../../src/adjust/from-v01.js";
import { parseVersion } from "../../src/nri/versions.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { parseResultExtensions } from "../../src/v01/result-extensions.js";

export const ownId = "0ab1";
export const otherId = "ffc0ffee";

export function version(text: string) {
  const parsed = parseVersion(text);
  if (parsed === undefined) throw new Error(`no version: ${text}`);
  return parsed;
}

/** The newest runtime on a cgroup v2 host, in phase create. */
export function contextOf(over: Partial<AdjustmentContext> & { readonly nriVersion?: string } = {}): AdjustmentContext {
  const { nriVersion = "0.12.2", ...rest } = over;
  return {
    plugin: "konfine",
    phase: "create",
    nri: { ...version(nriVersion), source: "stated" },
    cgroupVersion: "unknown",
    containerId: ownId,
    rename: {},
    annotate: false,
    ...rest,
  };
}

/** What a plugin prints, as far as it asks for something. */
export interface Answer {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly adjust?: unknown;
  readonly update?: unknown;
  readonly evict?: unknown;
  /** More keys of the result, as JSON that no value of JavaScript can say. */
  readonly text?: string;
  readonly cgroupsPath?: unknown;
}

/** An answer as it comes from a plugin's stdout. */
export function stdoutOf({ metadata = {}, text, ...extensions }: Answer): Uint8Array {
  const known = JSON.stringify({ plugin: "konfine", metadata, ...extensions });
  return new TextEncoder().encode(text === undefined ? known : `${known.slice(0, -1)},${text}}`);
}

export function parseAnswer(
  answer: Answer,
  context: AdjustmentContext = contextOf(),
  captured?: LinuxResources,
): ParsedAdjustment {
  const { metadata = {} } = answer;
  return parseAdjustment({ metadata }, parseResultExtensions(stdoutOf(answer)), context, captured);
}

export function changeOf(answer: Answer, context?: AdjustmentContext, captured?: LinuxResources): Change {
  const parsed = parseAnswer(answer, context, captured);
  if (!parsed.ok) expect.fail(parsed.error);
  return parsed.change;
}

/** The keys as the documentation writes them, each name as `<name>`: `env.<name>`, `update.<name>.cpu.shares`. */
export function knownKeys(): readonly string[] {
  const keyOf = (field: Field) => (isFamily(field) ? `${field.rule.key}.<name>` : `${field.rule.key}`);
  const all = [...byKey.values()].map((field) => keyOf(field).replace(/^hook\..*/, "hook.<name>"));
  return [...new Set(all), ...updatable.map((field) => `update.<name>.${keyOf(field)}`)];
}

export function errorOf(answer: Answer, context?: AdjustmentContext, captured?: LinuxResources): string {
  const parsed = parseAnswer(answer, context, captured);
  if (parsed.ok) expect.fail(`a change: ${parsed.change.fields.join(", ")}`);
  return parsed.error;
}
