import { Cancellation } from "../base/cancellation.js";
import { alarm } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import {
  configureRequest,
  configureResponse,
  emptyResponse,
  pluginService,
  synchronizeRequest,
  synchronizeResponse,
} from "./codec.js";
import {
  decodeEvent,
  type EventName,
  encodeEventResponse,
  eventBit,
  eventMask,
  eventNames,
  eventsOfMask,
  type NriEvent,
} from "./events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { Call, MethodHandler, Services } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";
import type { ConfigureRequest, Container, PodSandbox } from "./types.js";
import { formatVersion, mayFail, nriVersionOf, refusedSandboxFault } from "./versions.js";

/** How far a connection has come; events are delivered when it is ready. */
export type Phase = "registering" | "synchronizing" | "ready";

/** The events that begin everything: without one of them some plugins never run. */
const creates: readonly EventName[] = ["RunPodSandbox", "StartContainer"];

export interface PluginServiceOptions {
  readonly handlers: PluginHandlers;
  readonly log: Log;
  readonly socketPath?: string | undefined;
  /** How long a message that is read now, or has come in parts, may have waited for us, in milliseconds. */
  waitedMs?(inParts?: boolean): number;
  /** Configure was answered: with success, or with this error, after which the runtime hangs up. */
  onConfigured(error?: unknown): void;
  /** The answer to Synchronize is on its way: in time and with success to this runtime, or with what went wrong. */
  onSynchronized(outcome: RuntimeInfo | Error): void;
}

/** The Plugin service of one connection: what the runtime calls, in the order of the protocol. */
export class PluginService {
  phase: Phase = "registering";
  shutdownCalled = false;
  /** Whether the latest event was answered before the runtime gave up on us, which costs the connection. */
  lastInTime = false;
  private runtime: RuntimeInfo | undefined;
  private pods: PodSandbox[] = [];
  private containers: Container[] = [];

  constructor(private readonly options: PluginServiceOptions) {}

  get runtimeInfo(): RuntimeInfo | undefined {
    return this.runtime;
  }

  /** For the ttRPC server. What is not in here (ValidateContainerAdjustment) is answered with Unimplemented. */
  get services(): Services {
    const deliver: MethodHandler = (call) => this.deliver(call);
    return {
      [pluginService]: {
        ...Object.fromEntries(eventNames.map((name) => [name, deliver])),
        StateChange: deliver,
        Configure: (call) => this.configure(call),
        Synchronize: (call) => this.synchronize(call),
        Shutdown: () => this.shutdown(),
      },
    };
  }

  private async configure(call: Call): Promise<Uint8Array> {
    const { handlers, log, onConfigured } = this.options;
    try {
      const request = decodeOrRefuse(() => configureRequest.decode(call.payload));
      const runtime = this.runtimeOf(request, call);
      this.runtime = runtime;
      const wanted = [...(await answerInTime(call, () => handlers.configure(request, runtime)))];
      const events = eventMask(wanted, runtime.nri);
      log.info(
        {
          runtime: runtime.name,
          runtimeVersion: runtime.version,
          nri: formatVersion(runtime.nri),
          nriSource: runtime.nri.source,
          requestTimeoutMs: runtime.requestTimeoutMs,
          events: eventsOfMask(events),
        },
        "configured by the runtime",
      );
      this.tellOfMissing(wanted, events, runtime);
      if (this.phase === "registering") this.phase = "synchronizing";
      onConfigured();
      return configureResponse.encode({ events });
    } catch (error) {
      log.error({ error: errorText(error) }, "cannot take the runtime's configuration");
      onConfigured(error);
      throw error;
    }
  }

  /** A bridge that is not told of creates does nothing, and looks well. */
  private tellOfMissing(wanted: readonly EventName[], mask: number, { nri }: RuntimeInfo): void {
    const missing = [...new Set([...wanted, ...creates])].filter((name) => (mask & eventBit(name)) === 0);
    if (missing.length === 0) return;
    const vital = creates.some((name) => missing.includes(name));
    this.options.log[vital ? "error" : "warn"](
      { missing, nri: formatVersion(nri), nriSource: nri.source },
      "the runtime is not asked for all events: no plugin runs for the missing ones",
    );
  }

  private runtimeOf(request: ConfigureRequest, call: Call): RuntimeInfo {
    const { socketPath } = this.options;
    // Before NRI 0.7 the timeout is told by nothing but the call's own.
    const requestTimeoutMs = request.requestTimeout > 0n ? Number(request.requestTimeout) : call.deadline.remainingMs();
    return {
      name: request.runtimeName,
      version: request.runtimeVersion,
      nri: nriVersionOf(request),
      requestTimeoutMs: Math.round(requestTimeoutMs),
      ...(socketPath === undefined ? {} : { socketPath }),
    };
  }

