import { BridgeError } from "../../base/errors.js";
import { demoPods } from "../../gen/built-in.js";
import { decodeEvent } from "../../nri/events.js";
import { findBundle } from "../../v01/bundle.js";
import { toRawJson } from "../../v01/gojson/raw.js";
import { formatRequestBody, spliceRequest } from "../../v01/request.js";
import type { LinuxResources } from "../../v01/resources.js";
import { formatResult } from "../../v01/result.js";
import { targetOf, toCreateRequest, toSpec } from "../../v01/to-v01.js";
import type { RawJson, Request, Result, Spec } from "../../v01/types.js";
import { parseEvents } from "../replay/case.js";

export interface ConformanceCase {
  readonly name: string;
  readonly title: string;
  /** The runs, each with the text on the plugin's stdin. */
  readonly runs: readonly { readonly request: Request; readonly input: string }[];
  /**
   * What each run has to do. `result`: print a good result; `answer`: print a result or an error; `end`: end by itself in time,
   * whatever it prints.
   */
  readonly expects: "result" | "answer" | "end";
  readonly sideBySide?: boolean;
}

/** Bytes of annotations in the large request: four times the 256 KiB that Kubernetes allows in a pod, so that plugins have room. */
const largeBytes = 1 << 20;

/**
 * All cases in their order.
 * @param pid the pid that the requests name
 * @param conf the `conf` in the requests; undefined for none
 * @param phase the phase in which the bridge sends a container's create
 */
export function createCases(pid: number, conf: RawJson | undefined, phase: "start" | "create"): ConformanceCase[] {
  const [sandbox, running] = recordedCreates(pid);
  if (sandbox === undefined || running === undefined) throw new BridgeError("INTERNAL", "the scenario has no creates");
  // Before a container exists it has no process.
  const container = phase === "create" ? { ...running, pid: 0 } : running;
  const send = (request: Request) => spliceRequest(formatRequestBody(request), conf, []);
  const spec = (change: Partial<Spec>): Request => ({ ...container, spec: { ...container.spec, ...change } });
  const annotated = (annotations: Spec["annotations"]) =>
    spec({ annotations: { ...container.spec.annotations, ...annotations } });
  const each = (...requests: readonly Request[]) => requests.map((request) => ({ request, input: send(request) }));
  const one = (
    name: string,
    title: string,
    request: Request,
    besides: Partial<ConformanceCase> = {},
  ): ConformanceCase => ({ name, title, runs: each(request), expects: "result", ...besides });
  const raw = (name: string, title: string, input: string, expects: ConformanceCase["expects"] = "result") =>
    one(name, title, container, { runs: [{ request: container, input }], expects });
  const plain = send(container);
  const body = formatRequestBody(container);
  const refusable = { expects: "answer" } as const;

  return [
    one("create-sandbox", "a pod sandbox is created", sandbox),
    one("create-container", "a container is created", container),
    one("delete-container", "a container is deleted: no labels", deleteOf(container)),
    one("delete-sandbox", "a pod sandbox is deleted: no labels", deleteOf(sandbox)),
    // The bridge sends an update only to a plugin whose setting `states` includes `update`.
    one("update-container", "a container's resources are updated", { ...container, state: "update" }),
    one("update-sandbox", "a pod sandbox's resources are updated", { ...sandbox, state: "update" }),
    one("unknown-state", "a state that v0.1 does not name", { ...container, state: "postCreate" }, refusable),
    one("no-pid", "a delete of a container that never had a process", deleteOf({ ...container, pid: 0 })),
    one("resources-null", "resources are null", spec({ resources: null })),
    one("resources-empty", "resources are an empty object", spec({ resources: {} })),
    one(
      "bare",
      "neither labels nor annotations, namespaces or a cgroup path",
      { ...spec({ namespaces: {}, annotations: {}, cgroupsPath: "" }), labels: {} },
      refusable,
    ),
    one("big-numbers", "integers beyond 2^53 and below 0", spec({ resources: bigNumbers })),
    one("all-resources", "every kind of resource", spec({ resources: allResources })),
    one(
      "escapes",
      "<, > and &, quotes and U+2028, which Go escapes",
      annotated({ both: "ctr", "x<y": '&\u2028"', path: "C:\\x\u0008\u000c\n\t" }),
    ),
    one("unicode", "text beyond ASCII, and beyond U+FFFF, in labels and annotations", {
      ...annotated({ "example.com/é": "grüße 世界 😀" }),
      labels: { ...container.labels, schlüssel: "вес" },
    }),
    one("odd-keys", "labels with names that JavaScript and shells stumble over", {
      ...container,
      labels: { ["__proto__"]: "x", constructor: "y", "a b": "$(id) `id`", "": "empty", 'quote"d': "'" },
    }),
    one("qos-class", 'the annotation qos.class is "ls", as clearcfs reads it', annotated({ "qos.class": "ls" })),
    raw("unknown-keys", "keys that v0.1 does not know", `${plain.slice(0, -1)},${unknownKeys}}`),
    ...confs.map(([name, title, text]) => {
      return raw(name, title, spliceRequest(body, text === undefined ? undefined : toRawJson(text), []), "answer");
    }),
    raw(
      "results",
      "what earlier plugins of the chain answered",
      spliceRequest(body, conf, earlierResults.map(formatResult)),
    ),
    one("large-request", "a request of 1 MB, most of it annotations", annotated(largeAnnotations())),
    raw("stdin-empty", "stdin is closed before a byte came", "", "end"),
    raw("stdin-cut", "stdin is closed in the middle of the request", plain.slice(0, plain.length / 2), "end"),
    one("repeated", "create three times, then delete twice", container, {
      runs: each(container, container, container, deleteOf(container), deleteOf(container)),
    }),
    // containerd 1.6 ran a plugin for several containers at the same time.
    one("side-by-side", "four containers at once", container, {
      runs: each(...["a", "b", "c", "d"].map((first) => ({ ...container, id: first + container.id.slice(1) }))),
      sideBySide: true,
    }),
  ];
}

