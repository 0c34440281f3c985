import { monotonicClock } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { answerInTime, type StallWatch } from "./answer-in-time.js";
import { emptyResponse } from "./codec.js";
import { decodeEvent, encodeEventResponse, type NriEvent, peekEvent } from "./events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { Call } from "./ttrpc/server.js";
import type { PodSandbox } from "./types.js";
import { mayFail, refusedSandboxFault } from "./versions.js";

/** Hands the events of one connection to the handlers, and answers each in time. */
export class EventDelivery {
  /** Whether the bridge answered the latest event in time. A runtime whose wait runs out closes the connection. */
  lastInTime = false;
  /** For each event that was answered before it was decoded, a function that decodes and handles the event. */
  private readonly answered: (() => void)[] = [];

  constructor(
    private readonly options: { readonly handlers: PluginHandlers; readonly log: Log },
    private readonly stallWatch: StallWatch,
  ) {}

  /** Answers a call that brings an event. The bridge answers an event that needs no plugin before it decodes the event. */
  deliver(received: Call, runtime: RuntimeInfo): Uint8Array | Promise<Uint8Array> {
    const startedAt = monotonicClock();
    const call = this.stallWatch.since(received);
    const name = peekEvent(call.method, call.payload);
    if (name === undefined || !this.options.handlers.asksNothing?.(name)) {
      this.readAnswered();
      return this.handle(call, runtime);
    }
    const answeredInMs = monotonicClock() - startedAt;
    this.answered.push(() => void this.handleAnswered({ ...call, event: name, runtime, answeredInMs }));
    setImmediate(() => this.readAnswered());
    return emptyResponse;
  }

  /** Decodes and handles the events that were answered unread, in their order of arrival and before any later event. */
  private readAnswered(): void {
    for (const read of this.answered.splice(0)) read();
  }

  private async handleAnswered(call: CallContext): Promise<void> {
    const { handlers, log } = this.options;
    this.lastInTime = !call.deadline.expired;
    try {
      const event = decodeEvent(call.method, call.payload, this.sparing);
      if (event !== undefined) await handlers.handle?.(event, call);
    } catch (error) {
      log.error({ method: call.method, error: errorText(error) }, "the bridge could not handle a call of the runtime");
    }
  }

  private async handle(call: Call, runtime: RuntimeInfo): Promise<Uint8Array> {
    let event: NriEvent | undefined;
    try {
      const decoded = decodeEvent(call.method, call.payload, this.sparing);
      // A StateChange with an event of a later NRI: the bridge did not subscribe to it, and the answer is no error.
      if (decoded === undefined) return emptyResponse;
      event = decoded;
      const response = await answerInTime(call, () =>
        this.options.handlers.handle?.(decoded, { ...call, event: decoded.name, runtime }),
      );
      return response === undefined ? emptyResponse : encodeEventResponse(decoded.name, response);
    } catch (error) {
      // A StateChange that cannot be decoded may be any event, also the one for which an error can harm the runtime.
      const name = event?.name ?? (call.method === "StateChange" ? "RunPodSandbox" : call.method);
      if (mayFail(name, runtime)) throw error;
      this.tellUnanswered(error, event?.pod, runtime);
      return emptyResponse;
    } finally {
      if (event !== undefined) this.lastInTime = !call.deadline.expired;
    }
  }

  /** Logs the failure of a pod sandbox that the bridge must not report to this runtime (see mayFail). */
  private tellUnanswered(error: unknown, pod: PodSandbox | undefined, { name, version }: RuntimeInfo): void {
    this.options.log.error(
      {
        event: "RunPodSandbox",
        ...(pod === undefined ? {} : { pod: `${pod.namespace}/${pod.name}`, id: pod.id }),
        error: errorText(error),
        runtime: `${name} ${version}`,
        ...refusedSandboxFault,
      },
      "a pod sandbox's create failed, which the bridge must not tell this runtime: the sandbox starts, and the bridge refuses its containers until the create succeeds",
    );
  }

  private get sparing(): boolean {
    return this.options.handlers.sparing?.() ?? false;
  }
}
