import type {
  Hook,
  Hooks,
  LinuxContainerAdjustment,
  LinuxDevice,
  Mount,
  POSIXRlimit,
  StringMap,
} from "../nri/types.js";
import { cdiInjection } from "./gates.js";
import { byteLength, checkText, maxPathBytes, maxWriteBytes, parseInteger } from "./grammar.js";
import { hookStage, hookStages, parseHook } from "./hook.js";
import { parseJsonTree } from "./json-tree.js";
import type { KeySpec } from "./key-spec.js";
import { bad, good, map } from "./parsed.js";
import { textsOf } from "./tree-reader.js";
import type { AdjustmentDraft, Write } from "./types.js";
import { checkArgs, checkEnv, parseDevice, parseMount, parseRlimit } from "./values.js";

/** k8s.io/apimachinery pkg/api/validation/objectmeta.go: all annotations of an object together. */
export const maxAnnotationBytes = 256 * 1024;

const create = { phases: ["create"] } as const;

/** The keys that only CreateContainer's answer can hold. Those with a placeholder go on with a name. */
export const containerKeys = {
  annotation: {
    gate: create,
    json: "string",
    placeholder: "<key>",
    removal: { effect: true },
    parse: (key, text, removes) => {
      if (key === "") return bad("the key of an annotation", "fix the key");
      if (byteLength(key) + byteLength(text) > maxAnnotationBytes) {
        return bad(
          `a key and a text of at most ${maxAnnotationBytes} bytes together, Kubernetes' own limit for annotations`,
        );
      }
      return good(
        adjustment((draft) => {
          draft.annotations ??= emptyMap();
          draft.annotations[removes ? `-${key}` : key] = text;
        }),
      );
    },
  },
  env: {
    gate: create,
    json: "string",
    placeholder: "<NAME>",
    // NRI pkg/adaptation/result.go adjustEnv, v0.2.0 to v0.12.2: a removal undoes what another NRI plugin has set, and
    // is not handed on to the runtime.
    removal: {
      effect: false,
      why: "NRI does not hand the removal of a container's own variable on (0.2 to 0.12)",
      remedy: "set the variable to an empty text",
    },
    parse: (name, text) =>
      map(checkEnv(name, text), (variable) =>
        adjustment((draft) => {
          draft.env ??= [];
          draft.env.push(variable);
        }),
      ),
  },
  mount: {
    gate: create,
    placeholder: "<destination>",
    // The same for mounts before v0.7.0, which began to hand removals on.
    removal: { effect: true, since: "0.7" },
    parse: (destination, text, removes) => {
      if (!removes) return map(parseMount(destination, text), mountWrite);
      const mount = { destination: `-${destination}`, source: "", type: "", options: [] };
      return destination.startsWith("/") ? good(mountWrite(mount)) : bad("an absolute path after the -", "fix the key");
    },
  },
  device: {
    gate: create,
    placeholder: "<path>",
    // result.go adjustDevices, v0.2.0 to v0.12.2, as for variables.
    removal: {
      effect: false,
      why: "NRI does not hand the removal of a container's own device on (0.2 to 0.12)",
      remedy: "take the device out of the pod",
    },
    parse: (path, text) => map(parseDevice(path, text), deviceWrite),
  },
  rlimit: {
    gate: { ...create, since: "0.4" },
    placeholder: "<TYPE>",
    parse: (type, text) => map(parseRlimit(type, text), rlimitWrite),
  },
  hook: {
    gate: create,
    placeholder: "<stage>",
    parse: (name, text) => {
      const stage = hookStage(name);
      if (stage === undefined) return bad(`a stage as OCI names it: ${hookStages.join(", ")}`, "fix the key");
      return map(parseHook(text), (hook) => hooksWrite(stage, [hook]));
    },
  },
  args: {
    gate: { ...create, since: "0.10" },
    parse: (_, text) => {
      const parsed = parseJsonTree(text);
      if (!parsed.ok) return bad(`a JSON list of texts (${parsed.reason})`);
      const texts = textsOf(parsed.tree);
      return texts.ok ? map(checkArgs(texts.value), argsWrite) : texts;
    },
  },
  cdi: {
    gate: { ...create, since: "0.7", runtime: cdiInjection },
    placeholder: "<name>",
    parse: (name, text) => {
      if (!/^[^\s/=]+\/[^\s/=]+=[^\s=]+$/.test(name))
        return bad("a CDI device's full name: vendor.com/class=name", "fix the key");
      if (text !== "") return bad("an empty text");
      return good(cdiWrite(name));
    },
  },
  cgroupsPath: {
    gate: create,
    json: "string",
    parse: (_, text) => {
      if (!/^[^\0\n]+$/.test(text)) return bad("a path, or slice:prefix:name under systemd's cgroup driver");
      return map(checkText(text, maxPathBytes), (path) =>
        adjustment((draft) => {
          linuxOf(draft).cgroupsPath = path;
        }),
      );
    },
  },
  oomScoreAdj: {
    gate: { ...create, since: "0.7" },
    json: "number",
    // proc(5), /proc/pid/oom_score_adj
    parse: (_, text) =>
      map(parseInteger(text, { min: -1000n, max: 1000n }), (oomScoreAdj) =>
        adjustment((draft) => {
          linuxOf(draft).oomScoreAdj = oomScoreAdj;
        }),
      ),
  },
  sysctl: {
    gate: { ...create, since: "0.11" },
    json: "string",
    placeholder: "<name>",
    // result.go adjustSysctl, v0.11.0 to v0.12.2: the removal ends among the annotations.
    removal: {
      effect: false,
      why: "NRI loses the removal of a sysctl (0.11 to 0.12)",
      remedy: "set the sysctl to the value that it shall have",
    },
    parse: (name, text) => {
      if (!/^\w[\w./-]*$/.test(name)) return bad("the name of a sysctl, such as net.core.somaxconn", "fix the key");
      return map(checkText(text, maxWriteBytes), (value) =>
        adjustment((draft) => {
          const linux = linuxOf(draft);
          linux.sysctl ??= emptyMap();
          linux.sysctl[name] = value;
        }),
      );
    },
  },
} satisfies Record<string, KeySpec>;

export function mountWrite(mount: Mount): Write {
  return adjustment((draft) => {
    draft.mounts ??= [];
    draft.mounts.push(mount);
  });
}

export function deviceWrite(device: LinuxDevice): Write {
  return adjustment((draft) => {
    const linux = linuxOf(draft);
    linux.devices ??= [];
    linux.devices.push(device);
  });
}

export function rlimitWrite(limit: POSIXRlimit): Write {
  return adjustment((draft) => {
    draft.rlimits ??= [];
    draft.rlimits.push(limit);
  });
}

export function hooksWrite(stage: keyof Hooks, hooks: readonly Hook[]): Write {
  return adjustment((draft) => {
    draft.hooks ??= {};
    draft.hooks[stage] = [...(draft.hooks[stage] ?? []), ...hooks];
  });
}

export function argsWrite(args: string[]): Write {
  return adjustment((draft) => {
    draft.args = args;
  });
}

function cdiWrite(name: string): Write {
  return adjustment((draft) => {
    draft.CDIDevices ??= [];
    draft.CDIDevices.push({ name });
  });
}

function adjustment(apply: (draft: AdjustmentDraft) => void): Write {
  return { into: "adjustment", apply };
}

function linuxOf(draft: AdjustmentDraft): LinuxContainerAdjustment {
  draft.linux ??= {};
  return draft.linux;
}

/** Without a prototype, so that a key like `__proto__` is a key like any other. */
function emptyMap(): StringMap {
  return Object.create(null);
}
