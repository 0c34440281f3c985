import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatChainError,
  formatPluginError,
  formatResult,
  hasTooManyValues,
  mostResultValues,
  parseResult,
} from "../../src/v01/result.js";
import { parseResultExtensions } from "../../src/v01/result-extensions.js";
import { anyText } from "../support/any-text.js";

describe("hasTooManyValues", () => {
  const list = (count: number) => `{"a":[${Array(count).fill(1).join()}]}`;

  it.each<[string, string, boolean]>([
    ["as many as there may be", list(mostResultValues - 1), false],
    ["one more", list(mostResultValues), true],
    ["brackets and commas in a string", JSON.stringify({ a: '[{,"\\'.repeat(mostResultValues) }), false],
    ["objects in one another", '{"a":'.repeat(mostResultValues + 1), true],
    ["a string without an end", `"${",".repeat(mostResultValues + 1)}`, false],
  ])("tells %s", (_, text, isTooMany) => {
    expect(hasTooManyValues(Buffer.from(text))).toBe(isTooMany);
  });
});

describe("parseResult", () => {
  it("keeps what it wrote", () => {
    const texts = anyText();
    const result = fc.record({ plugin: texts, version: texts, error: texts, metadata: fc.dictionary(texts, texts) });
    fc.assert(
      fc.property(result, (answer) => {
        const parsed = parseResult(Buffer.from(formatResult(answer)));
        expect(parsed.ok && { ...parsed.result, metadata: { ...parsed.result.metadata } }).toEqual({
          ...answer,
          metadata: { ...answer.metadata },
        });
      }),
    );
  });

  it("never throws, whatever the bytes and wherever they are cut", () => {
    const whole = Buffer.from('{"plugin":"é😀\\u00e9\\ud83d","metadata":{"a":"1"},"x":[1.5e3,null]}');
    for (let length = 0; length < whole.length; length++) {
      expect(parseResult(whole.subarray(0, length))).toMatchObject({ ok: false });
    }
    expect(parseResult(whole)).toMatchObject({ ok: true });
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseResult(bytes)).toHaveProperty("ok");
        expect(parseResultExtensions(bytes)).toHaveProperty("problems");
      }),
    );
  });
});

// client.go of NRI v0.1.0, invokePlugin; os/exec ExitCode for -1.
describe("the error of a plugin", () => {
  it.each([
    ["", 0, "output: <empty>"],
    ["", 3, "output: <empty> exit code: 3"],
    ["", -1, "output: <empty> exit code: -1"],
    ['a "b"\n', 0, 'output: "a \\"b\\"\\n"'],
    ["\ufeff\t", 127, 'output: "\\ufeff\\t" exit code: 127'],
  ])("shows output %j and exit code %i", (output, exitCode, shown) => {
    const error = formatPluginError("EOF", Buffer.from(output), exitCode);
    expect(error).toBe(`failed to unmarshal plugin output: EOF: ${shown}`);
  });

  it("names the plugin, an empty name too", () => {
    expect(formatChainError("clearcfs", "boom")).toBe("plugin: clearcfs: boom");
    expect(formatChainError("", "exec: no command")).toBe("plugin: : exec: no command"); // recording type-empty
  });
});

describe("parseResultExtensions", () => {
  it.each([
    ["{}", { problems: [] }],
    ["null", { problems: [] }],
    ["[]", { problems: [] }],
    ["not JSON", { problems: [] }],
    ['{"adjust": {"a": [1, 2]} }', { adjust: '{"a":[1,2]}', problems: [] }],
    ['{"ADJUST":{},"CgroupsPath":"/a\\u0062"}', { adjust: "{}", cgroupsPath: "/ab", problems: [] }],
    ['{"adjust":{"a":1},"adjust":null,"cgroupsPath":null}', { problems: [] }],
    ['{"adjust":{"a":1},"error":7}', { adjust: '{"a":1}', problems: [] }],
    [
      '{"adjust":[1],"cgroupsPath":7}',
      { problems: ['"adjust" must be an object, not [1]', '"cgroupsPath" must be a string, not 7'] },
    ],
  ])("finds in %s", (text, extensions) => {
    expect(parseResultExtensions(Buffer.from(text))).toEqual(extensions);
  });
});
