import type { shapes } from "../gen/nri.js";
import * as gen from "../gen/nri.js";
import { ProtobufReader, ProtobufWriter, toProtocolError } from "./protobuf.js";

export type MessageName = keyof typeof shapes;

/** One message of the NRI API, from payload bytes to plain values and back. Undecodable bytes throw PROTOCOL. */
export interface MessageCodec<Read, Written = Read> {
  /** In the schema. */
  readonly message: MessageName;
  /** `sparing`: passes over what no v0.1 request is made of, such as args, env and mounts; they are empty then. */
  decode(payload: Uint8Array, sparing?: boolean): Read;
  encode(message: Written): Uint8Array;
}

function codec<Read, Written>(
  message: MessageName,
  read: (reader: ProtobufReader, end: number) => Read,
  write: (writer: ProtobufWriter, message: Written) => void,
): MessageCodec<Read, Written> {
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
export const registerPluginRequest = codec(
  "RegisterPluginRequest",
  gen.readRegisterPluginRequest,
  gen.writeRegisterPluginRequest,
);

/** What the runtime sends to the plugin. */
export const configureRequest = codec("ConfigureRequest", gen.readConfigureRequest, gen.writeConfigureRequest);
export const synchronizeRequest = codec("SynchronizeRequest", gen.readSynchronizeRequest, gen.writeSynchronizeRequest);

/** Run-, PostUpdate-, Stop- and RemovePodSandbox. */
export const podRequest = codec("RunPodSandboxRequest", gen.readRunPodSandboxRequest, gen.writeRunPodSandboxRequest);
export const updatePodSandboxRequest = codec(
  "UpdatePodSandboxRequest",
  gen.readUpdatePodSandboxRequest,
  gen.writeUpdatePodSandboxRequest,
);

/** Create-, PostCreate-, Start-, PostStart-, PostUpdate-, Stop- and RemoveContainer. */
export const containerRequest = codec(
  "CreateContainerRequest",
  gen.readCreateContainerRequest,
  gen.writeCreateContainerRequest,
);
export const updateContainerRequest = codec(
  "UpdateContainerRequest",
  gen.readUpdateContainerRequest,
  gen.writeUpdateContainerRequest,
);
export const stateChangeRequest = codec("StateChangeEvent", gen.readStateChangeEvent, gen.writeStateChangeEvent);

/** The answers. */
export const configureResponse = codec("ConfigureResponse", gen.readConfigureResponse, gen.writeConfigureResponse);
export const synchronizeResponse = codec(
  "SynchronizeResponse",
  gen.readSynchronizeResponse,
  gen.writeSynchronizeResponse,
);
export const createContainerResponse = codec(
  "CreateContainerResponse",
  gen.readCreateContainerResponse,
  gen.writeCreateContainerResponse,
);
export const updateContainerResponse = codec(
  "UpdateContainerResponse",
  gen.readUpdateContainerResponse,
  gen.writeUpdateContainerResponse,
);
export const stopContainerResponse = codec(
  "StopContainerResponse",
  gen.readStopContainerResponse,
  gen.writeStopContainerResponse,
);

/** A pod sandbox and a container by themselves, for what is kept in files. */
export const podSandbox = codec("PodSandbox", gen.readPodSandbox, gen.writePodSandbox);
export const container = codec("Container", gen.readContainer, gen.writeContainer);

/** The answer without content, of every call not named above. */
export const emptyResponse: Uint8Array = new Uint8Array(0);

/** The two services of NRI, as the wire names them. */
export const pluginService = "nri.pkg.api.v1alpha1.Plugin";
export const runtimeService = "nri.pkg.api.v1alpha1.Runtime";
