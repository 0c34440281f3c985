import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { Code, StatusError, toStatus } from "../../src/nri/ttrpc/status.js";
import { anyText } from "../support/any-text.js";

describe("what a caller is told of a thrown error", () => {
  it.each<[string, unknown, number, string]>([
    ["a StatusError: its own code", new StatusError(Code.NotFound, "no pod p1"), 5, "no pod p1"],
    ["a StatusError that says OK: never a success", new StatusError(Code.OK, "odd"), 2, "odd"],
    ["a BridgeError: Unknown", new BridgeError("PLUGIN_FAILED", "boom"), 2, "boom"],
    ["an answer too long: ResourceExhausted", new BridgeError("FRAME_TOO_LARGE", "long"), 8, "long"],
    ["an unreadable request: InvalidArgument", new BridgeError("PROTOCOL", "odd"), 3, "odd"],
    ["any other error: Unknown", new TypeError("x is no function"), 2, "x is no function"],
    ["what is no error", undefined, 2, "undefined"],
    ["a lone surrogate: U+FFFD", new Error("a\udc00b"), 2, "a\ufffdb"],
    ["a byte order mark: kept", new Error("\ufeffa"), 2, "\ufeffa"],
  ])("%s", (_, thrown, code, message) => {
    expect(toStatus(thrown)).toEqual({ code, message });
  });

  it("is never longer than 8 KiB, and never ends inside a character", () => {
    expect(toStatus(new Error("x".repeat(10_000))).message).toBe("x".repeat(8192));
    expect(toStatus(new Error(`x${"€".repeat(10_000)}`)).message).toBe(`x${"€".repeat(2730)}`);
    expect(toStatus(new Error(`xx${"😀".repeat(10_000)}`)).message).toBe(`xx${"😀".repeat(2047)}`);
  });

  it("is valid UTF-8 for any text", () => {
    const encodes = (text: string, more: string) =>
      encodeURIComponent(toStatus(new Error(`${more}\ud800${text}`)).message) !== "";
    fc.assert(fc.property(anyText(), fc.string(), encodes));
  });
});
