import { setTimeout as sleep } from "node:timers/promises";
import type { RegisteredPlugin } from "./accept.js";
import { BridgeProcess, startBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import { findGoAdapter, startGoAdapter } from "./go-adapter.js";
import type { Artefact, Place } from "./place.js";

/** As little memory as Node allows: each event takes some 5 % longer, and a Synchronize twice the time. */
export const frugalFlags = ["--optimize-for-size", "--v8-pool-size=1"] as const;

/** Each artefact lives through so many events, side by side, as it is and told to be frugal; one is looked at from inside, too. */
export async function measureMemory(place: Place, containers: Containers, events: number) {
  const start = (name: string, artefact: Artefact, nodeFlags: readonly string[] = []) =>
    startBridge(place, { name, plugins: ["tiny"], artefact, nodeFlags });
  const rows = [];
  for (const [i, artefact] of place.artefacts.entries()) {
    const plain = await start(`memory${i}`, artefact);
    // The single executable takes no flags of Node.
    const frugal = artefact.program === undefined ? undefined : await start(`frugal${i}`, artefact, frugalFlags);
    rows.push({ name: artefact.name, plain, frugal, idleMb: plain.rssMb() });
  }
  const files = new BridgeProcess(place, { name: "heap", plugins: ["tiny"], probe: {} });
  const probed = await files.accept();
  const heapMb = async () => (await files.probe(probed.child)).heapUsed / 2 ** 20;
  const bridges = rows.flatMap(({ plain, frugal }) => (frugal === undefined ? [plain] : [plain, frugal]));
  await live([...bridges, probed], containers, events);
  const artefacts = rows.map(({ name, plain, frugal, idleMb }) => {
    return { name, idleMb, rssMb: plain.rssMb(), frugalMb: frugal?.rssMb() };
  });
  const [first] = bridges;
  if (first === undefined) throw new Error("unreachable");
  const [rssBefore, heapBefore] = [first.rssMb(), await heapMb()];
  await live([first, probed], containers, events);
  /** What the heap in use grew by, after collection, and the resident memory, over as many events again. */
  const growth = { heapGrowthMb: (await heapMb()) - heapBefore, rssGrowthMb: first.rssMb() - rssBefore };
  const remembered = 1_000;
  const before = await heapMb();
  for (let i = 0; i < remembered; i++) {
    const event = await containers.next();
    await probed.call("StartContainer", event);
    await containers.stop(event);
  }
  const rememberedKb = (((await heapMb()) - before) * 1024) / remembered;
  // Until ten seconds after a call it looks more often whether it was stopped meanwhile.
  await sleep(12_000);
  const wakes = await first.wakesPerSecond();
  await Promise.all([...bridges, probed].map((bridge) => bridge.close()));
  return { artefacts, ...growth, rememberedKb, wakes };
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
