import { monotonicClock } from "./deadline.js";
import { errorText } from "./errors.js";
import type { Log } from "./logger.js";
import type { NriEvent } from "./nri/event-request.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./nri/handlers.js";
import type { EventResponse } from "./nri/messages.js";
import { type CallError, toCallError } from "./nri/runtime-link.js";
import type { Container, PodSandbox } from "./nri/types.js";
import { mayFail } from "./nri/versions.js";
import { StatusError, toCode, toStatus } from "./ttrpc/status.js";

/** What a call was answered with, as far as the runtime saw it. */
export interface CallAnswer {
  /** Nothing asked for where there is an error. */
  readonly response: EventResponse;
  readonly error: CallError | undefined;
  readonly durationMs: number;
}

/** Who is told of a runtime's calls: metrics, a recorder. It changes nothing, and what it throws is logged. */
export interface CallWatcher {
  /** It reads all of pods and containers, and not only what v0.1 requests are made of. */
  readonly readsAll?: boolean;
  /** The runtime configured us: after each registration. */
  configured?(runtime: RuntimeInfo): void;
  synchronizing?(pods: readonly PodSandbox[], containers: readonly Container[], call: CallContext): void;
  began?(event: NriEvent, call: CallContext): void;
  /** Once for each event that began: the handler came to its end, or the answer went out without it. */
  ended?(event: NriEvent, call: CallContext, answer: CallAnswer): void;
}

/** The calls that wait for their answer: a connection is not to be closed under them. */
export class CallsInFlight {
  private count = 0;
  private listeners: (() => void)[] = [];

  readonly watcher: CallWatcher = {
    began: () => {
      this.count += 1;
    },
    ended: () => {
      this.count -= 1;
      if (this.count > 0) return;
      // The answer is written when the handler's promise has settled: after this turn.
      for (const listener of this.listeners.splice(0)) setImmediate(listener);
    },
  };

  /** Resolves when no call waits: the answers are on their way. */
  answered(): Promise<void> {
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.listeners.push(resolve));
  }
}

type Tell = (telling: (watcher: CallWatcher) => void) => void;

/** Handlers that do what the given ones do, with the watchers told of each call. */
export function watchHandlers(inner: PluginHandlers, watchers: readonly CallWatcher[], log: Log): PluginHandlers {
  if (watchers.length === 0) return inner;
  const tell: Tell = (telling) => {
    for (const watcher of watchers) {
      try {
        telling(watcher);
      } catch (error) {
        log.error({ error: errorText(error) }, "a watcher of calls failed");
      }
    }
  };
  const plain = (event: NriEvent, call: CallContext, run: () => Promise<void> | undefined) =>
    watchCall(
      event,
      call,
      tell,
      async () => run(),
      () => ({ update: [] }),
    );
  const readsAll = watchers.some((watcher) => watcher.readsAll);
  return {
    sparing: () => !readsAll && (inner.sparing?.() ?? false),
    configure(request, runtime) {
      tell((watcher) => watcher.configured?.(runtime));
      return inner.configure(request, runtime);
    },
    async synchronize(pods, containers, call) {
      tell((watcher) => watcher.synchronizing?.(pods, containers, call));
      return (await inner.synchronize?.(pods, containers, call)) ?? [];
    },
    synchronized: (runtime) => inner.synchronized?.(runtime),
    runPodSandbox: (e, c) => plain({ ...e, name: "RunPodSandbox" }, c, () => inner.runPodSandbox?.(e, c)),
    updatePodSandbox: (e, c) => plain({ ...e, name: "UpdatePodSandbox" }, c, () => inner.updatePodSandbox?.(e, c)),
    postUpdatePodSandbox: (e, c) =>
      plain({ ...e, name: "PostUpdatePodSandbox" }, c, () => inner.postUpdatePodSandbox?.(e, c)),
    stopPodSandbox: (e, c) => plain({ ...e, name: "StopPodSandbox" }, c, () => inner.stopPodSandbox?.(e, c)),
    removePodSandbox: (e, c) => plain({ ...e, name: "RemovePodSandbox" }, c, () => inner.removePodSandbox?.(e, c)),
    createContainer: (e, c) =>
      watchCall(
        { ...e, name: "CreateContainer" },
        c,
        tell,
        async () => (await inner.createContainer?.(e, c)) ?? {},
        ({ adjust, update = [] }) => ({ update, ...(adjust === undefined ? {} : { adjust }) }),
      ),
    postCreateContainer: (e, c) =>
      plain({ ...e, name: "PostCreateContainer" }, c, () => inner.postCreateContainer?.(e, c)),
    startContainer: (e, c) => plain({ ...e, name: "StartContainer" }, c, () => inner.startContainer?.(e, c)),
    postStartContainer: (e, c) =>
      plain({ ...e, name: "PostStartContainer" }, c, () => inner.postStartContainer?.(e, c)),
    updateContainer: (e, c) =>
      watchCall(
        { ...e, name: "UpdateContainer" },
        c,
        tell,
        async () => (await inner.updateContainer?.(e, c)) ?? [],
        (update) => ({ update }),
      ),
    postUpdateContainer: (e, c) =>
      plain({ ...e, name: "PostUpdateContainer" }, c, () => inner.postUpdateContainer?.(e, c)),
    stopContainer: (e, c) =>
      watchCall(
        { ...e, name: "StopContainer" },
        c,
        tell,
        async () => (await inner.stopContainer?.(e, c)) ?? [],
        (update) => ({ update }),
      ),
    removeContainer: (e, c) => plain({ ...e, name: "RemoveContainer" }, c, () => inner.removeContainer?.(e, c)),
    shutdown: () => inner.shutdown?.(),
  };
}

/** Runs one call's handler; whichever comes first, its end or the end of the runtime's patience, is told as the answer. */
async function watchCall<T>(
  event: NriEvent,
  call: CallContext,
  tell: Tell,
  run: () => Promise<T>,
  toResponse: (result: T) => EventResponse,
): Promise<T> {
  const startedAt = monotonicClock();
  let told = false;
  const answered = (response: EventResponse, error?: CallError) => {
    if (told) return;
    told = true;
    const durationMs = monotonicClock() - startedAt;
    tell((watcher) => watcher.ended?.(event, call, { response, error, durationMs }));
  };
  const failed = (thrown: unknown) =>
    answered({ update: [] }, mayFail(event.name, call.runtime) ? errorOf(thrown) : undefined);
  const stopListening = call.cancellation.listen(() => failed(call.cancellation.reason));
  tell((watcher) => watcher.began?.(event, call));
  try {
    const result = await run();
    answered(toResponse(result));
    return result;
  } catch (error) {
    failed(error);
    throw error;
  } finally {
    stopListening();
  }
}

/** The error that the runtime gets for what a handler threw. */
function errorOf(thrown: unknown): CallError {
  const { code, message } = toStatus(thrown);
  return toCallError(new StatusError(toCode(code), message));
}
