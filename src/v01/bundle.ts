import { BridgeError } from "../base/errors.js";
import { decodeDocument, map, pointer, slice, string, struct } from "./gojson/codec.js";
import { positionOf } from "./gojson/utf8.js";
import { linuxResources } from "./resources.js";
import type { Spec } from "./types.js";

/**
 * Reads the part of an OCI bundle's config.json that a legacy plugin sees. The result leaves out keys that are newer than the
 * runtime specification of containerd 1.6, as containerd 1.6 did.
 *
 * @throws BridgeError JSON_SYNTAX or JSON_TYPE, with line and column, when the file is not valid JSON or a value has a wrong type
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

/**
 * The first of these bundles whose cgroupsPath is the given one; undefined when none is. Bundles that cannot be parsed are skipped,
 * as in the bridge's own search.
 */
export function findBundle<Found extends { readonly bytes: Uint8Array }>(
  bundles: readonly Found[],
  cgroupsPath: string,
): (Found & { readonly bundle: Spec }) | undefined {
  for (const found of bundles) {
    try {
      const bundle = parseBundle(found.bytes);
      if (bundle.cgroupsPath === cgroupsPath) return { ...found, bundle };
    } catch {
      // A bundle that cannot be parsed is skipped.
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
