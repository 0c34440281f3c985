import { BuiltBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import type { Place } from "./place.js";

export interface MemoryUse {
  /** Resident after so many events with one tiny plugin; of a bridge without a probe in it. */
  readonly rssMb: number;
  /** What the heap in use grew by, after collection, over as many events again; of a bridge with a probe. */
  readonly heapGrowthMb: number;
  /** The same of the resident memory of the bridge without a probe. */
  readonly rssGrowthMb: number;
  /** Resident after so many events of a bridge that Node is told to be frugal for. */
  readonly frugalMb: number;
  /** Resident before the first event. */
  readonly idleMb: number;
}

const megabyte = 2 ** 20;

/** As little memory as Node allows: each event takes some 5 % longer, and a Synchronize twice the time. */
export const frugalFlags = ["--optimize-for-size", "--v8-pool-size=1"] as const;

/** Bridges live through twice so many events, side by side: two are looked at from outside, one from inside. */
export async function measureMemory(place: Place, containers: Containers, events: number): Promise<MemoryUse> {
  const plain = await BuiltBridge.start(place, { name: "memory", plugins: ["tiny"] });
  const probed = await BuiltBridge.start(place, { name: "heap", plugins: ["tiny"], probe: {} });
  const frugal = await BuiltBridge.start(place, { name: "frugal", plugins: ["tiny"], nodeFlags: frugalFlags });
  const lives = [plain, probed, frugal].map((bridge) => new ContainerLife("memory", bridge, containers));
  const live = async () => {
    const containersEach = events / 2;
    for (let i = 0; i < containersEach; i++) await Promise.all(lives.map((life) => life.whole()));
  };
  const idleMb = plain.rss() / megabyte;
  await live();
  const rss = plain.rss();
  const frugalMb = frugal.rss() / megabyte;
  const { heapUsed } = await probed.probe();
  await live();
  const use = {
    rssMb: rss / megabyte,
    heapGrowthMb: ((await probed.probe()).heapUsed - heapUsed) / megabyte,
    rssGrowthMb: (plain.rss() - rss) / megabyte,
    frugalMb,
    idleMb,
  };
  await Promise.all([plain, probed, frugal].map((bridge) => bridge.close()));
  return use;
}
