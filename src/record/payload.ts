import {
  containerRequest,
  type MessageCodec,
  podRequest,
  stateChangeRequest,
  synchronizeRequest,
  updateContainerRequest,
  updatePodSandboxRequest,
} from "../nri/codec.js";
import { events, isEventName } from "../nri/events.js";
import type { Path } from "./json-text.js";

/**
 * A call's request with other texts in it, encoded anew. Fields that our schema does not know are lost, which is right
 * here: nobody can say that they hold no secret.
 *
 * @returns undefined for a method whose request is not known
 */
export function rewritePayload(
  method: string,
  payload: Uint8Array,
  rewrite: (path: Path, text: string) => string,
): Uint8Array | undefined {
  const codec = codecOf(method);
  if (codec === undefined) return undefined;
  return codec.encode(rewriteMessage(codec.decode(payload), rewrite));
}

/** The message with each text as `rewrite` gives it; keys of maps stay. */
export function rewriteMessage(message: object, rewrite: (path: Path, text: string) => string): object {
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === "string") return rewrite(path, value);
    if (Array.isArray(value)) return value.map((element, at) => visit(element, [...path, String(at)]));
    return typeof value === "object" && value !== null ? visitObject(value, path) : value;
  };
  const visitObject = (value: object, path: Path): object =>
    Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, visit(inner, [...path, key])]));
  return visitObject(message, []);
}

function codecOf(method: string): MessageCodec<object> | undefined {
  if (method === "StateChange") return stateChangeRequest;
  if (method === "Synchronize") return synchronizeRequest;
  if (method === "UpdateContainer") return updateContainerRequest;
  if (method === "UpdatePodSandbox") return updatePodSandboxRequest;
  if (!isEventName(method)) return undefined;
  return events[method].subject === "pod" ? podRequest : containerRequest;
}
