import * as gen from "../gen/nri.js";
import { codec } from "./wire/protobuf.js";

export type { MessageCodec, MessageName } from "./wire/protobuf.js";

/** Messages from the plugin to the runtime. */
export const registerPluginRequest = codec(gen.RegisterPluginRequest);

/** Messages from the runtime to the plugin. */
export const configureRequest = codec(gen.ConfigureRequest);
export const synchronizeRequest = codec(gen.SynchronizeRequest);

/** Run-, PostUpdate-, Stop- and RemovePodSandbox. */
export const podRequest = codec(gen.RunPodSandboxRequest);
export const updatePodSandboxRequest = codec(gen.UpdatePodSandboxRequest);

/** Create-, PostCreate-, Start-, PostStart-, PostUpdate-, Stop- and RemoveContainer. */
export const containerRequest = codec(gen.CreateContainerRequest);
export const updateContainerRequest = codec(gen.UpdateContainerRequest);
export const stateChangeRequest = codec(gen.StateChangeEvent);

/** The answers. */
export const configureResponse = codec(gen.ConfigureResponse);
export const synchronizeResponse = codec(gen.SynchronizeResponse);
export const createContainerResponse = codec(gen.CreateContainerResponse);
export const updateContainerResponse = codec(gen.UpdateContainerResponse);
export const stopContainerResponse = codec(gen.StopContainerResponse);

/** A pod sandbox and a container by themselves, for what is kept in files. */
export const podSandbox = codec(gen.PodSandbox);
export const container = codec(gen.Container);

/** The answer without content, of every call not named above. */
export const emptyResponse: Uint8Array = new Uint8Array(0);

/** The two services of NRI, as the wire names them. */
export const pluginService = "nri.pkg.api.v1alpha1.Plugin";
export const runtimeService = "nri.pkg.api.v1alpha1.Runtime";
