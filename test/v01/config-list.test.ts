import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { explainConfFault, parseConfigList } from "../../src/v01/config-list.js";
import { encodeUtf8 } from "../../src/v01/gojson/utf8.js";
import { readCases } from "../support/recorded-cases.js";

const cases = readCases();

function confOf(name: string): Uint8Array {
  return cases.find((scenario) => scenario.name === name)?.confs[0] ?? new Uint8Array();
}

// containerd 1.6.20 told these with RunPodSandbox: "unable to create nri client: <text>".
describe("a conf.json that containerd 1.6 refused", () => {
  it.each([
    ["malformed", "unexpected EOF", 1, 48],
    ["empty-file", "EOF", 1, 1],
    ["bom", "invalid character 'ï' looking for beginning of value", 1, 1],
    ["conf-is-array", "json: cannot unmarshal array into Go value of type v1.ConfigList", 1, 1],
    [
      "plugins-object",
      "json: cannot unmarshal object into Go struct field ConfigList.plugins of type []*v1.Plugin",
      1,
      28,
    ],
    ["version-number", "json: cannot unmarshal number into Go struct field ConfigList.version of type string", 1, 12],
  ])("%s", (name, message, line, column) => {
    const recorded = cases.find((scenario) => scenario.name === name)?.errors[0]?.details;
    expect(recorded).toBe(`unable to create nri client: ${message}`);
    expect(() => parseConfigList(confOf(name))).toThrow(
      expect.objectContaining({ code: "CONF_LIST", message, fields: { line, column } }),
    );
  });
});

describe("a conf.json that containerd 1.6 took", () => {
  it.each([
    ["plugins-null", { version: "0.1", plugins: [] }],
    ["keys-case", { version: "0.1", plugins: [{ type: "recorder", conf: '{"a":1}' }] }],
    ["conf-null", { version: "0.1", plugins: [{ type: "recorder", conf: "null" }] }],
    ["conf-string", { version: "0.1", plugins: [{ type: "recorder", conf: '"te\\u003cx\\u003et"' }] }],
    ["trailing-garbage", { version: "0.1", plugins: [{ type: "recorder" }] }],
    ["version-missing", { version: "", plugins: [{ type: "recorder" }] }],
    ["type-empty", { version: "0.1", plugins: [{ type: "" }] }],
    [
      "chained",
      {
        version: "0.1",
        plugins: [
          { type: "recorder", conf: '{"first":1}' },
          { type: "recorder2" },
          { type: "recorder3", conf: '{"third":[1,2,{"z":null,"a":true}]}' },
        ],
      },
    ],
  ])("%s", (name, list) => expect(parseConfigList(confOf(name))).toEqual(list));

  it.each(["{}", "null", '{"plugins":[]}', " {} }"])("%s holds no plugins", (text) => {
    expect(parseConfigList(encodeUtf8(text))).toEqual({ version: "", plugins: [] });
  });
});

describe("a fault for people", () => {
  it.each([
    ['{"plugins": [{"type": "a"},]}', "a comma too many stands before this"],
    ['{"plugins": [{"type": "a",}]}', "a comma too many stands before this"],
    ['{"plugins": [{"type": "a", "conf": }]}', "a value is expected at this place"],
    ['{"plugins": [{"type": "a"} {"type": "b"}]}', "a comma is missing before this place"],
    ['{"plugins": [{"type": "a" "conf": {}}]}', "a comma is missing before this place"],
    ['{"plugins" []}', "a colon is missing before this place"],
    ['{"plugins": [{"type": "a"}]', "the file ends before its last brace"],
    ["// plugins\n{}", "JSON has no comments"],
    ["{'plugins': []}", "keys and texts stand in double quotes"],
    ['{"plugins": [{"type": “a”}]}', "keys and texts stand in double quotes"],
    ["{plugins: []}", "keys and texts stand in double quotes"],
    ["\ufeff{}", "the file begins with a byte order mark (EF BB BF), which editors hide"],
    ["[]", "the file is an array, and an object is expected"],
    ['{"version": 0.1}', '"version" is a number, and a text in quotes is expected'],
    ['{"plugins": {"type": "a"}}', '"plugins" is an object, and a list is expected'],
    ['{"plugins": ["a"]}', 'an entry of "plugins" is a string, and an object is expected'],
    ['{"plugins": [{"type": ["a"]}]}', '"plugins.type" is an array, and a text in quotes is expected'],
    ['{"plugins": [{"type": "\\x"}]}', undefined],
  ])("%s", (text, expected) => {
    let reason = "";
    try {
      parseConfigList(encodeUtf8(text));
    } catch (error) {
      reason = error instanceof Error ? error.message : "";
    }
    expect(reason).not.toBe("");
    expect(explainConfFault(reason)).toBe(expected);
  });
});

it("a null entry, which crashed containerd 1.6, is named", () => {
  const text = '{"plugins":[{"type":"a"},null]}';
  const message = 'plugins[1] is null: write {"type": "<plugin>"} or remove the entry';
  const error = { code: "CONF_LIST", message, fields: { index: 1 } };
  expect(() => parseConfigList(encodeUtf8(text))).toThrow(expect.objectContaining(error));
});

it("gives a list or throws a BridgeError, whatever the bytes and wherever they are cut", () => {
  const inputs = [confOf("conf-bytes"), confOf("chained"), confOf("keys-case")];
  for (const bytes of inputs) {
    for (let length = 0; length < bytes.length; length++) tryParse(bytes.subarray(0, length));
  }
  fc.assert(fc.property(fc.uint8Array(), tryParse));

  function tryParse(bytes: Uint8Array): void {
    try {
      expect(parseConfigList(bytes).plugins).toBeInstanceOf(Array);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(BridgeError);
    }
  }
});
