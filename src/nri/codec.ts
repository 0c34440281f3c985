import * as gen from "../gen/nri.js";
import { codec } from "./wire/protobuf.js";

export type { MessageCodec, MessageName } from "./wire/protobuf.js";

/** Messages from the plugin to the runtime. */
export const registerPluginRequest = codec(gen.RegisterPluginRequest);

/** Messages from the runtime to the plugin. */
export const configureRequest = codec(gen.ConfigureRequest);
export const synchronizeRequest = codec(gen.SynchronizeRequest);

/** The request of Run-, PostUpdate-, Stop- and RemovePodSandbox: the four messages have the same fields. */
export const podRequest = codec(gen.RunPodSandboxRequest);
export const updatePodSandboxRequest = codec(gen.UpdatePodSandboxRequest);

/** The request of Create-, PostCreate-, Start-, PostStart-, PostUpdate-, Stop- and RemoveContainer, likewise. */
export const containerRequest = codec(gen.CreateContainerRequest);
export const updateContainerRequest = codec(gen.UpdateContainerRequest);
export const stateChangeRequest = codec(gen.StateChangeEvent);

/** The plugin's answers to the runtime. */
export const configureResponse = codec(gen.ConfigureResponse);
export const synchronizeResponse = codec(gen.SynchronizeResponse);
export const createContainerResponse = codec(gen.CreateContainerResponse);
export const updateContainerResponse = codec(gen.UpdateContainerResponse);
export const stopContainerResponse = codec(gen.StopContainerResponse);

/** A pod sandbox and a container without a request around them, for the files that the bridge keeps. */
export const podSandbox = codec(gen.PodSandbox);
export const container = codec(gen.Container);

/** The empty answer, for every call without an answer codec above. */
export const emptyResponse: Uint8Array = new Uint8Array(0);

/** The names of NRI's two services in a ttRPC request. */
export const pluginService = "nri.pkg.api.v1alpha1.Plugin";
export const runtimeService = "nri.pkg.api.v1alpha1.Runtime";
