import { describe, expect, it } from "vitest";
import { formatMetricsAddress, parseMetricsAddress } from "../../src/observe/metrics-server.js";

describe("an address for metrics", () => {
  it.each([
    ["127.0.0.1:9464", "127.0.0.1:9464"],
    ["127.8.9.10:0", "127.8.9.10:0"],
    ["[::1]:9464", "[::1]:9464"],
    ["localhost:9464", "127.0.0.1:9464"],
    ["unix:/run/nri-v01-bridge/metrics.sock", "unix:/run/nri-v01-bridge/metrics.sock"],
  ])("may be %s", (text, expected) => {
    expect(formatMetricsAddress(parseMetricsAddress(text))).toBe(expected);
  });

  it.each([
    ["0.0.0.0:9464", "is not a loopback address"],
    [":9464", "is not a loopback address"],
    ["[::]:9464", "is not a loopback address"],
    ["192.168.0.1:9464", "is not a loopback address"],
    ["127.0.0.1.example.com:9464", "is not a loopback address"],
    ["127.0.0.256:9464", "is not a loopback address"],
    ["127.0.0.1:65536", "is no address"],
    ["127.0.0.1", "is no address"],
    ["unix:relative", "is no address"],
    ["", "is no address"],
  ])("is not %s", (text, reason) => {
    expect(() => parseMetricsAddress(text)).toThrow(reason);
  });
});
