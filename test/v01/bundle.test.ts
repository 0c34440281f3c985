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

  it.each([
    [
      '{\n "linux": []}',
      "JSON_TYPE",
      2,
      11,
      "cannot unmarshal array into Go struct field Spec.linux of type specs.Linux",
    ],
    ['{"linux"', "JSON_SYNTAX", 1, 9, "unexpected end of JSON input"],
  ])("says what is wrong with %j and where", (text, code, line, column, reason) => {
    const message = expect.stringMatching(`^the bundle's config.json: .*${reason}$`);
    const error = { code, message, fields: { line, column } };
    expect(() => parseBundle(Buffer.from(text))).toThrow(expect.objectContaining(error));
  });
});