const bigNumbers: LinuxResources = {
  memory: { limit: 9_007_199_254_740_993n, swap: 9_007_199_254_740_993n },
  cpu: { shares: 262_144n, quota: -1n, period: 100_000n },
};

const allResources: LinuxResources = {
  devices: [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 1n, minor: 3n, access: "rwm" },
  ],
  memory: { limit: 134_217_728n, reservation: 1n, swap: 134_217_728n, swappiness: 60n, disableOOMKiller: true },
  cpu: { shares: 102n, quota: 50_000n, period: 100_000n, realtimeRuntime: 1n, cpus: "0-1", mems: "0" },
  pids: { limit: 1000n },
  hugepageLimits: [
    { pageSize: "2MB", limit: 4_194_304n },
    { pageSize: "1GB", limit: 0n },
  ],
  unified: { "memory.high": "max" },
};

/** A conf of each JSON type. A plugin may refuse one that it cannot use. */
const confs: readonly (readonly [name: string, title: string, text: string | undefined])[] = [
  ["conf-absent", "no conf", undefined],
  ["conf-null", "conf is null", "null"],
  ["conf-string", "conf is a string", '"te<x>t"'],
  ["conf-number", "conf is a number", "1E400"],
  ["conf-boolean", "conf is true", "true"],
  ["conf-array", "conf is an array", "[]"],
  ["conf-object", "conf is an empty object", "{}"],
  [
    "conf-odd",
    "conf is an object with a duplicate key, escapes and big numbers",
    '{"z":1,"a":2,"a":3,"u":"\\u00e9\\u003c\\/ \\u003c\\u003e\\u0026é\\u2028","big":12345678901234567890,"f":1.0,"e":1E400,"neg":-0,"arr":[1,2]}',
  ],
];

const earlierResults: readonly Result[] = [
  { plugin: "recorder", version: "0.1", error: "", metadata: { by: "recorder", state: "create" } },
  { plugin: "another name", version: "9.9", error: "", metadata: { a: "\u2028é", z: "<&>" } },
  { plugin: "", version: "", error: "", metadata: {} },
];

/** Keys like those that the bridge adds with `request: superset` (`nri`), or that a later version may add (`future`). */
const unknownKeys = '"nri":{"pod":{"name":"pod1","ips":["10.0.0.1"]}},"future":[null,{"id":"x"}]';

function largeAnnotations(): Record<string, string> {
  const value = "x".repeat(1000);
  const keys = Array.from({ length: largeBytes / 1024 }, (_, at) => `example.com/large-${String(at).padStart(4, "0")}`);
  return Object.fromEntries(keys.map((key) => [key, value]));
}

/** The create requests that the bridge makes from the demo's events, for the pod and for its containers. */
function recordedCreates(pid: number): Request[] {
  const { "events.jsonl": events = "", ...files } = demoPods.containerd ?? {};
  const bundles = Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
  const rules = { pod: [], container: [], crio: false, alias: false };
  return parseEvents(events, "events.jsonl").flatMap(({ method, payload }) => {
    const event = decodeEvent(method, payload);
    if (event?.name !== "RunPodSandbox" && event?.name !== "StartContainer") return [];
    const target = { ...targetOf(event), pid };
    const { namespaces, annotations, ...spec } = toSpec(target, findBundle(bundles, target.cgroupsPath)?.bundle, rules);
    // The paths get `pid` for the recorded pids, which other processes may have on this machine.
    const paths = Object.entries(namespaces).map(([type, path]) => [type, path.replace(/\d+/, String(pid))]);
    const { "qos.class": _, ...plain } = annotations;
    const own = { ...spec, namespaces: Object.fromEntries(paths), annotations: plain };
    return toCreateRequest("0.1", "create", target, own);
  });
}

/** The delete request that follows a create: the same request, but without labels. */
function deleteOf(create: Request): Request {
  return { ...create, state: "delete", labels: {} };
}
