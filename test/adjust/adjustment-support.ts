import { expect } from "vitest";
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
  /** In place of `adjust`: JSON that no value of JavaScript can say. */
  readonly adjustText?: string;
  readonly cgroupsPath?: unknown;
}

/** Reads an answer as it comes from a plugin's stdout. */
export function parseAnswer(
  { metadata = {}, adjustText, ...extensions }: Answer,
  context: AdjustmentContext = contextOf(),
  captured?: LinuxResources,
): ParsedAdjustment {
  const known = JSON.stringify({ plugin: context.plugin, metadata, ...extensions });
  const text = adjustText === undefined ? known : `${known.slice(0, -1)},"adjust":${adjustText}}`;
  const stdout = new TextEncoder().encode(text);
  return parseAdjustment({ metadata }, parseResultExtensions(stdout), context, captured);
}

export function changeOf(answer: Answer, context?: AdjustmentContext, captured?: LinuxResources): Change {
  const parsed = parseAnswer(answer, context, captured);
  if (!parsed.ok) expect.fail(parsed.error);
  return parsed.change;
}

export function errorOf(answer: Answer, context?: AdjustmentContext, captured?: LinuxResources): string {
  const parsed = parseAnswer(answer, context, captured);
  if (parsed.ok) expect.fail(`a change: ${parsed.change.fields.join(", ")}`);
  return parsed.error;
}
