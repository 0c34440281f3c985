/** Where a call stands in a distributed trace (W3C Trace Context, level 2). */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

// https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values
const traceparentFormat = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
/** The trace context in a call's ttRPC metadata, from containerd (2.2 on) and CRI-O; undefined when absent or malformed. */
export function traceOf(metadata: readonly (readonly [key: string, value: string])[]): TraceContext | undefined {
  // Keys of ttRPC metadata are lower case by convention only.
  const values = metadata.flatMap(([key, value]) => (key.toLowerCase() === "traceparent" ? [value.trim()] : []));
  const [traceparent, second] = values;
  // The specification: ignore a traceparent that is there more than once.
  if (traceparent === undefined || second !== undefined || traceparent.length > 512) return undefined;
  const [, version, traceId = "", spanId = "", rest] = traceparentFormat.exec(traceparent) ?? [];
  // Later versions of traceparent may append fields. Version 00 has none, and the specification forbids version ff.
  if (version === undefined || version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId) || /[^\x20-\x7e]/.test(traceparent)) return undefined;
  return { traceId, spanId };
}

/** The log fields of a trace context, under OpenTelemetry's names for logs in other formats; empty without one. */
export function traceFields(trace: TraceContext | undefined): {
  readonly trace_id?: string;
  readonly span_id?: string;
} {
  return trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId };
}
