import { container, podSandbox } from "../../../src/nri/codec.js";
import type { Container, PodSandbox } from "../../../src/nri/types.js";

/** A pod sandbox of which only this much is known. */
export function pod(fields: Partial<PodSandbox> = {}): PodSandbox {
  const nothing = podSandbox.decode(new Uint8Array(0));
  return { ...nothing, id: "p1", name: "web-0", namespace: "default", pid: 4242, ...fields };
}

export function ctr(fields: Partial<Container> = {}): Container {
  const nothing = container.decode(new Uint8Array(0));
  return { ...nothing, id: "c1", podSandboxId: "p1", name: "app", state: "CONTAINER_CREATED", pid: 4300, ...fields };
}
