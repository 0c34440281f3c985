import type { RegisteredPlugin } from "./accept.js";
import { BridgeProcess, startBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import { findGoAdapter, startGoAdapter } from "./go-adapter.js";
import type { Place } from "./place.js";

/** As little memory as Node allows: each event takes some 5 % longer, and a Synchronize twice the time. */
export const frugalFlags = ["--optimize-for-size", "--v8-pool-size=1"] as const;

/** Bridges live through twice so many events, side by side: two are looked at from outside, one from inside. */
export async function measureMemory(place: Place, containers: Containers, events: number) {
  const plain = await startBridge(place, { name: "memory", plugins: ["tiny"] });
  const frugal = await startBridge(place, { name: "frugal", plugins: ["tiny"], nodeFlags: frugalFlags });
  const files = new BridgeProcess(place, { name: "heap", plugins: ["tiny"], probe: {} });
  const probed = await files.accept();
  const bridges = [plain, frugal, probed];
  const heapMb = async () => (await files.probe(probed.child)).heapUsed / 2 ** 20;
  const idleMb = plain.rssMb();
  await live(bridges, containers, events);
  const [rssMb, frugalMb, heapBefore] = [plain.rssMb(), frugal.rssMb(), await heapMb()];
  await live(bridges, containers, events);
  const use = {
    /** Resident before the first event, and after so many; of a bridge that Node is told to be frugal for, too. */
    ...{ idleMb, rssMb, frugalMb },
    /** What the heap in use grew by, after collection, and the resident memory, over as many events again. */
    ...{ heapGrowthMb: (await heapMb()) - heapBefore, rssGrowthMb: plain.rssMb() - rssMb },
  };
  await Promise.all(bridges.map((bridge) => bridge.close()));
  return use;
}

/** The Go adapter's resident memory before its first event, and after so many. */
export async function measurePeerMemory(place: Place, containers: Containers, events: number) {
  const found = findGoAdapter();
  if (found === undefined) return undefined;
  const adapter = await startGoAdapter(found, place, "go-memory", ["tiny"]);
  const idleMb = adapter.rssMb();
  await live([adapter], containers, events);
  const rssMb = adapter.rssMb();
  await adapter.close();
  return { idleMb, rssMb };
}

async function live(plugins: readonly RegisteredPlugin[], containers: Containers, events: number): Promise<void> {
  const lives = plugins.map((plugin) => new ContainerLife("memory", plugin, containers));
  for (let i = 0; i < events / 2; i++) await Promise.all(lives.map((life) => life.whole()));
}
