import { describe, expect, test } from "vitest";
import { messageToJson, requestToJson, responseToJson } from "../../src/nri/json.js";
import { hex } from "../support/bytes.js";

describe("messages as JSON", () => {
  const response = {
    adjust: {
      annotations: { "example.com/a": "" },
      CDIDevices: [{ name: "vendor.com/net=eth0" }],
      linux: {
        cgroupsPath: "/a",
        oomScoreAdj: -998n,
        resources: {
          memory: { limit: 9223372036854771712n, swap: 0n, disableOomKiller: false },
          hugepageLimits: [{ pageSize: "2MB", limit: 18446744073709551615n }],
          cpu: { cpus: "", mems: "0" },
        },
      },
    },
    update: [{ containerId: "c1", ignoreFailure: true }],
  };

  test("an answer has protobuf's JSON form: 64-bit numbers as text, defaults left out but for Optional ones", () => {
    expect(JSON.parse(JSON.stringify(responseToJson(response)))).toEqual({
      adjust: {
        annotations: { "example.com/a": "" },
        CDIDevices: [{ name: "vendor.com/net=eth0" }],
        linux: {
          cgroupsPath: "/a",
          oomScoreAdj: { value: "-998" },
          resources: {
            memory: { limit: { value: "9223372036854771712" }, swap: {}, disableOomKiller: {} },
            hugepageLimits: [{ pageSize: "2MB", limit: "18446744073709551615" }],
            cpu: { mems: "0" },
          },
        },
      },
      update: [{ containerId: "c1", ignoreFailure: true }],
    });
    expect(responseToJson({ update: [] })).toEqual({});
  });

  test("the schema's names are there for recordings", () => {
    expect(JSON.stringify(messageToJson("ContainerUpdate", { containerId: "c1" }, "schema"))).toBe(
      '{"container_id":"c1"}',
    );
    expect(JSON.stringify(requestToJson("StartContainer", hex("12 04 0a 02 63 31")))).toBe('{"container":{"id":"c1"}}');
    expect(requestToJson("NoSuchCall", hex(""))).toBeUndefined();
    expect(requestToJson("toString", hex(""))).toBeUndefined();
  });
});
