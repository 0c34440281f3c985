import { setTimeout as sleep } from "node:timers/promises";
import { Deadline } from "../src/base/deadline.js";
import { synchronizeRequest } from "../src/nri/codec.js";
import type { ContainerEvent } from "../src/nri/events.js";
import type { Container, PodSandbox } from "../src/nri/types.js";
import { acceptLink, configure } from "./accept.js";
import { BridgeProcess } from "./built-bridge.js";
import type { Place } from "./place.js";

/** Pods in one message, and twice as many containers: some 3.5 MB, a runtime sends at most 4 MiB. */
const podsPerMessage = 250;

/**
 * A node's worth of pods and containers that run already, told to a bridge that has just registered: how long it takes from
 * the first message to the answer to the last, and the longest that the event loop did not turn until all was adopted.
 */
export async function measureSynchronize(place: Place, recorded: ContainerEvent, pods: number) {
  const payloads = encodeSnapshot(recorded, pods);
  const files = new BridgeProcess(place, { name: "sync", plugins: ["tiny"], probe: { loop: true } });
  const { link, child, end } = await acceptLink(files.socketPath, () => files.start());
  await configure(link);
  // Only what the snapshot does is to be seen.
  await files.probe(child);
  const began = performance.now();
  for (const payload of payloads) await link.call("Synchronize", payload, { deadline: Deadline.after(60_000) });
  const ms = performance.now() - began;
  let probed = await files.probe(child);
  let { loopBlockedMs } = probed;
  // What was running is adopted after the answer: until nothing is going on any more, or for so long.
  const giveUpAt = performance.now() + 20_000;
  for (let activeMs = -100; probed.activeMs - activeMs > 60 && performance.now() < giveUpAt; ) {
    activeMs = probed.activeMs;
    await sleep(500);
    probed = await files.probe(child);
    loopBlockedMs = Math.max(loopBlockedMs, probed.loopBlockedMs);
  }
  await end();
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
