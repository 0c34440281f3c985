import { describe, expect, it } from "vitest";
import { parseBundle } from "../../src/v01/bundle.js";

describe("parseBundle", () => {
  it("takes what a plugin sees and nothing else", () => {
    const bundle = parseBundle(
      Buffer.from(`{"ociVersion":"1.2.0","process":{"args":["x"]},"annotations":{"b":"2","a":"1"},"linux":{
        "resources":{"memory":{"limit":9223372036854775807,"checkBeforeUpdate":true},"cpu":{"shares":2,"idle":1}},
        "cgroupsPath":"/a/b","seccomp":{},"timeOffsets":{},
        "namespaces":[{"type":"pid"},{"type":"network","path":"/proc/1/ns/net"}]}}`),
    );
    expect(bundle).toEqual({
      resources: { memory: { limit: 9223372036854775807n }, cpu: { shares: 2n } },
      namespaces: { pid: "", network: "/proc/1/ns/net" },
      cgroupsPath: "/a/b",
      annotations: { a: "1", b: "2" },
    });
  });

  it.each(["{}", "null", '{"linux":null}', '{"linux":{}}'])("takes %s as a bundle without anything", (text) => {
    expect(parseBundle(Buffer.from(text))).toEqual({
      resources: null,
      namespaces: {},
      cgroupsPath: "",
      annotations: {},
    });
  });

  it("says what is wrong and where", () => {
    expect(() => parseBundle(Buffer.from('{\n "linux": []}'))).toThrow(
      expect.objectContaining({
        code: "JSON_TYPE",
        message:
          "the bundle's config.json: json: cannot unmarshal array into Go struct field Spec.linux of type specs.Linux",
        fields: { line: 2, column: 11 },
      }),
    );
    expect(() => parseBundle(Buffer.from('{"linux"'))).toThrow(
      expect.objectContaining({
        code: "JSON_SYNTAX",
        message: "the bundle's config.json: unexpected end of JSON input",
        fields: { line: 1, column: 9 },
      }),
    );
  });
});
