import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import type { Host } from "../host/host.js";
import type { AnnotationRules } from "../v01/annotations.js";
import { parseBundle } from "../v01/bundle.js";
import { type Target, toSpec } from "../v01/to-v01.js";
import type { Spec } from "../v01/types.js";

/** Returns the spec for a request. @param parent the parent pid of the target's process, where it is known already */
export type SpecOf = (target: Target, parent?: number) => Spec;

/**
 * Takes the spec from the OCI bundle where the bridge can read it, since containerd 1.6 sent its plugins the bundle's values, and
 * from the event otherwise. The log says once for each of these sources that it is in use, and why.
 */
export function createSpecSource(host: Host, rules: AnnotationRules, log: Log): SpecOf {
  const infoOnce = sayOnce((fields, sentence) => log.info(fields, sentence));
  const warnOnce = sayOnce((fields, sentence) => log.warn(fields, sentence));

  function findBundle(target: Target, parent?: number): Spec | undefined {
    const reasons: string[] = [];
    for (const answer of host.readBundles(target, parent)) {
      if (!answer.found) {
        reasons.push(answer.reason);
        continue;
      }
      try {
        const bundle = parseBundle(answer.bytes);
        if (bundle.cgroupsPath === target.cgroupsPath) {
          infoOnce({ path: answer.path }, "the bridge takes the spec of requests from the OCI bundle");
          return bundle;
        }
        reasons.push(`${answer.path}: cgroupsPath is ${bundle.cgroupsPath}, the event's is ${target.cgroupsPath}`);
      } catch (error) {
        reasons.push(`${answer.path}: ${errorText(error)}`);
      }
    }
    // Before the container exists there is no bundle, which is no fault.
    if (target.pid > 0) {
      const sentence =
        "the bridge finds no OCI bundle that fits and takes the spec of requests from the event: some fields may differ from containerd 1.6's";
      warnOnce({ id: target.id, reasons }, sentence);
    }
    return undefined;
  }

  return (target, parent) => toSpec(target, findBundle(target, parent), rules);
}
