import { BridgeError } from "../base/errors.js";
import { decodeDocument, map, pointer, slice, string, struct } from "./gojson/codec.js";
import { positionOf } from "./gojson/utf8.js";
import { linuxResources } from "./resources.js";
import type { Spec } from "./types.js";

/**
 * The part of an OCI bundle's config.json that a legacy plugin sees. Keys that the runtime specification had not when
 * containerd 1.6 was made are dropped, as its own reading of the spec dropped them.
 *
 * Throws JSON_SYNTAX or JSON_TYPE with the place of the fault.
 */
export function parseBundle(bytes: Uint8Array): Spec {
  const decoded = decodeDocument(bytes, ociSpec);
  if (!decoded.ok) {
    const place = positionOf(bytes, decoded.offset);
    throw new BridgeError(decoded.code, `the bundle's config.json: ${decoded.reason}`, { ...place });
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
): (Found & { readonly bundle: Spec }) | undefined {
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

const namespace = struct("specs.LinuxNamespace", { type: string("specs.LinuxNamespaceType"), path: string() });

const linux = struct("specs.Linux", {
  resources: pointer(linuxResources),
  cgroupsPath: string(),
  namespaces: slice(namespace),
});

const ociSpec = struct("specs.Spec", { annotations: map(string()), linux: pointer(linux) });
