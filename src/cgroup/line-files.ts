import { type Carried, integer, line, type V1File } from "./fields.js";
import { accept, type Parsed, parseUnsigned, refuse } from "./machine.js";
import { toBlkioWeight, toIoWeight } from "./weight.js";

// The files of cgroup v1 that take device rules, or one line for each device (the kernel's security/device_cgroup.c,
// block/blk-throttle.c, bfq-cgroup.c).

function parseLines(text: string, expected: string, read: (line: string) => string | undefined): Parsed {
  const lines = text.split("\n").map((line) => read(line.trim().replace(/\s+/g, " ")));
  return lines.includes(undefined) ? refuse(expected) : accept(lines.join("\n"));
}

function rules(allow: boolean): V1File {
  return {
    kind: "field",
    // NRI takes device rules since 0.10: see src/adjust/fields.ts.
    phases: ["create"],
    controller: "devices",
    file: allow ? "devices.allow" : "devices.deny",
    byLine: true,
    unset: "",
    current: () => undefined,
    assign: (resources, value) => {
      const added = value.split("\n").map((rule) => {
        const [type = "a", major = "*", minor = "*", access = "rwm"] = rule.split(/[ :]/);
        return {
          ...{ allow, type, access },
          ...(major === "*" ? {} : { major: BigInt(major) }),
          ...(minor === "*" ? {} : { minor: BigInt(minor) }),
        };
      });
      resources.devices = [...(resources.devices ?? []), ...added];
    },
    parse: (text) =>
      parseLines(text, "is not a rule such as c 1:3 rwm", (rule) =>
        // The kernel reads nothing after the type a, which means all devices.
        rule.startsWith("a") ? "a" : /^[bc] (\d{1,10}|\*):(\d{1,10}|\*) [rwm]{1,3}$/.exec(rule)?.[0],
      ),
    print: () => "",
  };
}

/** The lines of a text, keyed by their first word: a device, or `default`. */
function linesOf(text = ""): Map<string, string> {
  return new Map([...text.matchAll(/^(\S+) (.*)$/gm)].map(([, device = "", rest = ""]) => [device, rest]));
}

const onV2 = { kind: "field", phases: ["create", "start", "update"], only: 2 } as const satisfies Carried;

/**
 * A v1 file with a value for each device, which cgroup v2 has as part of the device's line in `v2`. NRI hands that file on in
 * `unified`.
 * @param get returns the v1 value that a v2 line holds; the line comes without its device
 * @param set returns a v2 line, without its device, into which it has put a v1 value
 */
function ioFile(
  file: string,
  v2: "io.max" | "io.weight",
  get: (rest: string) => string | undefined,
  set: (before: string, value: string) => string,
  parse: V1File["parse"],
): V1File {
  return {
    ...onV2,
    controller: "blkio",
    file,
    byLine: true,
    unset: "",
    current: ({ unified }) => {
      const values = [...linesOf(unified?.[v2])].map(([device, rest]) => [device, get(rest)] as const);
      const lines = values.filter(([device, value]) => device !== "default" && value !== undefined);
      return lines.length === 0 ? undefined : lines.map((parts) => parts.join(" ")).join("\n");
    },
    assign: (resources, value) => {
      const lines = linesOf(resources.unified?.[v2]);
      for (const [device, one] of linesOf(value)) lines.set(device, set(lines.get(device) ?? "", one));
      const text = [...lines].map((parts) => parts.join(" ")).join("\n");
      resources.unified = { ...resources.unified, [v2]: text };
    },
    parse,
    print: line,
  };
}

function throttle(name: string): V1File {
  const key = name.replace("read_", "r").replace("write_", "w");
  return ioFile(
    `blkio.throttle.${name}_device`,
    "io.max",
    (limits) => new RegExp(`\\b${key}=(\\d+)`).exec(limits)?.[1],
    (before, rate) => {
      const others = before.split(" ").filter((limit) => limit !== "" && !limit.startsWith(`${key}=`));
      return [...others, `${key}=${rate === "0" ? "max" : rate}`].join(" ");
    },
    (text) => parseLines(text, "is not a line such as 8:0 1048576", (line) => /^\d+:\d+ \d+$/.exec(line)?.[0]),
  );
}

/** Two v1 files: the weight of a cgroup, which is the line `default` in v2's io.weight, and the weights for single devices. */
function weights(file: string, least: bigint, unset: string): readonly V1File[] {
  const isUnset = (text: string) => text === "0" || text === "default";
  const expected = `from ${least} to 1000`;
  const parse = integer(parseUnsigned, least, 1000n, `is not ${expected}`);
  const get = (weight: string) => (/^[1-9]\d*$/.test(weight) ? `${toBlkioWeight(BigInt(weight))}` : undefined);
  const set = (_: string, weight: string) => (isUnset(weight) ? "default" : `${toIoWeight(BigInt(weight))}`);
  const byDevice = ioFile(`${file}_device`, "io.weight", get, set, (text) =>
    parseLines(text, `is not a line such as 8:0 300, ${expected}`, (one) => {
      const [, weight = ""] = /^(?:default|\d+:\d+) (\d+|default)$/.exec(one) ?? [];
      return isUnset(weight) || parse(weight).ok ? one : undefined;
    }),
  );
  const whole: V1File = {
    ...byDevice,
    file,
    unset,
    byLine: false,
    current: ({ unified }) => {
      const weight = linesOf(unified?.["io.weight"]).get("default") ?? "100";
      // A new cgroup has the weight 100, so a weight of 100 counts as not set.
      return weight === "100" ? undefined : get(weight);
    },
    assign: (resources, value) => byDevice.assign(resources, `default ${value}`),
    parse,
  };
  return [whole, byDevice];
}

export const lineFiles: readonly V1File[] = [
  rules(false),
  rules(true),
  ...["read_bps", "write_bps", "read_iops", "write_iops"].map(throttle),
  ...weights("blkio.weight", 10n, "500"),
  ...weights("blkio.bfq.weight", 1n, "100"),
];
