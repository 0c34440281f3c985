import { dirname } from "node:path";
import type { StringMap } from "../nri/types.js";
import type { Target } from "./to-v01.js";

export interface AnnotationRules {
  /** Patterns of the runtime's `pod_annotations`, as Go's path.Match reads them: a pod's annotations that it and its containers show. */
  readonly pod: readonly string[];
  /** The same of `container_annotations`: a container's own. */
  readonly container: readonly string[];
  /** CRI-O: the event's annotations are the OCI ones already. */
  readonly crio: boolean;
  /** On CRI-O, add the names that containerd uses for the same facts. */
  readonly alias: boolean;
}

/** compat: containerd 1.6 had no such annotation; 2.x writes it. */
const newerThanV16 = "io.kubernetes.cri.podsandbox.image-name";

/** The OCI annotations that a legacy plugin sees: the bundle's, else told from the event's CRI and OCI annotations. */
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

/** The runtime's own annotations of an event; on CRI-O all of them. */
function runtimeAnnotations({ annotations }: Annotated, { crio }: AnnotationRules): Readonly<StringMap> {
  return crio ? annotations : filterKeys(annotations, (key) => key.startsWith("io.kubernetes.cri."));
}

/** compat: containerd 1.6 pkg/cri/server/helpers.go getPassthroughAnnotations */
function matching({ annotations }: Annotated, patterns: readonly string[]): Readonly<StringMap> {
  if (patterns.length === 0) return {};
  const compiled = patterns.map(compilePathPattern);
  return filterKeys(annotations, (key) => compiled.some((pattern) => pattern.test(key)));
}

/** CRI-O's pod events hold CRI annotations alone, and a composed SandboxName: the event's fields say it (cri-o server/nri-api.go). */
function containerdNames({ kind, sandboxID, pod, container }: Target, crio: Readonly<StringMap>): StringMap {
  // cri-o internal/annotations/annotations.go: UserRequestedImage, the image of the spec, and LogPath.
  const { "io.kubernetes.cri-o.Image": image, "io.kubernetes.cri-o.LogPath": logPath } = crio;
  return {
    "io.kubernetes.cri.container-type": kind,
    "io.kubernetes.cri.sandbox-id": sandboxID,
    "io.kubernetes.cri.sandbox-name": pod.name,
    "io.kubernetes.cri.sandbox-namespace": pod.namespace,
    "io.kubernetes.cri.sandbox-uid": pod.uid,
    ...(container && { "io.kubernetes.cri.container-name": container.name }),
    ...(container && image !== undefined && { "io.kubernetes.cri.image-name": image }),
    // The log of a pod lies in its log directory, <id>.log (cri-o server/sandbox_run_linux.go); containers had no such annotation.
    ...(!container && logPath !== undefined && { "io.kubernetes.cri.sandbox-log-directory": dirname(logPath) }),
  };
}

function filterKeys(map: Readonly<StringMap>, keep: (key: string) => boolean): StringMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}

// Go wants at least one range in a class, and a `-` or `]` in it behind a `\`.
const bound = String.raw`(?:\\.|[^\\\]-])`;
const range = `${bound}(?:-${bound})?`;
const term = String.raw`\*|\?|\[(?:\^|(?!\^))(?:${range})+\]|\\.|[^[\\*?]`;

/**
 * Compiles a pattern as Go's path.Match reads it: `*` and `?` match no slash, a class may match one, `\` quotes. A malformed
 * pattern matches nothing.
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

/** compat: a range the wrong way round is well formed and empty. */
function compileRange(text: string): string {
  const [low = 0, high = low] = (text.match(new RegExp(bound, "gsu")) ?? []).map(codeOf);
  return low <= high ? `${escapeCode(low)}-${escapeCode(high)}` : "";
}

/** The code point of a character, which a `\` may stand before. */
function codeOf(text: string): number {
  return text.codePointAt(text.startsWith("\\") ? 1 : 0) ?? 0;
}

function escapeCode(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
