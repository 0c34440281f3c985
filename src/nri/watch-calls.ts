import { monotonicClock } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { type EventResponse, type NriEvent, noRequest } from "./events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./handlers.js";
import { type CallError, toCallError } from "./ttrpc/status.js";
import type { Container, PodSandbox } from "./types.js";
import { mayFail } from "./versions.js";

/** The answer to a call, as far as the runtime saw it. */
export interface CallAnswer {
  /** Nothing asked for where there is an error. */
  readonly response: EventResponse;
  readonly error: CallError | undefined;
  readonly durationMs: number;
}

/** An observer of a runtime's calls: metrics, a recorder. It changes nothing, and its errors are logged. */
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

/** Handlers that do what the given ones do, with the watchers told of each call. */
export function watchHandlers(inner: PluginHandlers, watchers: readonly CallWatcher[], log: Log): PluginHandlers {
  const tell = (telling: (watcher: CallWatcher) => void) => {
    for (const watcher of watchers) {
      try {
        telling(watcher);
      } catch (error) {
        log.error({ error: errorText(error) }, "an internal observer of calls failed");
      }
    }
  };
  const readsAll = watchers.some((watcher) => watcher.readsAll);
  return {
    ...inner,
    sparing: () => !readsAll && (inner.sparing?.() ?? false),
    configure(request, runtime) {
      tell((watcher) => watcher.configured?.(runtime));
      return inner.configure(request, runtime);
    },
    async synchronize(pods, containers, call) {
      tell((watcher) => watcher.synchronizing?.(pods, containers, call));
      return (await inner.synchronize?.(pods, containers, call)) ?? [];
    },
    async handle(event, call) {
      const startedAt = monotonicClock();
      let told = false;
      /** The handler's end, or the end of the call's time, whichever comes first. */
      const answered = (response: EventResponse, error?: CallError) => {
        if (told) return;
        told = true;
        const durationMs = call.answeredInMs ?? monotonicClock() - startedAt;
        tell((watcher) => watcher.ended?.(event, call, { response, error, durationMs }));
      };
      const isTold = call.answeredInMs === undefined && mayFail(event.name, call.runtime);
      const failed = (thrown: unknown) => answered(noRequest, isTold ? toCallError(thrown) : undefined);
      const stopListening = call.cancellation.listen(() => failed(call.cancellation.reason));
      tell((watcher) => watcher.began?.(event, call));
      try {
        const response = (await inner.handle?.(event, call)) ?? noRequest;
        answered(response);
        return response;
      } catch (error) {
        failed(error);
        throw error;
      } finally {
        stopListening();
      }
    },
  };
}
