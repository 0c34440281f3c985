import { Deadline } from "../deadline.js";
import { BridgeError } from "../errors.js";
import { Code, StatusError } from "../ttrpc/status.js";
import { configureRequest, configureResponse, synchronizeRequest, synchronizeResponse } from "./codec.js";
import { knownMask } from "./events.js";
import type { RuntimeLink } from "./runtime-link.js";
import type { Container, ContainerUpdate, PodSandbox } from "./types.js";
import { formatVersion, hasFeature, type Version } from "./versions.js";

/** What a runtime tells a plugin of itself. */
export interface RuntimeIntroduction {
  readonly name: string;
  readonly version: string;
  readonly nri: Version;
  readonly requestTimeoutMs: number;
  readonly registrationTimeoutMs: number;
}

/** The bit of event 14, VALIDATE_CONTAINER_ADJUSTMENT, which came with the pod updates. */
const validateBit = 1 << 13;

/** The fewest pods and containers that a runtime puts into a message of a split Synchronize. */
const fewestPerMessage = 8;

/**
 * Configures a plugin as a runtime of this NRI version does; gives the mask of the events that it wants.
 * @throws BridgeError PROTOCOL for an event that the runtime does not know, and whatever the call throws
 */
export async function configurePlugin(
  link: RuntimeLink,
  runtime: RuntimeIntroduction,
  config: string,
): Promise<number> {
  const tellsTimeouts = hasFeature(runtime.nri, "splitSynchronize");
  const request = configureRequest.encode({
    config,
    runtimeName: runtime.name,
    runtimeVersion: runtime.version,
    registrationTimeout: tellsTimeouts ? BigInt(runtime.registrationTimeoutMs) : 0n,
    requestTimeout: tellsTimeouts ? BigInt(runtime.requestTimeoutMs) : 0n,
    NRIVersion: hasFeature(runtime.nri, "ownCalls") ? `v${formatVersion(runtime.nri)}` : "",
  });
  const answer = await link.call("Configure", request, { deadline: Deadline.after(runtime.requestTimeoutMs) });
  const { events } = configureResponse.decode(answer);
  const known = knownMask(runtime.nri) | (hasFeature(runtime.nri, "podUpdates") ? validateBit : 0);
  if ((events & ~known) !== 0) {
    throw new BridgeError("PROTOCOL", `invalid plugin events: 0x${(events & ~known).toString(16)}`, { events });
  }
  return events === 0 ? known : events;
}

/**
 * Tells a plugin what is there already, in one message, or in several when one is too long (or `perMessage` says so):
 * all within one request timeout. Gives the updates that it asks for.
 * @throws BridgeError PROTOCOL for a plugin that does not know split messages, and whatever the calls throw
 */
export async function synchronizePlugin(
  link: RuntimeLink,
  snapshot: { readonly pods: readonly PodSandbox[]; readonly containers: readonly Container[] },
  timeoutMs: number,
  perMessage = Number.POSITIVE_INFINITY,
): Promise<ContainerUpdate[]> {
  const deadline = Deadline.after(timeoutMs);
  const [pods, containers] = [[...snapshot.pods], [...snapshot.containers]];
  let size = perMessage;
  for (;;) {
    const more = pods.length > size || containers.length > size;
    const chunk = { pods: pods.slice(0, size), containers: containers.slice(0, size), more };
    const answer = await trySynchronize(link, synchronizeRequest.encode(chunk), deadline);
    if (answer === "too long") {
      const count = chunk.pods.length + chunk.containers.length;
      if (count <= fewestPerMessage)
        throw new BridgeError("PROTOCOL", "a single pod or container is too long to be sent");
      size = Math.max(fewestPerMessage / 2, Math.floor(Math.max(chunk.pods.length, chunk.containers.length) / 2));
      continue;
    }
    if (!more) return answer.update;
    if (answer.update.length > 0 || !answer.more) {
      link.close();
      throw new BridgeError("PROTOCOL", "plugin does not handle split sync requests");
    }
    pods.splice(0, size);
    containers.splice(0, size);
  }
}

async function trySynchronize(link: RuntimeLink, payload: Uint8Array, deadline: Deadline) {
  try {
    return synchronizeResponse.decode(await link.call("Synchronize", payload, { deadline }));
  } catch (error) {
    if (error instanceof StatusError && error.code === Code.ResourceExhausted) return "too long";
    throw error;
  }
}
