import type { LinuxCPU, LinuxMemory, LinuxResources } from "../nri/types.js";
import { type Gate, hugepageUpdate, unifiedUpdate } from "./gates.js";
import {
  checkText,
  type IntegerRange,
  maxInt64,
  maxUint64,
  maxWriteBytes,
  parseBool,
  parseInteger,
  parseList,
} from "./grammar.js";
import type { KeySpec } from "./key-spec.js";
import { bad, map, type Parsed } from "./parsed.js";
import type { Write } from "./types.js";

// Which runtimes apply what: NRI's generator (pkg/runtime-tools/generate/generate.go, AdjustResources, the same fields
// at every tag from v0.3.0 to v0.12.2; pids since v0.7.0), the runtimes' way back from NRI to CRI for updates (NRI
// pkg/api/resources.go ToCRI up to v0.9.0, then containerd internal/cri/nri/nri_api_linux.go and CRI-O server/nri-api.go,
// toCRIResources: shares, period, quota, cpus, mems, the memory limit, hugepages and unified, nothing else), and for
// the real cgroup what its files hold.

/** compat: NRI 0.2.0's generator wrote the zeros of all cpu fields that were not asked for. */
const everywhere: Gate = { phases: ["create", "start", "update"], since: "0.3" };
const realtime: Gate = { phases: ["create", "start"], since: "0.3", cgroup: 1 };
const dropped = "where NRI's OCI generator drops it in silence (0.2 to 0.12)";
const writtenOnly: Gate = { phases: ["start"], notInCreate: dropped };
const writtenOnlyV1: Gate = { phases: ["start"], cgroup: 1, notInCreate: dropped };

// The kernel has no more of them: NR_CPUS is 8192 at most, MAX_NUMNODES 1024.
const cpuCount = 8192;
const nodeCount = 1024;

/** kernel/sched/core.c: a quota and a period are 1 ms at least, a period 1 s at most. */
const quota: IntegerRange = { min: 1000n, max: maxInt64, unit: ", microseconds", unlimited: true };
const period: IntegerRange = { min: 1000n, max: 1_000_000n, unit: ", microseconds" };
/** opencontainers/cgroups fs/cpu.go fails the container outside the kernel's range. */
const shares: IntegerRange = { min: 2n, max: 262_144n };
/** 0 is "not set" to NRI's generator and to both runtimes. */
const memoryLimit: IntegerRange = { min: 1n, max: maxInt64, unit: ", bytes", unlimited: true };
const bytesOrUnlimited: IntegerRange = { min: 0n, max: maxInt64, unit: ", bytes", unlimited: true };
/** 0 is "not set" to runc. */
const realtimeRuntime: IntegerRange = { min: 1n, max: maxInt64, unit: ", microseconds", unlimited: true };
const realtimePeriod: IntegerRange = { min: 1n, max: maxUint64, unit: ", microseconds" };
/** opencontainers/cgroups fs/memory.go */
const swappiness: IntegerRange = { min: 0n, max: 100n };
/** kernel/cgroup/pids.c: PIDS_MAX is one more than PID_MAX_LIMIT. */
const pids: IntegerRange = { min: 1n, max: 4_194_304n, unlimited: true };
const hugepageBytes: IntegerRange = { min: 0n, max: maxUint64, unit: ", bytes" };

const units = "KMG";

/** The keys of resources without a name in them. */
export const resourceKeys = {
  "cpu.shares": integer(everywhere, shares, (r, value) => (cpuOf(r).shares = value), true),
  "cpu.quota": integer(everywhere, quota, (r, value) => (cpuOf(r).quota = value), true),
  "cpu.period": integer(everywhere, period, (r, value) => (cpuOf(r).period = value), true),
  "cpu.cpus": list(cpuCount, (r, value) => (cpuOf(r).cpus = value)),
  "cpu.mems": list(nodeCount, (r, value) => (cpuOf(r).mems = value)),
  "cpu.realtimeRuntime": integer(realtime, realtimeRuntime, (r, value) => (cpuOf(r).realtimeRuntime = value)),
  "cpu.realtimePeriod": integer(realtime, realtimePeriod, (r, value) => (cpuOf(r).realtimePeriod = value)),
  "memory.limit": integer(
    { phases: ["create", "start", "update"] },
    memoryLimit,
    (r, value) => (memoryOf(r).limit = value),
    true,
  ),
  "memory.reservation": integer(writtenOnly, bytesOrUnlimited, (r, value) => (memoryOf(r).reservation = value)),
  "memory.swap": integer(writtenOnly, bytesOrUnlimited, (r, value) => (memoryOf(r).swap = value)),
  "memory.kernel": integer(writtenOnlyV1, bytesOrUnlimited, (r, value) => (memoryOf(r).kernel = value)),
  "memory.kernelTCP": integer(writtenOnlyV1, bytesOrUnlimited, (r, value) => (memoryOf(r).kernelTcp = value)),
  "memory.swappiness": integer(writtenOnlyV1, swappiness, (r, value) => (memoryOf(r).swappiness = value)),
  "memory.disableOOMKiller": bool(writtenOnlyV1, (r, value) => (memoryOf(r).disableOomKiller = value)),
  "memory.useHierarchy": bool(writtenOnlyV1, (r, value) => (memoryOf(r).useHierarchy = value)),
  // compat: NRI's result collection keeps no pids limit of an update (pkg/adaptation/result.go updateResources, v0.7.0 to
  // v0.12.2: it looks at its own copy, not at what the plugin sent).
  "pids.limit": integer({ phases: ["create", "start"], since: "0.7" }, pids, (r, value) => (r.pids = { limit: value })),
  blockioClass: className((r, value) => (r.blockioClass = value)),
  rdtClass: className((r, value) => (r.rdtClass = value)),
} satisfies Record<string, KeySpec>;

