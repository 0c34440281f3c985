import type { shapes } from "../gen/nri.js";
import * as gen from "../gen/nri.js";
import type {
  CreateContainerRequest,
  CreateContainerResponse,
  PodRequest,
  RegisterPluginRequest,
  StateChangeRequest,
  StopContainerResponse,
  SynchronizeResponse,
  UpdateContainerRequest,
  UpdateContainerResponse,
  UpdateContainersRequest,
  UpdateContainersResponse,
  UpdatePodSandboxRequest,
} from "./messages.js";
import { ProtobufReader, toProtocolError } from "./protobuf-reader.js";
import { ProtobufWriter } from "./protobuf-writer.js";
import type { ConfigureRequest, ConfigureResponse, Container, PodSandbox, SynchronizeRequest } from "./types.js";

export type MessageName = keyof typeof shapes;

/** One message of the NRI API, from payload bytes to plain values and back. Undecodable bytes throw PROTOCOL. */
export interface MessageCodec<T> {
  /** In the schema. */
  readonly message: MessageName;
  /** `sparing`: passes over what no v0.1 request is made of, such as args, env and mounts; they are empty then. */
  decode(payload: Uint8Array, sparing?: boolean): T;
  encode(message: T): Uint8Array;
}

function codec<T>(
  message: MessageName,
  read: (reader: ProtobufReader, end: number) => T,
  write: (writer: ProtobufWriter, message: T) => void,
): MessageCodec<T> {
  return {
    message,
    decode(payload, sparing) {
      const reader = new ProtobufReader(payload, sparing);
      try {
        return read(reader, reader.end);
      } catch (thrown) {
        throw toProtocolError(thrown);
      }
    },
    encode(value) {
      const writer = new ProtobufWriter();
      write(writer, value);
      return writer.finish();
    },
  };
}

/** What the plugin sends to the runtime. */
export const registerPluginRequest: MessageCodec<RegisterPluginRequest> = codec(
  "RegisterPluginRequest",
  gen.readRegisterPluginRequest,
  gen.writeRegisterPluginRequest,
);
export const updateContainersRequest: MessageCodec<UpdateContainersRequest> = codec(
  "UpdateContainersRequest",
  gen.readUpdateContainersRequest,
  gen.writeUpdateContainersRequest,
);

/** What the runtime sends to the plugin. */
export const configureRequest: MessageCodec<ConfigureRequest> = codec(
  "ConfigureRequest",
  gen.readConfigureRequest,
  gen.writeConfigureRequest,
);
export const synchronizeRequest: MessageCodec<SynchronizeRequest> = codec(
  "SynchronizeRequest",
  gen.readSynchronizeRequest,
  gen.writeSynchronizeRequest,
);

/** Run-, PostUpdate-, Stop- and RemovePodSandbox. */
export const podRequest: MessageCodec<PodRequest> = codec(
  "RunPodSandboxRequest",
  gen.readRunPodSandboxRequest,
  gen.writeRunPodSandboxRequest,
);
export const updatePodSandboxRequest: MessageCodec<UpdatePodSandboxRequest> = codec(
  "UpdatePodSandboxRequest",
  gen.readUpdatePodSandboxRequest,
  gen.writeUpdatePodSandboxRequest,
);

/** Create-, PostCreate-, Start-, PostStart-, PostUpdate-, Stop- and RemoveContainer. */
export const containerRequest: MessageCodec<CreateContainerRequest> = codec(
  "CreateContainerRequest",
  gen.readCreateContainerRequest,
  gen.writeCreateContainerRequest,
);
export const updateContainerRequest: MessageCodec<UpdateContainerRequest> = codec(
  "UpdateContainerRequest",
  gen.readUpdateContainerRequest,
  gen.writeUpdateContainerRequest,
);
export const stateChangeRequest: MessageCodec<StateChangeRequest> = codec(
  "StateChangeEvent",
  gen.readStateChangeEvent,
  gen.writeStateChangeEvent,
);

/** The answers. */
export const configureResponse: MessageCodec<ConfigureResponse> = codec(
  "ConfigureResponse",
  gen.readConfigureResponse,
  gen.writeConfigureResponse,
);
export const synchronizeResponse: MessageCodec<SynchronizeResponse> = codec(
  "SynchronizeResponse",
  gen.readSynchronizeResponse,
  gen.writeSynchronizeResponse,
);
export const createContainerResponse: MessageCodec<CreateContainerResponse> = codec(
  "CreateContainerResponse",
  gen.readCreateContainerResponse,
  gen.writeCreateContainerResponse,
);
export const updateContainerResponse: MessageCodec<UpdateContainerResponse> = codec(
  "UpdateContainerResponse",
  gen.readUpdateContainerResponse,
  gen.writeUpdateContainerResponse,
);
export const stopContainerResponse: MessageCodec<StopContainerResponse> = codec(
  "StopContainerResponse",
  gen.readStopContainerResponse,
  gen.writeStopContainerResponse,
);
export const updateContainersResponse: MessageCodec<UpdateContainersResponse> = codec(
  "UpdateContainersResponse",
  gen.readUpdateContainersResponse,
  gen.writeUpdateContainersResponse,
);

/** A pod sandbox and a container by themselves, for what is kept in files. */
export const podSandbox: MessageCodec<PodSandbox> = codec("PodSandbox", gen.readPodSandbox, gen.writePodSandbox);
export const container: MessageCodec<Container> = codec("Container", gen.readContainer, gen.writeContainer);

/** The answer without content, of every call not named above. */
export const emptyResponse: Uint8Array = new Uint8Array(0);
