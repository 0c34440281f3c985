import type { StringMap } from "../nri/types.js";

/** What decides which annotations a legacy plugin sees. */
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

const criPrefix = "io.kubernetes.cri.";

/** Removes what containerd 1.6 never wrote, whatever the source. */
export function withoutNewerAnnotations(annotations: Readonly<StringMap>): StringMap {
  return filterKeys(annotations, (key) => key !== newerThanV16);
}

/** What the runtime itself says in an event's annotations, which are the union of the CRI's and the OCI's; on CRI-O all of them. */
export function runtimeAnnotations(annotations: Readonly<StringMap>, { crio }: AnnotationRules): StringMap {
  return filterKeys(annotations, (key) => key !== newerThanV16 && (crio || key.startsWith(criPrefix)));
}

/**
 * The annotations that the patterns let through: a pod's in its own spec and in its containers', a container's own in its own.
 * compat: containerd 1.6 pkg/cri/server/helpers.go getPassthroughAnnotations, container_create_linux.go
 */
export function passedAnnotations(
  { pod, container }: { readonly pod: Annotated; readonly container?: Annotated | undefined },
  rules: AnnotationRules,
): StringMap {
  return { ...matching(pod.annotations, rules.pod), ...matching(container?.annotations ?? {}, rules.container) };
}

interface Annotated {
  readonly annotations: Readonly<StringMap>;
}

function matching(annotations: Readonly<StringMap>, patterns: readonly string[]): StringMap {
  if (patterns.length === 0) return {};
  const compiled = patterns.map(compilePathPattern);
  return filterKeys(annotations, (key) => key !== newerThanV16 && compiled.some((pattern) => pattern.test(key)));
}

/** The names that an aliased annotation stands for; what CRI-O itself says under its own names stays too. */
export interface ContainerdNames {
  readonly type: "sandbox" | "container";
  readonly sandboxID: string;
  readonly sandboxName: string;
  readonly sandboxNamespace: string;
  readonly sandboxUid: string;
  /** Absent for a sandbox. */
  readonly containerName?: string;
}

/**
 * Where CRI-O keeps the image that the container's spec named, which containerd calls image-name (cri-o
 * internal/annotations/annotations.go: UserRequestedImage; its ImageName may be another name of the same image).
 */
const crioImage = "io.kubernetes.cri-o.Image";

/**
 * Adds containerd's annotations for what CRI-O says elsewhere. Its pod events hold the CRI annotations alone, and its
 * SandboxName is a composed one, so the facts come from the event's own fields (cri-o server/nri-api.go).
 * A name that is there already stays as it is.
 */
export function withContainerdAliases(annotations: Readonly<StringMap>, names: ContainerdNames): StringMap {
  const image = annotations[crioImage];
  const aliases: StringMap = {
    "io.kubernetes.cri.container-type": names.type,
    "io.kubernetes.cri.sandbox-id": names.sandboxID,
    "io.kubernetes.cri.sandbox-name": names.sandboxName,
    "io.kubernetes.cri.sandbox-namespace": names.sandboxNamespace,
    "io.kubernetes.cri.sandbox-uid": names.sandboxUid,
    ...(names.containerName === undefined ? {} : { "io.kubernetes.cri.container-name": names.containerName }),
    ...(image === undefined || names.type === "sandbox" ? {} : { "io.kubernetes.cri.image-name": image }),
  };
  return { ...aliases, ...annotations };
}

function filterKeys(map: Readonly<StringMap>, keep: (key: string) => boolean): StringMap {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}

/**
 * Compiles a pattern as Go's path.Match reads it: `*` and `?` match no slash, `[a-c]` and `[^a-c]` are classes, which do
 * match one, and `\` takes the next character as it is. A malformed pattern matches nothing.
 */
export function compilePathPattern(pattern: string): RegExp {
  const characters = [...pattern];
  let source = "";
  for (let at = 0; at < characters.length; ) {
    const term = readTerm(characters, at);
    if (term === undefined) return nothing;
    source += term.source;
    at = term.next;
  }
  return new RegExp(`^${source}$`, "su");
}

const nothing = /(?!)/;

/** A part of a pattern as the source of a regular expression, and where the next one begins. */
interface Term {
  readonly source: string;
  readonly next: number;
}

function readTerm(characters: readonly string[], at: number): Term | undefined {
  const character = characters[at];
  if (character === "*") return { source: "[^/]*", next: at + 1 };
  if (character === "?") return { source: "[^/]", next: at + 1 };
  if (character === "[") return readClass(characters, at + 1);
  const literal = character === "\\" ? characters[at + 1] : character;
  if (literal === undefined) return undefined;
  return { source: codePoint(literal.codePointAt(0) ?? 0), next: at + (character === "\\" ? 2 : 1) };
}

/** Reads a class from behind its `[`. Go wants at least one range, and a `-` or `]` in it behind a `\`. */
function readClass(characters: readonly string[], from: number): Term | undefined {
  const negated = characters[from] === "^";
  let at = negated ? from + 1 : from;
  let ranges = "";
  for (let count = 0; count === 0 || characters[at] !== "]"; count++) {
    const low = readBound(characters, at);
    if (low === undefined) return undefined;
    const high = characters[low.next] === "-" ? readBound(characters, low.next + 1) : low;
    if (high === undefined) return undefined;
    // compat: a range the wrong way round is well formed and empty.
    if (low.code <= high.code) ranges += `${codePoint(low.code)}-${codePoint(high.code)}`;
    at = high.next;
  }
  return { source: `[${negated ? "^" : ""}${ranges}]`, next: at + 1 };
}

function readBound(
  characters: readonly string[],
  at: number,
): { readonly code: number; readonly next: number } | undefined {
  const character = characters[at];
  if (character === "-" || character === "]") return undefined;
  const escaped = character === "\\";
  const code = characters[escaped ? at + 1 : at]?.codePointAt(0);
  return code === undefined ? undefined : { code, next: at + (escaped ? 2 : 1) };
}

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}
