import { Deadline } from "../deadline.js";
import { BridgeError, errorText } from "../errors.js";
import type { RegisterPluginRequest } from "../gen/nri.js";
import { Mux } from "../transport/mux.js";
import type { Trunk } from "../transport/trunk.js";
import { TtrpcClient } from "../ttrpc/client.js";
import { TtrpcServer } from "../ttrpc/server.js";
import { Code, StatusError } from "../ttrpc/status.js";
import { alarm } from "../ttrpc/timeout.js";
import { ConnId } from "../wire/mux-frame.js";
import { emptyResponse, registerPluginRequest, updateContainersRequest, updateContainersResponse } from "./codec.js";
import { isPluginIndex, isPluginName, type PluginIdentity } from "./identity.js";
import { pluginService, runtimeService } from "./services.js";
import type { ContainerUpdate } from "./types.js";

export interface RawCallOptions {
  readonly deadline: Deadline;
  readonly metadata?: readonly (readonly [key: string, value: string])[];
}

export interface RuntimeLinkOptions {
  /** Of a plugin that the runtime launched, whose own word does not count. */
  readonly identity: PluginIdentity | undefined;
  updateContainers(update: readonly ContainerUpdate[]): readonly ContainerUpdate[];
}

/** The runtime's end of one plugin's connection: it calls the Plugin service, and serves the Runtime service. */
export class RuntimeLink {
  readonly ended: Promise<Error | undefined>;
  private readonly mux: Mux;
  private readonly client: TtrpcClient;
  private readonly registration: Promise<Registration>;
  private register: (outcome: Registration) => void = () => {};

  constructor(
    trunk: Trunk,
    private readonly options: RuntimeLinkOptions,
  ) {
    this.registration = new Promise((resolve) => {
      this.register = resolve;
    });
    this.mux = new Mux(trunk);
    this.client = new TtrpcClient(this.mux.open(ConnId.plugin));
    new TtrpcServer(this.mux.open(ConnId.runtime), {
      [runtimeService]: {
        RegisterPlugin: ({ payload }) => this.registerPlugin(registerPluginRequest.decode(payload)),
        UpdateContainers: ({ payload }) => this.updateContainers(updateContainersRequest.decode(payload).update),
      },
    });
    this.ended = new Promise((resolve) => this.mux.onClose(resolve));
    void this.ended.then((error) => this.register({ refusal: error?.message ?? "the plugin closed the connection" }));
  }

  get closed(): boolean {
    return this.mux.closed;
  }

  close(): void {
    this.mux.close();
  }

  /** Calls the plugin with bytes as they are; throws as TtrpcClient.call does. */
  call(method: string, payload: Uint8Array, options: RawCallOptions): Promise<Uint8Array> {
    return this.client.call(pluginService, method, payload, options);
  }

  /**
   * Waits for the plugin to register.
   * @throws BridgeError REGISTRATION_REFUSED when it does not, or not rightly; the connection is closed then
   */
  async registered(timeoutMs: number): Promise<RegisteredPlugin> {
    const cancel = alarm(Deadline.after(timeoutMs), () =>
      this.register({ refusal: `the plugin did not register within ${timeoutMs} ms` }),
    );
    const outcome = await this.registration;
    cancel();
    if (!("refusal" in outcome)) return outcome;
    this.close();
    throw new BridgeError("REGISTRATION_REFUSED", outcome.refusal);
  }

  private registerPlugin(request: RegisterPluginRequest): Uint8Array {
    const identity = this.options.identity ?? { name: request.pluginName, index: request.pluginIdx };
    const fault = faultOf(identity);
    if (fault === undefined) {
      this.register({ identity, nriVersion: request.NRIVersion });
      return emptyResponse;
    }
    // After the answer: the plugin is to read why.
    setImmediate(() => this.register({ refusal: fault }));
    throw new StatusError(Code.Unknown, fault);
  }

  private updateContainers(update: readonly ContainerUpdate[]): Uint8Array {
    return updateContainersResponse.encode({ failed: [...this.options.updateContainers(update)] });
  }
}

export interface RegisteredPlugin {
  readonly identity: PluginIdentity;
  /** What the plugin says; "" before NRI 0.12. */
  readonly nriVersion: string;
}

type Registration = RegisteredPlugin | { readonly refusal: string };

function faultOf({ name, index }: PluginIdentity): string | undefined {
  if (!isPluginName(name)) return `invalid plugin name: ${JSON.stringify(name)}`;
  return isPluginIndex(index) ? undefined : `invalid plugin index: ${JSON.stringify(index)}`;
}

/** An error as JSON lines have it: the status code's name, and the text. */
export interface CallError {
  readonly code: string;
  readonly message: string;
}

export function toCallError(thrown: unknown): CallError {
  const code = statusCode(thrown);
  const name = Object.entries(Code).find(([, number]) => number === code)?.[0] ?? "Unknown";
  return { code: name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(), message: errorText(thrown) };
}

function statusCode(thrown: unknown): Code {
  if (thrown instanceof StatusError) return thrown.code;
  return thrown instanceof BridgeError && thrown.code === "CALL_TIMEOUT" ? Code.DeadlineExceeded : Code.Unavailable;
}
