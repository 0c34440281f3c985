import { describe, expect, it } from "vitest";
import { traceFields, traceOf } from "../src/observe/trace.js";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const traceparent = `00-${traceId}-${spanId}-01`;

function trace(...metadata: [string, string][]) {
  return traceOf(metadata);
}

describe("the trace context of a call", () => {
  it("is what the runtime put into the metadata, among other things", () => {
    const found = trace(["containerd-namespace-ttrpc", "k8s.io"], ["traceparent", traceparent], ["tracestate", "a=1"]);
    expect(found).toEqual({ traceId, spanId });
    expect(traceFields(found)).toEqual({ trace_id: traceId, span_id: spanId });
  });

  it("is nothing where there is none", () => {
    expect(trace()).toBeUndefined();
    expect(traceFields(undefined)).toEqual({});
  });

  it("takes keys in any case, and fields of a later version", () => {
    expect(trace(["Traceparent", traceparent])?.traceId).toBe(traceId);
    expect(trace(["traceparent", `cc-${traceId}-${spanId}-01-what-comes`])?.spanId).toBe(spanId);
  });

  // The cases of the W3C test suite (w3c/trace-context, test/test.py) that are of the format.
  it.each([
    ["capitals", traceparent.toUpperCase()],
    ["a version that is never used", `ff-${traceId}-${spanId}-01`],
    ["fields after those of version 0", `${traceparent}-more`],
    ["a short trace id", `00-${traceId.slice(1)}-${spanId}-01`],
    ["a long trace id", `00-${traceId}0-${spanId}-01`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a span id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["no flags", `00-${traceId}-${spanId}`],
    ["flags that are no hex", `00-${traceId}-${spanId}-0x`],
    ["a line break", `cc-${traceId}-${spanId}-01-a\nb`],
    ["nothing", ""],
  ])("is dropped for %s", (_, header) => {
    expect(trace(["traceparent", header], ["tracestate", "a=1"])).toBeUndefined();
  });

  it("is dropped when it is there twice", () => {
    expect(trace(["traceparent", traceparent], ["traceparent", traceparent])).toBeUndefined();
  });
});