  /** Pods and containers may come in several messages; each but the last is answered with "more", and nothing else. */
  private async synchronize(call: Call): Promise<Uint8Array> {
    const { deadline } = this.since(call, true);
    try {
      const runtime = this.configuredRuntime();
      const { pods, containers, more } = decodeOrRefuse(() => synchronizeRequest.decode(call.payload, this.sparing));
      for (const pod of pods) this.pods.push(pod);
      for (const container of containers) this.containers.push(container);
      if (more) return synchronizeResponse.encode({ update: [], more });
      const update = await this.handSnapshot(call, runtime);
      this.phase = "ready";
      const late = deadline.expired ? new Error("the answer to Synchronize came too late") : undefined;
      this.options.onSynchronized(late ?? runtime);
      return synchronizeResponse.encode({ update, more: false });
    } catch (error) {
      this.options.onSynchronized(error instanceof Error ? error : new Error(errorText(error)));
      throw error;
    }
  }

  private get sparing(): boolean {
    return this.options.handlers.sparing?.() ?? false;
  }

  private async handSnapshot(call: Call, runtime: RuntimeInfo) {
    const [pods, containers] = [this.pods, this.containers];
    this.pods = [];
    this.containers = [];
    const answer = await answerInTime(call, (cancellation) =>
      this.options.handlers.synchronize?.(pods, containers, contextOf(call, "Synchronize", runtime, cancellation)),
    );
    return [...(answer ?? [])];
  }

  /** The runtime's time runs since it sent the message, and ours since we read it: the call with what is really left. */
  private since(call: Call, inParts = false): Call {
    const waitedMs = this.options.waitedMs?.(inParts) ?? 0;
    return waitedMs === 0 ? call : { ...call, deadline: call.deadline.minus(waitedMs) };
  }

  private async deliver(received: Call): Promise<Uint8Array> {
    const runtime = this.configuredRuntime();
    const call = this.since(received);
    let event: NriEvent | undefined;
    try {
      const decoded = decodeOrRefuse(() => decodeEvent(call.method, call.payload, this.sparing));
      // A StateChange with an event of a later NRI: nothing that we subscribed to, and no reason to fail anything.
      if (decoded === undefined) return emptyResponse;
      event = decoded;
      const response = await answerInTime(call, (cancellation) =>
        this.options.handlers.handle?.(decoded, contextOf(call, decoded.name, runtime, cancellation)),
      );
      return response === undefined ? emptyResponse : encodeEventResponse(decoded.name, response);
    } catch (error) {
      // A StateChange that cannot be read may be of any event.
      const name = event?.name ?? (call.method === "StateChange" ? "RunPodSandbox" : call.method);
      if (mayFail(name, runtime)) throw error;
      this.tellUnanswered(error, event?.pod, runtime);
      return emptyResponse;
    } finally {
      if (event !== undefined) this.lastInTime = !call.deadline.expired;
    }
  }

  /** The failure of a sandbox that the runtime cannot be told: it is in the log, and nowhere else. */
  private tellUnanswered(error: unknown, pod: PodSandbox | undefined, { name, version }: RuntimeInfo): void {
    this.options.log.error(
      {
        event: "RunPodSandbox",
        ...(pod === undefined ? {} : { pod: `${pod.namespace}/${pod.name}`, id: pod.id }),
        error: errorText(error),
        runtime: `${name} ${version}`,
        ...refusedSandboxFault,
      },
      "a pod sandbox failed and is held: this runtime cannot be told, so the creation of its containers fails until the sandbox's create succeeds",
    );
  }

  private shutdown(): Uint8Array {
    this.shutdownCalled = true;
    this.options.log.info({}, "the runtime says that it shuts down");
    this.options.handlers.shutdown?.();
    return emptyResponse;
  }

  private configuredRuntime(): RuntimeInfo {
    if (this.runtime !== undefined) return this.runtime;
    throw new StatusError(Code.FailedPrecondition, "the plugin has not been configured");
  }
}

function contextOf(
  call: Call,
  event: CallContext["event"],
  runtime: RuntimeInfo,
  cancellation: Cancellation,
): CallContext {
  const { method, payload, deadline, timeoutNano, metadata } = call;
  return { event, method, payload, deadline, timeoutNano, metadata, cancellation, runtime };
}

function decodeOrRefuse<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new StatusError(Code.InvalidArgument, errorText(error), { cause: error });
  }
}

/** Milliseconds kept for the way back of an answer that has to be in time; at most a quarter of the call's time. */
const marginMs = 50;

/**
 * Runs a call's handler and answers in its place with DeadlineExceeded, shortly before the runtime gives up: an error
 * that comes in time costs one event, no answer costs the plugin its connection without a word. What the handler still
 * gives then is dropped; its cancellation tells it, as it does when the connection ends.
 */
function answerInTime<T>(call: Call, handler: (cancellation: Cancellation) => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancellation = new Cancellation();
    const stopListening = call.cancellation.listen(() => cancellation.cancel(call.cancellation.reason));
    const margin = Math.min(marginMs, call.deadline.remainingMs() / 4);
    const cancelAlarm = alarm(call.deadline.minus(margin), () => {
      const error = new StatusError(
        Code.DeadlineExceeded,
        `${call.method} was not done in the time that the runtime gave`,
      );
      reject(error);
      cancellation.cancel(error);
    });
    const settled = () => {
      cancelAlarm();
      stopListening();
    };
    new Promise<T>((run) => run(handler(cancellation))).then(resolve, reject).finally(settled);
  });
}
