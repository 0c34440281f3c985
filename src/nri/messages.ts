import type { Container, ContainerAdjustment, ContainerUpdate, LinuxResources, PodSandbox } from "./types.js";

// The requests and responses of the NRI calls as they are on the wire, where any message may be absent.

export interface RegisterPluginRequest {
  pluginName: string;
  pluginIdx: string;
  NRIVersion: string;
}

export interface SynchronizeResponse {
  update: ContainerUpdate[];
  more: boolean;
}

export interface CreateContainerResponse {
  adjust?: ContainerAdjustment;
  update: ContainerUpdate[];
}

/** What is asked for in answer to an event: with `adjust` to CreateContainer alone, and nothing to most. */
export interface EventResponse {
  readonly adjust?: ContainerAdjustment;
  readonly update: readonly ContainerUpdate[];
}

/** The answer of a plugin that asks for nothing. */
export const noRequest: EventResponse = { update: [] };

export interface UpdateContainerResponse {
  update: ContainerUpdate[];
}

export interface StopContainerResponse {
  update: ContainerUpdate[];
}

export interface UpdateContainersRequest {
  update: ContainerUpdate[];
}

export interface UpdateContainersResponse {
  failed: ContainerUpdate[];
}

export interface PodRequest {
  pod?: PodSandbox;
}

export interface CreateContainerRequest extends PodRequest {
  container?: Container;
}

export interface UpdateContainerRequest extends CreateContainerRequest {
  linuxResources?: LinuxResources;
}

export interface UpdatePodSandboxRequest extends PodRequest {
  overheadLinuxResources?: LinuxResources;
  linuxResources?: LinuxResources;
}

/** Any event's request. */
export interface EventRequest extends UpdatePodSandboxRequest {
  container?: Container;
}

/** The events' names in the schema. */
export type EventConstant =
  | "UNKNOWN"
  | "RUN_POD_SANDBOX"
  | "STOP_POD_SANDBOX"
  | "REMOVE_POD_SANDBOX"
  | "CREATE_CONTAINER"
  | "POST_CREATE_CONTAINER"
  | "START_CONTAINER"
  | "POST_START_CONTAINER"
  | "UPDATE_CONTAINER"
  | "POST_UPDATE_CONTAINER"
  | "STOP_CONTAINER"
  | "REMOVE_CONTAINER"
  | "UPDATE_POD_SANDBOX"
  | "POST_UPDATE_POD_SANDBOX"
  | "VALIDATE_CONTAINER_ADJUSTMENT"
  | "LAST";

export interface StateChangeRequest extends CreateContainerRequest {
  event: EventConstant;
}
