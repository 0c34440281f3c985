import type { StringMap } from "../nri/types.js";

/** What decides which annotations a legacy plugin sees. */
export interface AnnotationRules {
  /** Patterns of pod annotations that the runtime's `pod_annotations` let through under 1.6, as Go's path.Match reads them. */
  readonly oci: readonly string[];
  /** Containers get their pod's annotations too. */
  readonly podToContainer: boolean;
  /** CRI-O: the event's annotations are the OCI ones already. */
  readonly crio: boolean;
  /** On CRI-O, add the names that containerd uses for the same facts. */
  readonly alias: boolean;
}

/** compat: containerd 1.6 had no such annotation; 2.x writes it. */
const newerThanV16 = "io.kubernetes.cri.podsandbox.image-name";

const kubeletPrefixes = ["io.kubernetes.container.", "io.kubernetes.pod."] as const;
const criPrefix = "io.kubernetes.cri.";

/** Removes what containerd 1.6 never wrote, whatever the source. */
export function withoutNewerAnnotations(annotations: Readonly<StringMap>): StringMap {
  return filterKeys(annotations, (key) => key !== newerThanV16);
}

/** A pod's OCI annotations, told from the union of CRI and OCI annotations that its event holds. */
export function podAnnotations(annotations: Readonly<StringMap>, rules: AnnotationRules): StringMap {
  if (rules.crio) return withoutNewerAnnotations(annotations);
  const patterns = rules.oci.map(compilePattern);
  return filterKeys(
    annotations,
    (key) => key !== newerThanV16 && (key.startsWith(criPrefix) || patterns.some((pattern) => pattern.test(key))),
  );
}

/** A container's OCI annotations, told from the union of CRI and OCI annotations that its event holds. */
export function containerAnnotations(annotations: Readonly<StringMap>, rules: AnnotationRules): StringMap {
  if (rules.crio) return withoutNewerAnnotations(annotations);
  return filterKeys(
    annotations,
    (key) => key !== newerThanV16 && !kubeletPrefixes.some((prefix) => key.startsWith(prefix)),
  );
}

/** The CRI annotations of containerd and where CRI-O keeps the same fact (cri-o pkg/annotations, v1.34). */
const crioAliases = {
  "io.kubernetes.cri.container-type": "io.kubernetes.cri-o.ContainerType",
  "io.kubernetes.cri.container-name": "io.kubernetes.cri-o.ContainerName",
  "io.kubernetes.cri.image-name": "io.kubernetes.cri-o.ImageName",
  "io.kubernetes.cri.sandbox-id": "io.kubernetes.cri-o.SandboxID",
  "io.kubernetes.cri.sandbox-name": "io.kubernetes.cri-o.SandboxName",
  "io.kubernetes.cri.sandbox-namespace": "io.kubernetes.cri-o.Namespace",
} as const satisfies Record<string, string>;

/** Adds containerd's names for what CRI-O says under its own; a name that is there already stays as it is. */
export function withContainerdAliases(annotations: Readonly<StringMap>): StringMap {
  const aliased: StringMap = { ...annotations };
  for (const [containerd, crio] of Object.entries(crioAliases)) {
    const value = annotations[crio];
    if (value !== undefined && !Object.hasOwn(aliased, containerd)) aliased[containerd] = value;
  }
  return aliased;
}

function filterKeys(map: Readonly<StringMap>, keep: (key: string) => boolean): StringMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}

/**
 * A pattern of containerd's `pod_annotations`: Go's path.Match, where `*` and `?` match no slash, `[...]` is a class and
 * `\` escapes (containerd 1.6 pkg/cri/server/helpers.go, getPassthroughAnnotations). A malformed pattern matches nothing.
 */
function compilePattern(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end < 0) return /(?!)/;
      source += `[${pattern
        .slice(at + 1, end)
        .replaceAll("\\", "\\\\")
        .replaceAll("[", "\\[")}]`;
      at = end;
    } else if (char === "\\" && at + 1 < pattern.length) source += escapeRegExp(pattern.charAt(++at));
    else source += escapeRegExp(char);
  }
  return new RegExp(`^${source}$`, "su");
}

function escapeRegExp(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&");
}
