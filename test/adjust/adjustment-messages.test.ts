import { describe, expect, it } from "vitest";
import { type AdjustmentContext, parseAdjustment } from "../../src/adjust/from-v01.js";
import { parseResultExtensions } from "../../src/v01/result-extensions.js";
import { type Answer, contextOf, otherId, ownId, stdoutOf, version } from "./adjustment-support.js";

const bytes = new Uint8Array(4 * 1024 * 1024).fill(120);
const newest = contextOf();
const old = contextOf({ nriVersion: "0.6.1", runtime: { name: "containerd", version: version("1.7.24") } });
const mount = { destination: "/d", type: "tmpfs", source: "t" };
const many = Array.from({ length: 6_000 }, (_, at) => at);
const linuxOf = (resources: object) => ({ adjust: { linux: { resources } } });

/** What a plugin asks for in vain, and the error: its path, what was expected, and the remedy. */
const wrong: readonly [answer: Answer, says: string | readonly string[], context?: AdjustmentContext][] = [
  [{ adjust: 5 }, '"adjust" must be an object, not 5'],
  [{ adjust: [] }, '"adjust" must be an object, not []'],
  [{ update: {} }, '"update" must be a list, not {}'],
  [{ evict: "all" }, '"evict" must be a list, not "all"'],
  [
    { adjust: { annotation: {} } },
    'adjust.annotation "{}": expected one of annotations, mounts, env, hooks, linux, rlimits, CDIDevices, args; did you mean annotations?',
  ],
  [{ adjust: { Env: [] } }, "did you mean env?"],
  [{ adjust: { annotations: { a: 1 } } }, 'adjust.annotations.a "1": expected a text in quotes, not a number'],
  [{ adjust: { env: { A: "1" } } }, 'adjust.env "{\\"A\\":\\"1\\"}": expected a list, not an object'],
  [{ adjust: { env: [{ value: "1" }] } }, "adjust.env[0]"],
  [{ adjust: { env: [{ key: "-A" }] } }, "NRI does not hand the removal"],
  [{ adjust: { mounts: [null] } }, 'adjust.mounts[0] "null": expected an object, not null'],
  [{ adjust: { mounts: [{ type: "tmpfs", source: "/s" }] } }, "expected an object with a destination"],
  [{ adjust: { mounts: [{ destination: "/d", type: "bind" }] } }, "expected a mount with a source and a type"],
  [
    { adjust: { mounts: [{ ...mount, opts: [] }] } },
    'adjust.mounts[0].opts "[]": expected one of destination, type, source, options',
  ],
  [{ adjust: { mounts: [mount, { destination: "-/d" }] } }, ["adjust.mounts[1]", "each destination once"]],
  [{ adjust: { mounts: [{ destination: "-/d" }] } }, "needs NRI 0.7", old],
  [
    { adjust: { hooks: { prestart: [{ path: "x" }] } } },
    'adjust.hooks.prestart[0].path "x": expected an absolute path',
  ],
  [{ adjust: { hooks: { postStops: [] } } }, "did you mean poststop?"],
  [{ adjust: { rlimits: [{ type: "RLIMIT_CORE", soft: -1 }] } }, "adjust.rlimits[0].soft"],
  [{ adjust: { rlimits: [{ type: "-RLIMIT_CORE" }] } }, "did you mean RLIMIT_CORE?"],
  [{ adjust: { args: [""] } }, "with the program first"],
  [{ adjust: { CDIDevices: [{ name: "gpu" }] } }, "a CDI device's full name"],
  [
    { adjust: { linux: { devices: [{ path: "/dev/x", type: "c", major: 1.5 }] } } },
    'devices[0].major "1.5": expected an integer',
  ],
  [{ adjust: { linux: { devices: [{ path: "-/dev/x" }] } } }, "take the device out of the pod"],
  [
    { adjust: { linux: { oomScoreAdj: { values: 5 } } } },
    'adjust.linux.oomScoreAdj.values "5": expected no other key than value',
  ],
  [
    { adjust: { linux: { ioPriority: { class: "RT" } } } },
    ["adjust.linux.ioPriority.class", "expected one of IOPRIO_CLASS_NONE", "; "],
  ],
  [{ adjust: { linux: { ioPriority: { class: 1 } } } }, "write its name"],
  [{ adjust: { linux: { scheduler: { policy: "SCHED_FIFA" } } } }, "did you mean SCHED_FIFO?"],
  [{ adjust: { linux: { scheduler: { flags: ["SCHED_FLAG_RECLAIN"] } } } }, 'scheduler.flags[0] "SCHED_FLAG_RECLAIN"'],
  [{ adjust: { linux: { memoryPolicy: { mode: "MPOL_BIND", nodes: "all" } } } }, "a list as the kernel writes it"],
  [
    { adjust: { linux: { memoryPolicy: {} } } },
    ["needs NRI 0.12, and this runtime speaks 0.6.1", "update the runtime to containerd 2.3.0 or cri-o 1.37.0"],
    old,
  ],
  [{ adjust: { linux: { namespaces: [{ type: "net" }] } } }, "expected one of network, pid"],
  [{ adjust: { linux: { rdt: { schemata: "L3:0=f" } } } }, "expected a list, not a text"],
  [
    { adjust: { linux: { seccompPolicy: { defaultAction: "SCMP_ACT_ERRNO", defaultErrno: 5 } } } },
    "OCI generator drops it in silence (0.10 to 0.12); name the system calls",
  ],
  [linuxOf({ memory: { limit: true } }), "not true or false"],
  [linuxOf({ memory: { kernelTCP: 1 } }), "did you mean kernelTcp?"],
  [linuxOf({ memory: { swap: 5 } }), "takes effect in phase start, not in create"],
  [linuxOf({ memory: { disableOomKiller: 1 } }), "expected true or false, not a number", contextOf({ phase: "start" })],
  [linuxOf({ hugepageLimits: [{ pageSize: "2M", limit: 1 }] }), "a page size as the kernel names it"],
  [linuxOf({ devices: [{ allow: true, access: "rwm" }] }), "needs NRI 0.10", old],
  [{ update: [{ containerId: 5, linux: {} }] }, "an update with the containerId of a container"],
  [{ update: [{ containerId: ownId, linux: { resources: { cpu: { shares: 5 } } } }] }, "NRI refuses the update"],
  ...["memory.swap", "memory.reservation", "pids.limit", "blockioClass", "rdtClass"].map(
    (path): [Answer, readonly string[]] => {
      const [group = "", name] = path.split(".");
      const resources = { [group]: name === undefined ? "x" : { [name]: 5 } };
      return [
        { update: [{ containerId: otherId, linux: { resources } }] },
        [`update[0].linux.resources.${path}`, `runtimes drop ${path}`],
      ];
    },
  ),
  [{ text: '"adjust":{"env":[],"env":[]}' }, 'adjust.env "[]": expected each key once'],
  [{ text: '"adjust":{"linux":{"cgroupsPath":"/a","cgroups_path":"/b"}}' }, "expected each key once"],
  [{ text: '"adjust":{"annotations":{"a":"1","a":"2"}}' }, 'adjust.annotations.a "2": expected each key once'],
  [{ text: '"adjust":{"linux":{"oomScoreAdj":1e2}}' }, "an integer from -1000"],
  [{ text: `"adjust":${'{"linux":'.repeat(9_000)}{}${"}".repeat(9_000)}` }, "values in more than 16 others"],
  [
    { text: `"adjust":{"annotations":{"a":"${"x".repeat(4_190_000)}"}}` },
    "the answer to the runtime has room for 3145728 more",
  ],
  [{ adjust: { env: many.map((at) => ({ key: `K${at % 3000}`, value: "" })) } }, "each key once"],
  [{ adjust: { mounts: many.map(() => 5) } }, ["adjust.mounts[4]", "the bridge did not read the rest"]],
];

