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
  readonly exitCode: number;
  /** The main process, where the runtime says it; 0 when there is none. */
  readonly pid: number;
}

const schemaFile = fileURLToPath(new URL("./cri.proto", import.meta.url));
const schema = new protobuf.Root().loadSync(schemaFile, { keepCase: true });

/** A client of one daemon's CRI socket. Each call rejects with CriError when the runtime answers an error. */
export class Cri {
  readonly #client: Client;

  constructor(socket: string) {
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

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call("StopPodSandbox", { pod_sandbox_id: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call("RemovePodSandbox", { pod_sandbox_id: id });
  }

  async createContainer(pod: string, config: ContainerConfig, podConfig: PodSandboxConfig): Promise<string> {
    const request = { pod_sandbox_id: pod, config, sandbox_config: podConfig };
    return text((await this.#call("CreateContainer", request)).container_id);
  }

  async startContainer(id: string): Promise<void> {
    await this.#call("StartContainer", { container_id: id });
  }

  async stopContainer(id: string, timeoutSeconds = 0): Promise<void> {
    await this.#call("StopContainer", { container_id: id, timeout: timeoutSeconds });
  }

  async removeContainer(id: string): Promise<void> {
    await this.#call("RemoveContainer", { container_id: id });
  }

  async updateContainerResources(id: string, linux: LinuxResources): Promise<void> {
    await this.#call("UpdateContainerResources", { container_id: id, linux });
  }

  async containerStatus(id: string): Promise<CriStatus> {
    return readStatus(await this.#call("ContainerStatus", { container_id: id, verbose: true }));
  }

  async podSandboxStatus(id: string): Promise<CriStatus> {
    return readStatus(await this.#call("PodSandboxStatus", { pod_sandbox_id: id, verbose: true }));
  }

  async listPodSandboxes(): Promise<string[]> {
    const { items } = await this.#call("ListPodSandbox", {});
    return Array.isArray(items) ? items.map((item: unknown) => text(field(item, "id"))) : [];
  }

  async listContainers(): Promise<string[]> {
    const { containers } = await this.#call("ListContainers", {});
    return Array.isArray(containers) ? containers.map((item: unknown) => text(field(item, "id"))) : [];
  }

  #call(method: string, request: object, timeoutMs = 60_000): Promise<Record<string, unknown>> {
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
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, value?: Record<string, unknown>) =>
          error === null ? resolve(value ?? {}) : reject(new CriError(method, status[error.code], error.details)),
      );
    });
  }
}

function readStatus(response: Record<string, unknown>): CriStatus {
  const { status, info } = response;
  const json = text(field(info, "info"));
  const pid = Number(/"pid":\s*(\d+)/.exec(json)?.[1] ?? 0);
  return { state: text(field(status, "state")), exitCode: Number(field(status, "exit_code") ?? 0), pid };
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
