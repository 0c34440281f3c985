import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import { findGoAdapter, GoAdapter } from "./go-adapter.js";
import type { Candidate } from "./measure.js";
import type { Place } from "./place.js";

/** The Go adapter as candidates beside the bridge's; none where there is no adapter. */
export interface Peer {
  readonly candidates: readonly Candidate[];
  close(): Promise<void>;
}

/** Starts an adapter for each name, with these plugins in its conf.json. */
export async function openPeer(
  place: Place,
  containers: Containers,
  plugins: Readonly<Record<string, readonly string[]>>,
): Promise<Peer> {
  const found = findGoAdapter();
  const adapters: GoAdapter[] = [];
  const candidates: Candidate[] = [];
  if (found !== undefined) {
    for (const [name, types] of Object.entries(plugins)) {
      const adapter = await GoAdapter.start(found, place, name.replaceAll(/\W+/g, "-"), types);
      adapters.push(adapter);
      candidates.push(new ContainerLife(name, adapter, containers));
    }
  }
  return {
    candidates,
    close: async () => void (await Promise.all(adapters.map((adapter) => adapter.close()))),
  };
}

/** The adapter's resident memory in megabytes before its first event, and after so many with one tiny plugin. */
export async function measurePeerMemory(
  place: Place,
  containers: Containers,
  events: number,
): Promise<{ idleMb: number; rssMb: number } | undefined> {
  const found = findGoAdapter();
  if (found === undefined) return undefined;
  const adapter = await GoAdapter.start(found, place, "go-memory", ["tiny"]);
  const idleMb = adapter.rss() / 2 ** 20;
  const life = new ContainerLife("go-memory", adapter, containers);
  for (let i = 0; i < events / 2; i++) await life.whole();
  const rssMb = adapter.rss() / 2 ** 20;
  await adapter.close();
  return { idleMb, rssMb };
}
