import { monotonicClock } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { type EventResponse, type NriEvent, noRequest } from "./events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./handlers.js";
import { type CallError, toCallError } from "./ttrpc/status.js";
import type { Container, PodSandbox } from "./types.js";
import { mayFail } from "./versions.js";

/** The answer that the runtime received to a call. */
export interface CallAnswer {
  /** An empty response when the handler failed or ran out of time. */
  readonly response: EventResponse;
  /** Undefined for a success, and for a failure that the bridge answered without an error (see mayFail). */
  readonly error: CallError | undefined;
  readonly durationMs: number;
}

/** An observer of the runtime's calls, such as the metrics or a recorder. It cannot change an answer; its errors are logged. */
export interface CallWatcher {
  /** Whether the observer needs every field of pods and containers, not only the fields that v0.1 requests use. */
  readonly readsAll?: boolean;
  /** Called for each Configure of the runtime, which follows each registration. */
  configured?(runtime: RuntimeInfo): void;
  synchronizing?(pods: readonly PodSandbox[], containers: readonly Container[], call: CallContext): void;
  began?(event: NriEvent, call: CallContext): void;
  /** Called once for each event that `began` was called with: when the handler ends, or when its time has run out. */
  ended?(event: NriEvent, call: CallContext, answer: CallAnswer): void;
}

/** Counts the calls that wait for their answer, so that the bridge can close the connection after the last answer. */
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
      // The server writes the answer when the handler's promise has settled, which is before the next setImmediate.
      for (const listener of this.listeners.splice(0)) setImmediate(listener);
    },
  };

  /** Resolves when every call has been answered and the answers have been handed to the socket. */
  answered(): Promise<void> {
    return this.count === 0 ? Promise.resolve() : new Promise((resolve) => this.listeners.push(resolve));
  }
}

/** Wraps handlers so that the watchers observe each call. */
export function watchHandlers(inner: PluginHandlers, watchers: readonly CallWatcher[], log: Log): PluginHandlers {
  const tell = (telling: (watcher: CallWatcher) => void) => {
    for (const watcher of watchers) {
      try {
        telling(watcher);
      } catch (error) {
        log.error({ error: errorText(error) }, "metrics, status or recording missed a call, which is not affected");
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
      /** Tells the watchers of the handler's end or of the end of the call's time, whichever comes first. */
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
