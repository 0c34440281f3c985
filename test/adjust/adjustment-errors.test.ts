import { describe, expect, it } from "vitest";
import type { AdjustmentContext } from "../../src/adjust/from-v01.js";
import { contextOf, errorOf, otherId, ownId, parseAnswer } from "./adjustment-support.js";

const anyV1 = contextOf({ phase: "start", cgroupVersion: 1 });

/** A key with values that it does not take, and what the error says of each. */
const wrong: readonly [key: string, values: readonly string[], says: string, context?: AdjustmentContext][] = [
  ["cpu.quota", ["abc"], "expected -1 for no limit, or an integer from 1000 to 9223372036854775807, microseconds"],
  ["cpu.quota", ["0", "-2", "9223372036854775808", " 1000", "+1000", "01000", "1e6", "1000.0", ""], "from 1000"],
  ["cpu.period", ["999"], "expected an integer from 1000 to 1000000, microseconds"],
  ["cpu.period", ["1000001"], "to 1000000"],
  ["cpu.shares", ["1"], "expected an integer from 2 to 262144"],
  ["cpu.shares", ["262145"], "from 2 to 262144"],
  ["cpu.cpus", ["0-"], "expected a list as the kernel writes it, such as 0-3,8, of numbers below 8192"],
  ["cpu.cpus", ["3-1", "0, 1", "0,,1", "", "all", "0-N", "0-7:2/4"], "expected a list"],
  ["cpu.mems", ["0-1024"], "below 1024"],
  ["cpu.realtimePeriod", ["0"], "from 1"],
  ["memory.limit", ["0"], "expected -1 for no limit, or an integer from 1 to 9223372036854775807, bytes"],
  ["memory.swappiness", ["101"], "from 0 to 100", anyV1],
  ["memory.disableOOMKiller", ["1"], "expected true or false", anyV1],
  ["memory.swap", ["-2"], "expected -1 for no limit", anyV1],
  ["pids.limit", ["0", "4194305"], "from 1 to 4194304"],
  ["hugepage.2MB", ["-1"], "from 0 to 18446744073709551615, bytes"],
  ["hugepage.2M", ["0"], "a page size as the kernel names it: 64KB, 2MB, 1GB; fix the key"],
  ["hugepage.2048KB", ["0"], "a page size as the kernel names it: 64KB, 2MB, 1GB; fix the key"],
  ["hugepage.", ["0"], "a page size"],
  ["unified.memory.high", [""], "lines of at most 4095 bytes"],
  ["unified.memory.high", ["x".repeat(4096)], "at most 4095 bytes"],
  ["unified.memory/high", ["1"], "the name of a cgroup v2 file"],
  ["annotation.", ["x"], "the key of an annotation"],
  ["annotation.-a", ["x"], "expected an empty text, since the - removes"],
  ["env.", ["x"], "the name of a variable, without ="],
  ["env.A=B", ["x"], "the name of a variable, without ="],
  ["env.A", ["x".repeat(131_070)], "at most 131071 bytes"],
  [
    "env.-A",
    [""],
    "NRI does not hand the removal of a container's own variable on (0.2 to 0.12); set the variable to an empty",
  ],
  ["mount./data", ["", "/srv", ",bind,bind", "/srv,bind,,ro"], "expected source,type,option..."],
  ["mount./data", ["/srv,bind,ro"], "the option bind or rbind"],
  ["mount.data", ["/srv,bind,bind"], "an absolute path as the mount's destination; fix the key"],
  ["mount.-data", [""], "an absolute path as the mount's destination"],
  ["mount.-/data", ["/srv"], "expected an empty text"],
  ["mount./data", [`/${"x".repeat(4096)},bind,bind`], "source: expected a path of at most 4095 bytes"],
  ["device./dev/fuse", ["c:10"], "expected type:major:minor[:mode[:uid[:gid]]]"],
  ["device./dev/fuse", ["x:10:229", "c:10:229:0888", "c:10:229:rw"], "expected type:major:minor"],
  ["device./dev/fuse", ["c:4096:0"], "major: expected an integer from 0 to 4095"],
  ["device./dev/fuse", ["c:1:1:77777"], "which is 07777 in octal"],
  ["device.dev/fuse", ["c:10:229"], "an absolute path as the path of the device"],
  ["device.-/dev/fuse", [""], "NRI does not hand the removal of a container's own device on"],
  ["rlimit.RLIMIT_NOFILE", ["1024", "1:2:3", "1:infinity", "-1:-1", "1:18446744073709551616"], "expected soft:hard"],
  ["rlimit.RLIMIT_NOFILE", ["unlimited:1"], "a soft limit that is not above the hard one"],
  ["rlimit.RLIMIT_NOFILES", ["1:1"], "did you mean RLIMIT_NOFILE?"],
  ["hook.prestarts", ["{}"], "did you mean hook.prestart?"],
  ["hook.prestart", ["/bin/x"], "JSON of one OCI hook (invalid character '/' looking for beginning of value)"],
  ["hook.prestart", ["{}"], "expected a hook with a path"],
  ["hook.prestart", ['{"path":"x"}'], "path: expected an absolute path as the path of a hook"],
  ["hook.prestart", ['{"path":"/x","timeout":0}'], "timeout: expected an integer from 1"],
  ["hook.prestart", ['{"path":"/x","timeout":"1s"}'], "timeout: expected an integer from 1"],
  ["hook.prestart", ['{"path":"/x","args":[1]}'], "args[0]: expected a text in quotes, not a number"],
  ["args", [""], "a JSON list of texts (unexpected end of JSON input)"],
  ["args", ["[]", '[""]'], "with the program first"],
  ["args", ['{"0":"x"}'], "expected a list, not an object"],
  ["args", ['["a",null]'], "[1]: expected a text in quotes, not null"],
  ["args", [JSON.stringify(["a", "x".repeat(131_072)])], "at most 131071 bytes"],
  ["cdi.gpu", [""], "a CDI device's full name: vendor.com/class=name"],
  ["cgroupsPath", ["", "/a\nb"], "a path, or slice:prefix:name"],
  ["oomScoreAdj", ["1001", "-1001"], "from -1000 to 1000"],
  ["sysctl.", ["1"], "the name of a sysctl"],
  ["sysctl.-net.core.somaxconn", [""], "NRI loses the removal of a sysctl"],
  ["sysctl.kernel.x", ["x".repeat(5000)], "at most 4095 bytes"],
  ["blockioClass", ["a/b"], "the name of a class"],
  ["cpu.share", ["512"], "did you mean cpu.shares?"],
  ["annotaion.a", ["x"], "did you mean annotation.a?"],
  ["memory", ["1"], "expected a key that begins with one of annotation. mount. env."],
  ["", ["1"], "expected a key that begins with one of"],
  [`update.${otherId}.update.a.cpu.shares`, ["2"], "expected a key that begins with one of"],
  ["update..cpu.shares", ["2"], "expected update.<containerID>.<key>"],
  [`update.${otherId}.cpu.share`, ["2"], "did you mean cpu.shares?"],
  [`update.${otherId}.pids.limit`, ["2"], "a key that an update of another container can hold: cpu.shares, cpu.quota"],
  [`update.${otherId}.cpu.shares`, ["x"], "from 2 to 262144"],
  [
    `update.${ownId}.cpu.shares`,
    ["512"],
    "NRI refuses the update of the container that is being created; use the key without update.<containerID>.",
  ],
];

