import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { Code, StatusError, toCode, toStatus } from "../../src/nri/ttrpc/status.js";
import { anyText } from "../support/any-text.js";

describe("what a caller is told of a thrown error", () => {
  const table = [
    {
      title: "a StatusError: its own code",
      thrown: new StatusError(Code.NotFound, "no pod p1"),
      status: { code: 5, message: "no pod p1" },
    },
    {
      title: "a StatusError that says OK: never a success",
      thrown: new StatusError(Code.OK, "odd"),
      status: { code: 2, message: "odd" },
    },
    {
      title: "a BridgeError: Unknown",
      thrown: new BridgeError("PLUGIN_FAILED", "boom"),
      status: { code: 2, message: "boom" },
    },
    {
      title: "an answer too long: ResourceExhausted",
      thrown: new BridgeError("FRAME_TOO_LARGE", "long"),
      status: { code: 8, message: "long" },
    },
    {
      title: "any other error: Unknown",
      thrown: new TypeError("x is no function"),
      status: { code: 2, message: "x is no function" },
    },
    { title: "a string", thrown: "boom", status: { code: 2, message: "boom" } },
    { title: "undefined", thrown: undefined, status: { code: 2, message: "undefined" } },
    {
      title: "an object without a text",
      thrown: Object.create(null),
      status: { code: 2, message: "an error without a text" },
    },
    { title: "a lone surrogate: U+FFFD", thrown: new Error("a\udc00b"), status: { code: 2, message: "a\ufffdb" } },
    { title: "a byte order mark: kept", thrown: new Error("\ufeffa"), status: { code: 2, message: "\ufeffa" } },
  ];

  it.each(table)("$title", ({ thrown, status }) => {
    expect(toStatus(thrown)).toEqual(status);
  });

  it("is never longer than 8 KiB, and never ends inside a character", () => {
    expect(toStatus(new Error("x".repeat(10_000))).message).toBe("x".repeat(8192));
    expect(toStatus(new Error(`x${"€".repeat(10_000)}`)).message).toBe(`x${"€".repeat(2730)}`);
    expect(toStatus(new Error(`xx${"😀".repeat(10_000)}`)).message).toBe(`xx${"😀".repeat(2047)}`);
  });

  it("is valid UTF-8 for any text", () => {
    fc.assert(
      fc.property(anyText(), fc.string(), (text, more) => {
        expect(encodeURIComponent(toStatus(new Error(`${more}\ud800${text}`)).message)).toBeDefined();
      }),
    );
  });
});

describe("a code's number", () => {
  it("is gRPC's", () => {
    expect(Object.values(Code)).toEqual(Array.from({ length: 17 }, (_, number) => number));
    expect(Code).toMatchObject({ DeadlineExceeded: 4, ResourceExhausted: 8, Unimplemented: 12, Internal: 13 });
  });

  it.each([17, -1, 2 ** 31 - 1])("%i that nobody defined is Unknown", (number) => {
    expect(toCode(number)).toBe(Code.Unknown);
  });
});
