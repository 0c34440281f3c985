import { BridgeError } from "../base/errors.js";
import { type Codec, decodeDocument, pointer, string } from "./gojson/codec.js";
import { map, slice, struct } from "./gojson/struct.js";
import { positionOf } from "./gojson/utf8.js";
import type { LinuxResources } from "./resources.js";
import { linuxResources } from "./resources-json.js";

/** What a legacy plugin sees of a bundle's config.json. */
export interface Bundle {
  readonly resources: LinuxResources | null;
  /** Namespace type to path; the path of a new namespace is "". */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly cgroupsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Reads the config.json of an OCI bundle. Keys that the runtime specification had not when containerd 1.6 was made are
 * dropped, as its own reading of the spec dropped them.
 *
 * Throws JSON_SYNTAX or JSON_TYPE with the place of the fault.
 */
export function parseBundle(bytes: Uint8Array): Bundle {
  const decoded = decodeDocument(bytes, spec);
  if (!decoded.ok) {
    const { line, column } = positionOf(bytes, decoded.offset);
    throw new BridgeError(decoded.code, `the bundle's config.json: ${decoded.reason}`, { line, column });
  }
  const { linux, annotations } = decoded.value;
  return {
    resources: linux?.resources ?? null,
    namespaces: Object.fromEntries((linux?.namespaces ?? []).map(({ type, path }) => [type, path])),
    cgroupsPath: linux?.cgroupsPath ?? "",
    annotations,
  };
}

/** The first of these that is the bundle of a cgroup; one that is no JSON is one that the bridge does not take either. */
export function findBundle<Found extends { readonly bytes: Uint8Array }>(
  bundles: readonly Found[],
  cgroupsPath: string,
): (Found & { readonly bundle: Bundle }) | undefined {
  for (const found of bundles) {
    try {
      const bundle = parseBundle(found.bytes);
      if (bundle.cgroupsPath === cgroupsPath) return { ...found, bundle };
    } catch {
      // The next one may be it.
    }
  }
  return undefined;
}

interface LinuxNamespace {
  type: string;
  path: string;
}

interface Linux {
  resources?: LinuxResources;
  cgroupsPath: string;
  namespaces: LinuxNamespace[];
}

interface Spec {
  annotations: Record<string, string>;
  linux?: Linux;
}

const namespace = struct<LinuxNamespace>("specs.LinuxNamespace", () => ({ type: "", path: "" }), {
  type: string("specs.LinuxNamespaceType"),
  path: string(),
});

const linux = struct<Linux>("specs.Linux", () => ({ cgroupsPath: "", namespaces: [] }), {
  resources: pointer(linuxResources),
  cgroupsPath: string(),
  namespaces: slice(namespace),
});

const spec: Codec<Spec> = struct<Spec>("specs.Spec", () => ({ annotations: {} }), {
  annotations: map(string()),
  linux: pointer(linux),
});
