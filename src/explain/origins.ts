import { parseBundle } from "../oci/bundle.js";
import type { Case } from "../replay/case.js";
import { type BundleSpec, containerSubject, podSubject, type Subject, toSpec } from "../translate/to-v01.js";
import { formatRequestBody } from "../v01/request.js";
import type { Request, Spec } from "../v01/types.js";
import type { Explained } from "./play.js";

/** Where the spec of an event's request comes from, and what the event alone lacks. */
export interface Origin {
  /** The path of the bundle; undefined when the event had to do. */
  readonly bundle: string | undefined;
  /** Paths in the request that NRI v2's event lacks or has otherwise. */
  readonly lost: readonly string[];
}

/** What cannot come from an event: NRI has no field for it. */
const lostWithoutBundle = [
  "spec.resources.blockIO, network and rdma: NRI v2 has no such fields",
  "spec.annotations: an event holds CRI's and OCI's together, and which is which is told by their names",
] as const;

export function subjectOf({ event }: Explained): Subject {
  return "container" in event ? containerSubject(event.pod, event.container) : podSubject(event.pod);
}

/** @param request the request of the event's first plugin */
export function originOf(explained: Explained, request: Request, played: Case): Origin {
  const match = findBundle(played, request.spec.cgroupsPath);
  if (match === undefined) return { bundle: undefined, lost: lostWithoutBundle };
  const subject = subjectOf(explained);
  const rules = { oci: [], podToContainer: false, crio: played.runtime.name === "cri-o", alias: false };
  // A delete's event has no spec to speak of: what it has of its own is shown by its request.
  if (request.state === "delete") return { bundle: match.path, lost: [] };
  const lost = differences(toSpec(subject, undefined, rules), toSpec(subject, match.spec, rules));
  return { bundle: match.path, lost };
}

function findBundle({ bundles }: Case, cgroupsPath: string): { path: string; spec: BundleSpec } | undefined {
  for (const { path, bytes } of bundles) {
    try {
      const spec = parseBundle(bytes);
      if (spec.cgroupsPath === cgroupsPath) return { path, spec };
    } catch {
      // A bundle that is no JSON is one that the bridge does not take either.
    }
  }
  return undefined;
}

function differences(event: Spec, bundle: Spec): readonly string[] {
  const [left, right] = [event, bundle].map((spec) => leaves(specValue(spec), "spec"));
  return [...(right ?? new Map<string, string>())]
    .filter(([path, text]) => left?.get(path) !== text)
    .map(([path]) => path);
}

function specValue(spec: Spec): unknown {
  const body = formatRequestBody({ version: "", state: "", id: "", sandboxID: "", pid: 0, spec, labels: {} });
  return Reflect.get(JSON.parse(`{${body}}`), "spec");
}

/** Every leaf of a value by its path. */
function leaves(value: unknown, path: string): Map<string, string> {
  const object = typeof value === "object" && value !== null;
  if (!object || Object.keys(value).length === 0) return new Map([[path, JSON.stringify(value)]]);
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...leaves(inner, `${path}.${key}`)]));
}

/** Each field of a request with where it comes from, in the request's order. */
export function sourcesOf(
  request: string,
  state: string,
  { bundle }: Origin,
  confFile: string,
): Readonly<Record<string, string>> {
  const from = bundle ?? "the event";
  const remembered = "what was remembered of the create";
  const later = state === "delete" || state === "update";
  const known: Readonly<Record<string, string>> = {
    conf: confFile,
    version: confFile,
    state: "the event's name and the configuration",
    id: "the event",
    sandboxID: "the event",
    pid: later ? remembered : "the event",
    spec: later ? `${remembered} (${from}), with the resources of the event` : from,
    labels: "the event: the pod's labels",
    nri: "the event (request: superset)",
    results: "the plugins before it: here as if each had answered that all is well",
  };
  const keys = Object.keys(JSON.parse(request));
  return Object.fromEntries(keys.map((key) => [key, known[key] ?? "unknown"]));
}
