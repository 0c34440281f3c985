import { toRawJson } from "../gojson/compact.js";
import type { Request } from "../v01/types.js";
import type { Subject } from "./to-v01.js";

/**
 * The request with all that NRI v2 says and containerd 1.6 did not: every label, every annotation of the event, on a
 * delete too, and the event's pod and container whole under `nri`, which a v0.1 client passes over as an unknown key.
 *
 * @param nri the pod and container in protobuf's JSON form
 */
export function toSuperset(request: Request, { pod, container }: Subject, nri: object): Request {
  return {
    ...request,
    spec: {
      ...request.spec,
      annotations: { ...request.spec.annotations, ...(container === undefined ? pod : container).annotations },
    },
    labels: pod.labels,
    nri: toRawJson(JSON.stringify(nri)),
  };
}
