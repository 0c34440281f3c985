import {
  readConfigureRequest,
  readConfigureResponse,
  readContainer,
  readCreateContainerRequest,
  readCreateContainerResponse,
  readPodSandbox,
  readRegisterPluginRequest,
  readRunPodSandboxRequest,
  readStateChangeEvent,
  readStopContainerResponse,
  readSynchronizeRequest,
  readSynchronizeResponse,
  readUpdateContainerRequest,
  readUpdateContainerResponse,
  readUpdateContainersRequest,
  readUpdateContainersResponse,
  readUpdatePodSandboxRequest,
  writeConfigureRequest,
  writeConfigureResponse,
  writeContainer,
  writeCreateContainerRequest,
  writeCreateContainerResponse,
  writePodSandbox,
  writeRegisterPluginRequest,
  writeRunPodSandboxRequest,
  writeStateChangeEvent,
  writeStopContainerResponse,
  writeSynchronizeRequest,
  writeSynchronizeResponse,
  writeUpdateContainerRequest,
  writeUpdateContainerResponse,
  writeUpdateContainersRequest,
  writeUpdateContainersResponse,
  writeUpdatePodSandboxRequest,
} from "../gen/nri.js";
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

/** One message of the NRI API, from payload bytes to plain values and back. Undecodable bytes throw PROTOCOL. */
export interface MessageCodec<T> {
  /** `sparing`: passes over what no v0.1 request is made of, such as args, env and mounts; they are empty then. */
  decode(payload: Uint8Array, sparing?: boolean): T;
  encode(message: T): Uint8Array;
}

function codec<T>(
  read: (reader: ProtobufReader, end: number) => T,
  write: (writer: ProtobufWriter, message: T) => void,
): MessageCodec<T> {
  return {
    decode(payload, sparing) {
      const reader = new ProtobufReader(payload, sparing);
      try {
        return read(reader, reader.end);
      } catch (thrown) {
        throw toProtocolError(thrown);
      }
    },
    encode(message) {
      const writer = new ProtobufWriter();
      write(writer, message);
      return writer.finish();
    },
  };
}

/** What the plugin sends to the runtime. */
export const registerPluginRequest: MessageCodec<RegisterPluginRequest> = codec(
  readRegisterPluginRequest,
  writeRegisterPluginRequest,
);
export const updateContainersRequest: MessageCodec<UpdateContainersRequest> = codec(
  readUpdateContainersRequest,
  writeUpdateContainersRequest,
);

/** What the runtime sends to the plugin. */
export const configureRequest: MessageCodec<ConfigureRequest> = codec(readConfigureRequest, writeConfigureRequest);
export const synchronizeRequest: MessageCodec<SynchronizeRequest> = codec(
  readSynchronizeRequest,
  writeSynchronizeRequest,
);
/** Run-, PostUpdate-, Stop- and RemovePodSandbox. */
export const podRequest: MessageCodec<PodRequest> = codec(readRunPodSandboxRequest, writeRunPodSandboxRequest);
export const updatePodSandboxRequest: MessageCodec<UpdatePodSandboxRequest> = codec(
  readUpdatePodSandboxRequest,
  writeUpdatePodSandboxRequest,
);
/** Create-, PostCreate-, Start-, PostStart-, PostUpdate-, Stop- and RemoveContainer. */
export const containerRequest: MessageCodec<CreateContainerRequest> = codec(
  readCreateContainerRequest,
  writeCreateContainerRequest,
);
export const updateContainerRequest: MessageCodec<UpdateContainerRequest> = codec(
  readUpdateContainerRequest,
  writeUpdateContainerRequest,
);
export const stateChangeRequest: MessageCodec<StateChangeRequest> = codec(readStateChangeEvent, writeStateChangeEvent);

/** The answers. */
export const configureResponse: MessageCodec<ConfigureResponse> = codec(readConfigureResponse, writeConfigureResponse);
export const synchronizeResponse: MessageCodec<SynchronizeResponse> = codec(
  readSynchronizeResponse,
  writeSynchronizeResponse,
);
export const createContainerResponse: MessageCodec<CreateContainerResponse> = codec(
  readCreateContainerResponse,
  writeCreateContainerResponse,
);
export const updateContainerResponse: MessageCodec<UpdateContainerResponse> = codec(
  readUpdateContainerResponse,
  writeUpdateContainerResponse,
);
export const stopContainerResponse: MessageCodec<StopContainerResponse> = codec(
  readStopContainerResponse,
  writeStopContainerResponse,
);
export const updateContainersResponse: MessageCodec<UpdateContainersResponse> = codec(
  readUpdateContainersResponse,
  writeUpdateContainersResponse,
);
/** A pod sandbox and a container by themselves, for what is kept in files. */
export const podSandbox: MessageCodec<PodSandbox> = codec(readPodSandbox, writePodSandbox);
export const container: MessageCodec<Container> = codec(readContainer, writeContainer);

/** The answer without content, of every call not named above. */
export const emptyResponse: Uint8Array = new Uint8Array(0);
