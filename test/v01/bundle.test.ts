import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { parseBundle } from "../../src/v01/bundle.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { formatResources } from "../../src/v01/resources-json.js";

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

  it("throws nothing but BridgeError", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          parseBundle(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(BridgeError);
        }
      }),
    );
  });
});

// specs-go/config.go of runtime-spec 1.0.3-dev: field order, omitempty.
describe("formatResources", () => {
  const table: [LinuxResources, string][] = [
    [{}, "{}"],
    [{ cpu: {}, memory: {} }, '{"memory":{},"cpu":{}}'],
    [{ devices: [], unified: {}, rdma: {}, hugepageLimits: [] }, "{}"],
    [{ devices: [{ allow: false, access: "" }] }, '{"devices":[{"allow":false}]}'],
    [
      { devices: [{ access: "rwm", minor: 0n, major: -1n, type: "c", allow: true }] },
      '{"devices":[{"allow":true,"type":"c","major":-1,"minor":0,"access":"rwm"}]}',
    ],
    [{ pids: { limit: 0n } }, '{"pids":{"limit":0}}'],
    [{ hugepageLimits: [{ limit: 0n, pageSize: "" }] }, '{"hugepageLimits":[{"pageSize":"","limit":0}]}'],
    [{ cpu: { quota: -1n, shares: 0n, cpus: "", mems: "0" } }, '{"cpu":{"shares":0,"quota":-1,"mems":"0"}}'],
    [
      { memory: { useHierarchy: false, swappiness: 18446744073709551615n } },
      '{"memory":{"swappiness":18446744073709551615,"useHierarchy":false}}',
    ],
    [
      { blockIO: { weight: 0, throttleReadBpsDevice: [{ rate: 1n, minor: 0n, major: 8n }] } },
      '{"blockIO":{"weight":0,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]}}',
    ],
    [
      { network: { classID: 0, priorities: [{ priority: 0, name: "eth0" }] } },
      '{"network":{"classID":0,"priorities":[{"name":"eth0","priority":0}]}}',
    ],
    [
      { rdma: { b: {}, a: { hcaObjects: 0 } }, unified: { y: "<", x: "" } },
      '{"rdma":{"a":{"hcaObjects":0},"b":{}},"unified":{"x":"","y":"\\u003c"}}',
    ],
  ];

  it.each(table.map(([resources, text]) => ({ resources, text })))("writes $text", ({ resources, text }) => {
    expect(formatResources(resources)).toBe(text);
    const read = parseBundle(Buffer.from(`{"linux":{"resources":${text}}}`)).resources;
    expect(formatResources(read ?? {})).toBe(text);
  });
});
