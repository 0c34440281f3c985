import type { PluginHandlers } from "./nri/handlers.js";

/** Handlers that hand each event on to the bridge of that moment, once it is ready. */
export function handOn(
  bridge: () => PluginHandlers | undefined,
  ready: () => Promise<void> | undefined,
): Omit<Required<PluginHandlers>, "configure"> {
  const get = () => {
    const waiting = ready();
    return waiting === undefined ? bridge() : waiting.then(bridge);
  };
  return {
    sparing: () => bridge()?.sparing?.() ?? false,
    synchronize: async (pods, containers, call) => (await (await get())?.synchronize?.(pods, containers, call)) ?? [],
    synchronized: (runtime) => bridge()?.synchronized?.(runtime),
    runPodSandbox: async (event, call) => (await get())?.runPodSandbox?.(event, call),
    updatePodSandbox: async (event, call) => (await get())?.updatePodSandbox?.(event, call),
    postUpdatePodSandbox: async (event, call) => (await get())?.postUpdatePodSandbox?.(event, call),
    stopPodSandbox: async (event, call) => (await get())?.stopPodSandbox?.(event, call),
    removePodSandbox: async (event, call) => (await get())?.removePodSandbox?.(event, call),
    createContainer: async (event, call) => (await (await get())?.createContainer?.(event, call)) ?? {},
    postCreateContainer: async (event, call) => (await get())?.postCreateContainer?.(event, call),
    startContainer: async (event, call) => (await get())?.startContainer?.(event, call),
    postStartContainer: async (event, call) => (await get())?.postStartContainer?.(event, call),
    updateContainer: async (event, call) => (await (await get())?.updateContainer?.(event, call)) ?? [],
    postUpdateContainer: async (event, call) => (await get())?.postUpdateContainer?.(event, call),
    stopContainer: async (event, call) => (await (await get())?.stopContainer?.(event, call)) ?? [],
    removeContainer: async (event, call) => (await get())?.removeContainer?.(event, call),
    shutdown: () => bridge()?.shutdown?.(),
  };
}