/** How long a look at each of 4 MiB of bytes takes: 3 to 4 ms on the machine of docs/benchmark.md. */
const floorMs = leastOf(() => bytes.reduce((sum, byte) => sum ^ byte, 0));

function leastOf(work: () => unknown): number {
  const times = Array.from({ length: 4 }, () => {
    const began = process.cpuUsage();
    work();
    return process.cpuUsage(began).user / 1000;
  });
  return Math.min(...times);
}

describe("a wrong message", () => {
  it.each(
    wrong.map(([answer, says, context]) => [JSON.stringify(answer).slice(0, 80), answer, says, context] as const),
  )("%s is an error within 50 ms, and nothing of the result is applied", (_, answer, says, context = newest) => {
    const metadata = { "adjust.annotation.fine": "1" };
    const stdout = stdoutOf({ metadata, ...answer });
    const parse = () => parseAdjustment({ metadata }, parseResultExtensions(stdout), context);
    const parsed = parse();
    if (parsed.ok) expect.fail(`a change: ${parsed.change.fields.join(", ")}`);
    for (const part of [says].flat()) expect(parsed.error).toContain(part);
    expect(parsed.error.length).toBeLessThan(2_000);
    expect(leastOf(parse) / floorMs).toBeLessThan(15);
  });
});