describe("a wrong value", () => {
  it.each(wrong)("adjust.%s = each of %j", (key, values, says, context) => {
    for (const value of values) {
      const error = errorOf({ metadata: { [`adjust.${key}`]: value } }, context ?? contextOf());
      expect(error, value).toContain(says);
      expect(error).toMatch(/^the result of "konfine" cannot be applied: adjust\./);
      expect(error).toContain(`adjust.${key} "`);
    }
  });

  it("takes the whole result with it", () => {
    const metadata = { "adjust.cpu.shares": "512", "adjust.cpu.quota": "abc", "adjust.annotation.a": "b" };
    expect(parseAnswer({ metadata }).ok).toBe(false);
  });

  it("is named with the others, up to five", () => {
    const metadata = Object.fromEntries(Array.from({ length: 7 }, (_, at) => [`adjust.x${at}`, `v${at}`]));
    const error = errorOf({ metadata });
    expect(error.match(/adjust\.x/g)).toHaveLength(5);
    expect(error).toMatch(/; the bridge did not read the rest$/);
  });

  it("is shown cut when it is long, and quoted", () => {
    const error = errorOf({ metadata: { "adjust.cpu.shares": `a"\n${"x".repeat(1000)}` } });
    expect(error).toContain('adjust.cpu.shares "a\\"\\nxxx');
    expect(error.length).toBeLessThan(300);
  });
});
