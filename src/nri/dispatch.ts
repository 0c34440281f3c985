import { createContainerResponse, emptyResponse, stopContainerResponse, updateContainerResponse } from "./codec.js";
import type { NriEvent } from "./event-request.js";
import type { CallContext, PluginHandlers } from "./handlers.js";

/** Gives an event to its handler and encodes the answer; an event without a handler has the answer of one that did nothing. */
export async function dispatchEvent(
  handlers: PluginHandlers,
  event: NriEvent,
  context: CallContext,
): Promise<Uint8Array> {
  switch (event.name) {
    case "CreateContainer": {
      const { adjust, update = [] } = (await handlers.createContainer?.(event, context)) ?? {};
      return createContainerResponse.encode({ update: [...update], ...(adjust === undefined ? {} : { adjust }) });
    }
    case "UpdateContainer":
      return updateContainerResponse.encode({
        update: [...((await handlers.updateContainer?.(event, context)) ?? [])],
      });
    case "StopContainer":
      return stopContainerResponse.encode({ update: [...((await handlers.stopContainer?.(event, context)) ?? [])] });
    default:
      await observe(handlers, event, context);
      return emptyResponse;
  }
}

type Observed = Exclude<NriEvent, { readonly name: "CreateContainer" | "UpdateContainer" | "StopContainer" }>;

/** The events whose answer has no content. */
function observe(handlers: PluginHandlers, event: Observed, context: CallContext): Promise<void> | undefined {
  switch (event.name) {
    case "RunPodSandbox":
      return handlers.runPodSandbox?.(event, context);
    case "UpdatePodSandbox":
      return handlers.updatePodSandbox?.(event, context);
    case "PostUpdatePodSandbox":
      return handlers.postUpdatePodSandbox?.(event, context);
    case "StopPodSandbox":
      return handlers.stopPodSandbox?.(event, context);
    case "RemovePodSandbox":
      return handlers.removePodSandbox?.(event, context);
    case "PostCreateContainer":
      return handlers.postCreateContainer?.(event, context);
    case "StartContainer":
      return handlers.startContainer?.(event, context);
    case "PostStartContainer":
      return handlers.postStartContainer?.(event, context);
    case "PostUpdateContainer":
      return handlers.postUpdateContainer?.(event, context);
    case "RemoveContainer":
      return handlers.removeContainer?.(event, context);
  }
}
