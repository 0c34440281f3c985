import { describe, expect, it } from "vitest";
import type * as nri from "../../src/nri/types.js";
import { toOciResources, toPresentResources, toUpdateResources } from "../../src/v01/oci.js";

function resources(over: Partial<nri.LinuxResources> = {}): nri.LinuxResources {
  return { hugepageLimits: [], unified: {}, devices: [], ...over };
}

const cpu = { cpus: "", mems: "" };

describe("OCI resources of an event", () => {
  it("are null when the event has none, and empty when it has empty ones", () => {
    expect(toOciResources(undefined)).toBeNull();
    expect(toOciResources(resources())).toEqual({});
  });

  it("keep whether memory and cpu are there", () => {
    expect(toOciResources(resources({ memory: {}, cpu }))).toEqual({ memory: {}, cpu });
    expect(toOciResources(resources({ memory: {} }))).toEqual({ memory: {} });
  });

  it("have OCI's names", () => {
    const memory = { limit: -1n, kernelTcp: 5n, disableOomKiller: true, useHierarchy: false };
    expect(toOciResources(resources({ memory }))).toEqual({
      memory: { limit: -1n, kernelTCP: 5n, disableOOMKiller: true, useHierarchy: false },
    });
  });

  it("carry all that NRI has", () => {
    const all = resources({
      cpu: { ...cpu, shares: 2n ** 63n, quota: -1n },
      pids: { limit: 0n },
      hugepageLimits: [{ pageSize: "2MB", limit: 2n ** 64n - 1n }],
      unified: { "memory.high": "max" },
      devices: [
        { allow: false, type: "", access: "rwm" },
        { allow: true, type: "c", major: 1n, minor: 0n, access: "r" },
      ],
      blockioClass: "x",
      rdtClass: "y",
    });
    const { blockioClass: _, rdtClass: __, ...known } = all;
    expect(toOciResources(all)).toEqual(known);
  });
});

describe("the resources of a delete", () => {
  it("are the event's, with what NRI cannot carry from the create", () => {
    const remembered = { cpu: { shares: 1n }, blockIO: { weight: 5 }, network: { classID: 6 }, rdma: { mlx: {} } };
    expect(toPresentResources(remembered, resources({ cpu: { ...cpu, shares: 2n } }))).toEqual({
      cpu: { ...cpu, shares: 2n },
      blockIO: { weight: 5 },
      network: { classID: 6 },
      rdma: { mlx: {} },
    });
  });

  it("are the remembered ones when the event has none, and the event's when nothing is remembered", () => {
    expect(toPresentResources({ pids: { limit: 1n } }, undefined)).toEqual({ pids: { limit: 1n } });
    expect(toPresentResources(null, resources({ memory: {} }))).toEqual({ memory: {} });
    expect(toPresentResources(null, undefined)).toBeNull();
  });

  it("keep the pids limit that old runtimes do not send", () => {
    expect(toPresentResources({ pids: { limit: 7n } }, resources())).toEqual({ pids: { limit: 7n } });
    expect(toPresentResources({ pids: { limit: 7n } }, resources({ pids: { limit: 8n } }))).toEqual({
      pids: { limit: 8n },
    });
  });
});

describe("the resources of an update", () => {
  const remembered = { cpu: { shares: 2n, quota: 5000n, cpus: "0-3" }, memory: { limit: 10n } };

  it("are the remembered ones with what was asked over them; a zero was not asked", () => {
    const asked = resources({
      cpu: { shares: 0n, quota: -1n, period: 0n, cpus: "", mems: "1" },
      memory: { limit: 0n },
    });
    expect(toUpdateResources(remembered, asked)).toEqual({
      cpu: { shares: 2n, quota: -1n, cpus: "0-3", mems: "1" },
      memory: { limit: 10n },
    });
  });

  it("are the remembered ones when nothing was asked", () => {
    expect(toUpdateResources(remembered, undefined)).toEqual(remembered);
    expect(toUpdateResources(null, undefined)).toBeNull();
    expect(toUpdateResources(null, resources())).toEqual({});
  });

  it("keep a pids limit when 0 is asked for", () => {
    const before = { pids: { limit: 7n } };
    expect(toUpdateResources(before, resources({ pids: { limit: 0n } }))).toEqual(before);
  });

  it("take page sizes and unified files one by one", () => {
    const [small, large] = [
      { pageSize: "2MB", limit: 1n },
      { pageSize: "1GB", limit: 2n },
    ];
    const asked = { hugepageLimits: [{ ...small, limit: 0n }], unified: { b: "2" }, pids: { limit: 3n } };
    const before = { hugepageLimits: [small, large], unified: { a: "1" } };
    expect(toUpdateResources(before, resources(asked))).toEqual({
      ...asked,
      hugepageLimits: [...asked.hugepageLimits, large],
      unified: { a: "1", b: "2" },
    });
  });
});
