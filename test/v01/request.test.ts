import { describe, expect, it } from "vitest";
import { toRawJson } from "../../src/v01/gojson/raw.js";
import { formatRequestBody, spliceRequest } from "../../src/v01/request.js";
import { formatResult } from "../../src/v01/result.js";
import type { Request } from "../../src/v01/types.js";

const bare: Request = {
  version: "0.1",
  state: "delete",
  id: "c",
  sandboxID: "",
  pid: 0,
  spec: { resources: null, namespaces: {}, cgroupsPath: "", annotations: {} },
  labels: {},
};

// types/v1/types.go of NRI v0.1.0: the order of the fields, and which of them are omitempty.
describe("a request", () => {
  it("has all fields in their order, and map keys in theirs", () => {
    const spec = {
      resources: { cpu: { shares: 2n ** 64n - 1n }, memory: {} },
      namespaces: { pid: "", network: "/n" },
      cgroupsPath: "/a<b>",
      annotations: { é: "\b\f", a: "\u2028" },
    };
    const whole = { ...bare, sandboxID: "p", pid: 7, spec, labels: { z: "1", y: '"' } };
    expect(spliceRequest(formatRequestBody(whole), undefined, [])).toBe(
      '{"version":"0.1","state":"delete","id":"c","sandboxID":"p","pid":7,' +
        '"spec":{"resources":{"memory":{},"cpu":{"shares":18446744073709551615}},' +
        '"namespaces":{"network":"/n","pid":""},"cgroupsPath":"/a\\u003cb\\u003e",' +
        '"annotations":{"a":"\\u2028","é":"\\u0008\\u000c"}},"labels":{"y":"\\"","z":"1"}}',
    );
  });

  it("leaves out what is empty, but not resources", () => {
    expect(formatRequestBody(bare)).toBe('"version":"0.1","state":"delete","id":"c","spec":{"resources":null}');
  });

  it("has conf before and results after what all plugins of a chain share", () => {
    expect(spliceRequest('"version":"0.1"', undefined, [])).toBe('{"version":"0.1"}');
    const results = [{ a: "1" }, {}].map((metadata) => formatResult({ plugin: "p", version: "", error: "", metadata }));
    expect(spliceRequest('"version":"0.1"', toRawJson('{"a": 1}'), results)).toBe(
      '{"conf":{"a":1},"version":"0.1","results":[' +
        '{"plugin":"p","version":"","error":"","metadata":{"a":"1"}},{"plugin":"p","version":"","error":""}]}',
    );
  });
});
