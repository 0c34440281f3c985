import { setTimeout as sleep } from "node:timers/promises";

import { Deadline } from "../src/base/deadline.js";
import { synchronizeRequest } from "../src/nri/codec.js";
import type { ContainerEvent } from "../src/nri/events.js";
import type { Container, PodSandbox } from "../src/nri/types.js";
import { inferNriVersion } from "../src/nri/versions.js";
import type { Trunk } from "../src/nri/wire/trunk.js";
import { listenTrunks } from "../src/tools/runtime/runtime.js";
import { configurePlugin, RuntimeLink } from "../src/tools/runtime/runtime-plugin.js";
import { BridgeProcess, endProgram, type Probed, readProbe } from "./built-bridge.js";
import type { Place } from "./place.js";

export interface Synchronized {
  /** From the first message of the runtime to the answer to the last. */
  readonly ms: number;
  readonly messages: number;
  /** The longest that the event loop did not turn, from the connection until all that was adopted. */
  readonly loopBlockedMs: number;
}

/** Pods in one message, and twice as many containers: some 3.5 MB, a runtime sends at most 4 MiB. */
const podsPerMessage = 250;

/** A node's worth of pods and containers that run already, told to a bridge that has just registered. */
export async function measureSynchronize(place: Place, recorded: ContainerEvent, pods: number): Promise<Synchronized> {
  const payloads = encodeSnapshot(recorded, pods);
  const files = new BridgeProcess(place, { name: "sync", plugins: ["tiny"], probe: { loop: true } });
  const trunks: Trunk[] = [];
  const listener = await listenTrunks(files.socketPath, (trunk) => void trunks.push(trunk));
  const child = files.start();
  while (trunks.length === 0) await sleep(1);
  const [trunk] = trunks;
  if (trunk === undefined) throw new Error("unreachable");
  const link = new RuntimeLink(trunk);
  await link.registered(10_000);
  const nri = inferNriVersion("containerd", "1.7.24");
  if (nri === undefined) throw new Error("the NRI version of containerd 1.7.24 is known");
  const runtime = { name: "containerd", version: "1.7.24", nri, requestTimeoutMs: 2000, registrationTimeoutMs: 5000 };
  await configurePlugin(link, runtime, "");
  // Only what the snapshot does is to be seen.
  await readProbe(files, child);
  const began = performance.now();
  for (const payload of payloads) await link.call("Synchronize", payload, { deadline: Deadline.after(60_000) });
  const ms = performance.now() - began;
  let probed: Probed = await readProbe(files, child);
  let loopBlockedMs = probed.loopBlockedMs;
  // What was running is adopted after the answer: until nothing is going on any more, or for so long.
  const giveUpAt = performance.now() + 20_000;
  for (let activeMs = -100; probed.activeMs - activeMs > 60 && performance.now() < giveUpAt; ) {
    activeMs = probed.activeMs;
    await sleep(500);
    probed = await readProbe(files, child);
    loopBlockedMs = Math.max(loopBlockedMs, probed.loopBlockedMs);
  }
  await endProgram(child);
  link.close();
  await listener.close();
  return { ms, messages: payloads.length, loopBlockedMs };
}

function encodeSnapshot({ pod, container }: ContainerEvent, count: number): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let first = 0; first < count; first += podsPerMessage) {
    const pods: PodSandbox[] = [];
    const containers: Container[] = [];
    for (let i = first; i < Math.min(count, first + podsPerMessage); i++) {
      const id = `${i}`.padStart(64, "a");
      pods.push({ ...pod, id });
      for (const its of ["b", "c"]) containers.push({ ...container, id: `${i}`.padStart(64, its), podSandboxId: id });
    }
    payloads.push(synchronizeRequest.encode({ pods, containers, more: first + podsPerMessage < count }));
  }
  return payloads;
}
