import { fileURLToPath } from "node:url";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { ContainerConfig, LinuxResources, PodSandboxConfig } from "./cri-config.js";

/** What a call to the runtime came to: its answer, or the error as the kubelet would see it. */
export class CriError extends Error {
  override readonly name = "CriError";
  constructor(
    readonly method: string,
    /** The gRPC code's name: NOT_FOUND, UNKNOWN, ... */
    readonly code: string,
    readonly details: string,
  ) {
    super(`${method}: ${code}: ${details}`);
  }
}

/** What ContainerStatus and PodSandboxStatus say, as far as the tests look at it. */
export interface CriStatus {
  readonly state: string;
  /** The main process, where the runtime says it; 0 when there is none. */
  readonly pid: number;
}

const schemaFile = fileURLToPath(new URL("./cri.proto", import.meta.url));
const schema = new protobuf.Root().loadSync(schemaFile, { keepCase: true });

/** A client of one daemon's CRI socket. Each call rejects with CriError when the runtime answers an error. */
export class Cri {
  readonly #client: Client;

  constructor(
    socket: string,
    private readonly deadlineMs = 60_000,
  ) {
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure(), {
      // A daemon that was restarted is to be found again soon.
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 200,
    });
  }

  close(): void {
    this.#client.close();
  }

  async runPodSandbox(config: PodSandboxConfig, handler = ""): Promise<string> {
    return text((await this.#call("RunPodSandbox", { config, runtime_handler: handler })).pod_sandbox_id);
  }

  async createContainer(pod: string, config: ContainerConfig, podConfig: PodSandboxConfig): Promise<string> {
    const request = { pod_sandbox_id: pod, config, sandbox_config: podConfig };
    return text((await this.#call("CreateContainer", request)).container_id);
  }

  readonly stopPodSandbox = (id: string) => this.#do("StopPodSandbox", { pod_sandbox_id: id });
  readonly removePodSandbox = (id: string) => this.#do("RemovePodSandbox", { pod_sandbox_id: id });
  readonly startContainer = (id: string) => this.#do("StartContainer", { container_id: id });
  readonly stopContainer = (id: string) => this.#do("StopContainer", { container_id: id, timeout: 0 });
  readonly removeContainer = (id: string) => this.#do("RemoveContainer", { container_id: id });
  readonly updateContainerResources = (id: string, linux: LinuxResources) =>
    this.#do("UpdateContainerResources", { container_id: id, linux });

  readonly containerStatus = (id: string) => this.#status("ContainerStatus", { container_id: id });
  readonly podSandboxStatus = (id: string) => this.#status("PodSandboxStatus", { pod_sandbox_id: id });
  readonly listPodSandboxes = async () => idsIn((await this.#call("ListPodSandbox", {})).items);
  readonly listContainers = async () => idsIn((await this.#call("ListContainers", {})).containers);

  async #do(method: string, request: object): Promise<void> {
    await this.#call(method, request);
  }

  async #status(method: string, request: object): Promise<CriStatus> {
    const { status, info } = await this.#call(method, { ...request, verbose: true });
    const pid = Number(/"pid":\s*(\d+)/.exec(text(field(info, "info")))?.[1] ?? 0);
    return { state: text(field(status, "state")), pid };
  }

  #call(method: string, request: object): Promise<Record<string, unknown>> {
    const requestType = schema.lookupType(`runtime.v1.${method}Request`);
    const found = schema.lookup(`runtime.v1.${method}Response`);
    const responseType = found instanceof protobuf.Type ? found : schema.lookupType("runtime.v1.Empty");
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${method}`,
        (value: object) => Buffer.from(requestType.encode(requestType.fromObject(value)).finish()),
        (bytes: Buffer): Record<string, unknown> =>
          responseType.toObject(responseType.decode(bytes), { defaults: true, enums: String, longs: String }),
        request,
        { deadline: Date.now() + this.deadlineMs },
        (error: ServiceError | null, value?: Record<string, unknown>) =>
          error === null ? resolve(value ?? {}) : reject(new CriError(method, status[error.code], error.details)),
      );
    });
  }
}

function idsIn(items: unknown): string[] {
  return Array.isArray(items) ? items.map((item: unknown) => text(field(item, "id"))) : [];
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
