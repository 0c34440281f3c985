import { dirname } from "node:path";
import type { StringMap } from "../nri/types.js";
import type { Target } from "./to-v01.js";

export interface AnnotationRules {
  /**
   * Patterns in the syntax of Go's path.Match, as in the runtime's `pod_annotations`: the pod's annotations that match are in the
   * requests of the pod and of its containers.
   */
  readonly pod: readonly string[];
  /** Such patterns for a container's own annotations, as in the runtime's `container_annotations`. */
  readonly container: readonly string[];
  /** Whether the runtime is CRI-O, whose events already carry the OCI annotations. */
  readonly crio: boolean;
  /** Whether to add, on CRI-O, the names that containerd uses for the same facts. */
  readonly alias: boolean;
}

/** compat: containerd 1.6 did not write this annotation; containerd 2.x does. */
const newerThanV16 = "io.kubernetes.cri.podsandbox.image-name";

/**
 * The OCI annotations that a legacy plugin sees: from the bundle where there is one, otherwise derived from the CRI and OCI
 * annotations of the event.
 */
export function toOciAnnotations(
  target: Target,
  ofBundle: Readonly<StringMap> | undefined,
  rules: AnnotationRules,
): StringMap {
  const { pod, container } = target;
  const own = ofBundle ?? runtimeAnnotations(container ?? pod, rules);
  const passed = {
    ...matching(pod, rules.pod),
    ...(container === undefined ? {} : matching(container, rules.container)),
  };
  const annotations = filterKeys({ ...passed, ...own }, (key) => key !== newerThanV16);
  return rules.alias ? { ...containerdNames(target, annotations), ...annotations } : annotations;
}

type Annotated = Pick<Target["pod"], "annotations">;

/** The annotations of an event that the runtime itself wrote; on CRI-O, all annotations of the event. */
function runtimeAnnotations({ annotations }: Annotated, { crio }: AnnotationRules): Readonly<StringMap> {
  return crio ? annotations : filterKeys(annotations, (key) => key.startsWith("io.kubernetes.cri."));
}

/** The annotations that match a pattern. compat: containerd 1.6 pkg/cri/server/helpers.go getPassthroughAnnotations */
function matching({ annotations }: Annotated, patterns: readonly string[]): Readonly<StringMap> {
  if (patterns.length === 0) return {};
  const compiled = patterns.map(compilePathPattern);
  return filterKeys(annotations, (key) => compiled.some((pattern) => pattern.test(key)));
}

/**
 * The annotations that containerd would write for this CRI-O event. CRI-O's pod events carry CRI annotations only, and its
 * SandboxName is a composed name, so the values come from the event's fields (cri-o server/nri-api.go).
 */
function containerdNames({ kind, sandboxID, pod, container }: Target, crio: Readonly<StringMap>): StringMap {
  // CRI-O's UserRequestedImage (the image in the spec) and LogPath: cri-o internal/annotations/annotations.go.
  const { "io.kubernetes.cri-o.Image": image, "io.kubernetes.cri-o.LogPath": logPath } = crio;
  return {
    "io.kubernetes.cri.container-type": kind,
    "io.kubernetes.cri.sandbox-id": sandboxID,
    "io.kubernetes.cri.sandbox-name": pod.name,
    "io.kubernetes.cri.sandbox-namespace": pod.namespace,
    "io.kubernetes.cri.sandbox-uid": pod.uid,
    ...(container && { "io.kubernetes.cri.container-name": container.name }),
    ...(container && image !== undefined && { "io.kubernetes.cri.image-name": image }),
    // CRI-O writes a pod's log to <id>.log in the pod's log directory (cri-o server/sandbox_run_linux.go). containerd 1.6 did not
    // give this annotation to containers.
    ...(!container && logPath !== undefined && { "io.kubernetes.cri.sandbox-log-directory": dirname(logPath) }),
  };
}

function filterKeys(map: Readonly<StringMap>, keep: (key: string) => boolean): StringMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}

// In Go, a character class needs at least one range, and a `-` or `]` within a class needs a `\` before it.
const bound = String.raw`(?:\\.|[^\\\]-])`;
const range = `${bound}(?:-${bound})?`;
const term = String.raw`\*|\?|\[(?:\^|(?!\^))(?:${range})+\]|\\.|[^[\\*?]`;

/**
 * Compiles a pattern with the meaning of Go's path.Match: `*` and `?` match no slash, a class may match a slash, `\` quotes the
 * next character. A malformed pattern matches nothing.
 */
export function compilePathPattern(pattern: string): RegExp {
  if (!new RegExp(`^(?:${term})*$`, "su").test(pattern)) return /(?!)/;
  const source = pattern.replace(new RegExp(term, "gsu"), (text) => {
    if (text === "*") return "[^/]*";
    if (text === "?") return "[^/]";
    if (!text.startsWith("[")) return escapeCode(codeOf(text));
    const start = text.startsWith("[^") ? "[^" : "[";
    return `${start}${text.slice(start.length, -1).replace(new RegExp(range, "gsu"), compileRange)}]`;
  });
  return new RegExp(`^${source}$`, "su");
}

/** compat: Go accepts a range whose low end is above its high end; such a range matches nothing. */
function compileRange(text: string): string {
  const [low = 0, high = low] = (text.match(new RegExp(bound, "gsu")) ?? []).map(codeOf);
  return low <= high ? `${escapeCode(low)}-${escapeCode(high)}` : "";
}

/** The code point of a character; the text may have a `\` before the character. */
function codeOf(text: string): number {
  return text.codePointAt(text.startsWith("\\") ? 1 : 0) ?? 0;
}

function escapeCode(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