/** The keys of resources that go on with a name: a page size, a file. */
export const namedResourceKeys = {
  hugepage: {
    gate: { phases: ["create", "start", "update"], runtime: hugepageUpdate },
    json: "number",
    ofOthers: true,
    placeholder: "<pageSize>",
    parse: (size, text) => {
      const name = pageSizeName(size);
      if (name !== size) {
        const remedy = name === undefined ? "fix the key" : `did you mean hugepage.${name}?`;
        return bad("a page size as the kernel names it: 64KB, 2MB, 1GB", remedy);
      }
      return map(parseInteger(text, hugepageBytes), (limit) => resource((r) => setHugepageLimit(r, size, limit)));
    },
  },
  unified: {
    gate: { phases: ["create", "start", "update"], cgroup: 2, runtime: unifiedUpdate },
    json: "string",
    ofOthers: true,
    placeholder: "<file>",
    parse: (file, text) => {
      // opencontainers/cgroups fs2/fs2.go setUnified: a file name of the form controller.parameter, written line by line.
      if (!/^[a-z][\w]*(\.[\w-]+)+$/i.test(file))
        return bad("the name of a cgroup v2 file, such as memory.high", "fix the key");
      const long = text.split("\n").some((line) => !checkText(line, maxWriteBytes).ok);
      if (long || text === "") return bad(`text of lines of at most ${maxWriteBytes} bytes`);
      return { ok: true, value: resource((r) => (r.unified[file] = text)) };
    },
  },
} satisfies Record<string, KeySpec>;

function integer(
  gate: Gate,
  range: IntegerRange,
  set: (resources: LinuxResources, value: bigint) => void,
  ofOthers = false,
): KeySpec {
  const parse = (_: string, text: string): Parsed<Write> =>
    map(parseInteger(text, range), (value) => resource((r) => set(r, value)));
  return { gate, json: "number", ofOthers, parse };
}

function bool(gate: Gate, set: (resources: LinuxResources, value: boolean) => void): KeySpec {
  return {
    gate,
    json: "bool",
    parse: (_, text) => map(parseBool(text), (value) => resource((r) => set(r, value))),
  };
}

function list(count: number, set: (resources: LinuxResources, value: string) => void): KeySpec {
  return {
    gate: everywhere,
    json: "string",
    ofOthers: true,
    parse: (_, text) => map(parseList(text, count), (value) => resource((r) => set(r, value))),
  };
}

/** An empty class takes the container out of its class (generate.go AdjustBlockIOClass, AdjustRdtClass). */
function className(set: (resources: LinuxResources, value: string) => void): KeySpec {
  return {
    gate: { phases: ["create"] },
    json: "string",
    parse: (_, text) =>
      /^[^\0\n/]{0,255}$/.test(text)
        ? { ok: true, value: resource((r) => set(r, text)) }
        : bad("the name of a class: at most 255 characters, no slash"),
  };
}

/**
 * How the kernel names a page size, in its files too: by the largest unit that it reaches (mm/hugetlb_cgroup.c mem_fmt). Under
 * another name a runtime finds no file, and the container fails.
 */
function pageSizeName(size: string): string | undefined {
  const [, digits, unit = ""] = /^([1-9]\d{0,15})([KMG])B$/.exec(size) ?? [];
  if (digits === undefined) return undefined;
  let count = BigInt(digits);
  let at = units.indexOf(unit);
  while (count >= 1024n && count % 1024n === 0n && at < units.length - 1) {
    count /= 1024n;
    at += 1;
  }
  // Pages have a power of two of bytes.
  return (count & (count - 1n)) === 0n ? `${count}${units[at]}B` : undefined;
}

function resource(apply: (resources: LinuxResources) => void): Write {
  return { into: "resources", apply };
}

function cpuOf(resources: LinuxResources): LinuxCPU {
  resources.cpu ??= { cpus: "", mems: "" };
  return resources.cpu;
}

function memoryOf(resources: LinuxResources): LinuxMemory {
  resources.memory ??= {};
  return resources.memory;
}

function setHugepageLimit(resources: LinuxResources, pageSize: string, limit: bigint): void {
  resources.hugepageLimits.push({ pageSize, limit });
}
