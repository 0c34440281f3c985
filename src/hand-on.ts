import type { PluginHandlers } from "./nri/handlers.js";

/** Handlers that hand each event on to the bridge of that moment. */
export function handOn(
  bridge: () => PluginHandlers | undefined,
): Omit<Required<PluginHandlers>, "configure" | "synchronize"> {
  return {
    sparing: () => bridge()?.sparing?.() ?? false,
    synchronized: (runtime) => bridge()?.synchronized?.(runtime),
    runPodSandbox: async (event, call) => bridge()?.runPodSandbox?.(event, call),
    updatePodSandbox: async (event, call) => bridge()?.updatePodSandbox?.(event, call),
    postUpdatePodSandbox: async (event, call) => bridge()?.postUpdatePodSandbox?.(event, call),
    stopPodSandbox: async (event, call) => bridge()?.stopPodSandbox?.(event, call),
    removePodSandbox: async (event, call) => bridge()?.removePodSandbox?.(event, call),
    createContainer: async (event, call) => (await bridge()?.createContainer?.(event, call)) ?? {},
    postCreateContainer: async (event, call) => bridge()?.postCreateContainer?.(event, call),
    startContainer: async (event, call) => bridge()?.startContainer?.(event, call),
    postStartContainer: async (event, call) => bridge()?.postStartContainer?.(event, call),
    updateContainer: async (event, call) => (await bridge()?.updateContainer?.(event, call)) ?? [],
    postUpdateContainer: async (event, call) => bridge()?.postUpdateContainer?.(event, call),
    stopContainer: async (event, call) => (await bridge()?.stopContainer?.(event, call)) ?? [],
    removeContainer: async (event, call) => bridge()?.removeContainer?.(event, call),
    shutdown: () => bridge()?.shutdown?.(),
  };
}
