/** Where a call stands in a distributed trace (W3C Trace Context, level 2). */
export interface TraceContext {
  /** The header as it came: `00-<trace id>-<span id>-<flags>`. */
  readonly traceparent: string;
  /** Absent when there was none, or it was not well formed. */
  readonly tracestate?: string;
  readonly traceId: string;
  readonly spanId: string;
}

// https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values
const traceparentFormat = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
/** `key=value`: a simple key or `tenant@system`; a value of printable ASCII but `,` and `=`, that does not end in a space. */
const tracestateMember =
  /^[a-z0-9][a-z0-9_\-*/]{0,255}(@[a-z][a-z0-9_\-*/]{0,13})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const maxMembers = 32;

/**
 * The trace context in a call's ttRPC metadata, where containerd (2.2 on) and CRI-O put it. What is not well formed is
 * as if it were not there: a plugin must never be handed a header that its tracer trips over.
 */
export function traceOf(metadata: readonly (readonly [key: string, value: string])[]): TraceContext | undefined {
  const [traceparent, second] = valuesOf(metadata, "traceparent");
  // The specification: a header that is there more than once is as none.
  if (traceparent === undefined || second !== undefined || traceparent.length > 512) return undefined;
  const [, version, traceId = "", spanId = "", rest] = traceparentFormat.exec(traceparent) ?? [];
  // Later versions may append fields; version 0 has none, and 255 is never used.
  if (version === undefined || version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId) || /[^\x20-\x7e]/.test(traceparent)) return undefined;
  const tracestate = tracestateOf(valuesOf(metadata, "tracestate"));
  return { traceparent, traceId, spanId, ...(tracestate === undefined ? {} : { tracestate }) };
}

/** What a legacy plugin gets of it, under the names that tracers read. */
export function traceEnvironment(trace: TraceContext | undefined): Record<string, string> {
  if (trace === undefined) return {};
  const { traceparent, tracestate } = trace;
  return { TRACEPARENT: traceparent, ...(tracestate === undefined ? {} : { TRACESTATE: tracestate }) };
}

/** What the log says of it, under OpenTelemetry's names for fields of other logs. */
export function traceFields(trace: TraceContext | undefined): {
  readonly trace_id?: string;
  readonly span_id?: string;
} {
  return trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId };
}

/** ttRPC's keys are lower case by custom, not by rule. */
function valuesOf(metadata: readonly (readonly [string, string])[], name: string): string[] {
  return metadata.flatMap(([key, value]) => (key.toLowerCase() === name ? [value.trim()] : []));
}

/** Several headers count as one list. A list with a wrong or repeated member is dropped whole. */
function tracestateOf(values: readonly string[]): string | undefined {
  const members = values
    .flatMap((value) => value.split(","))
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf("="))));
  const wellFormed = members.every((member) => tracestateMember.test(member)) && keys.size === members.length;
  return members.length > 0 && members.length <= maxMembers && wellFormed ? members.join(",") : undefined;
}
