import type { Life } from "./chaos-kubelet.js";
import type { Killed, Outage } from "./chaos-story.js";

/** One line of the log that plugins/chaosplugin.c keeps of its runs. */
export interface NotedRun {
  readonly plugin: string;
  readonly state: string;
  readonly id: string;
}

/** The runs of a log, in order. */
export function parseNotedRuns(text: string): NotedRun[] {
  return text.split("\n").flatMap((line) => {
    const [plugin, state, id, nanoseconds] = line.split(" ");
    // The last line may have been cut short.
    if (plugin === undefined || state === undefined || id === undefined || nanoseconds === undefined) return [];
    return [{ plugin, state, id }];
  });
}

/** What is known of a chaos run at its end. */
export interface Evidence {
  readonly witnessed: readonly NotedRun[];
  readonly lives: readonly Life[];
  readonly outages: readonly Outage[];
  readonly kills: readonly Killed[];
  /** When the runtime listed for the bridge what runs: somewhere in between. */
  readonly listings: readonly Listing[];
  /** Whose create ended the witness before it may have noted it: its time was over. */
  readonly cutShort?: readonly string[];
  /** Sandboxes that are refused are held: each attempt has a create and its delete. */
  readonly holdsSandboxes?: boolean;
}

/** In milliseconds since the epoch. */
export interface Listing {
  /** The bridge was configured: the list is made after that. */
  readonly fromMs: number;
  /** The bridge compared it with what it remembers. */
  readonly untilMs: number;
}

/** Clocks of several processes are compared: nothing is said about what is closer together. */
const marginMs = 50;

/**
 * Whether each create that was attempted has its delete, exactly one, and nothing else has: `faults` says in words what must
 * not be.
 */
export function judge(evidence: Evidence) {
  const { witnessed, lives, outages, kills, listings, cutShort = [], holdsSandboxes = false } = evidence;
  const statesOf = new Map<string, string[]>();
  for (const { id, state } of witnessed) statesOf.set(id, [...(statesOf.get(id) ?? []), state]);
  const owed = new Set(kills.flatMap((kill) => kill.owed));
  const known = new Map(lives.map((life) => [life.id, life]));
  const faults: string[] = [];
  // Unseen: attempted as the journal says, and the witness was killed with the bridge before it could note it. Repeated: the
  // first was running when the bridge was killed. Adopted and unserved: up while there was no bridge, with a delete or none.
  const figures = { creates: 0, unseenCreates: 0, deletes: 0, repeated: 0, adopted: 0, unserved: 0 };

  for (const id of new Set([...statesOf.keys(), ...owed, ...known.keys()])) {
    const states = statesOf.get(id) ?? [];
    const count = (wanted: string) => states.filter((state) => state === wanted).length;
    const [creates, deletes] = [count("create"), count("delete")];
    const inRow = states.some((state, at) => state === "create" && states[at - 1] === "create");
    const life = known.get(id);
    // An attempt that a kill cut short has a delete, and maybe no create that the witness could note.
    const mayRepeat = kills.filter(({ deleting, owed }) => (holdsSandboxes ? owed : deleting).includes(id)).length;
    const unnoted = cutShort.filter((each) => each === id).length;
    const attempts = holdsSandboxes ? Math.max(1, creates + unnoted) : 1;
    const say = (what: string) => faults.push(`${id}: ${creates} creates, ${deletes} deletes: ${what}`);
    figures.creates += creates;
    figures.deletes += deletes;
    figures.repeated += Math.max(0, deletes - 1);
    if (holdsSandboxes ? inRow : creates > 1) say("created twice");
    if (creates > 0 && states[0] === "delete") say("deleted before it was created");
    if (deletes > attempts + mayRepeat) say(`deleted more often than ${mayRepeat} kills explain`);
    const attempted = creates > 0 || owed.has(id);
    if (attempted && (deletes === 0 || (holdsSandboxes && states.at(-1) === "create"))) say("never deleted");
    if (creates > 0 || life === undefined) continue;
    // It is the kubelet's, and the witness never saw it begin.
    if (!outages.some((outage) => overlap(life, outage)))
      say("its create was not delivered, although there was a bridge");
    else if (deletes === 0 && wasListed(life, listings)) say(`it was listed, and not deleted: ${intervals(life)}`);
    if (deletes > 0) figures.adopted++;
    else figures.unserved++;
  }
  figures.unseenCreates = [...owed].filter((id) => !statesOf.get(id)?.includes("create") && !known.has(id)).length;
  return { faults, ...figures };
}

function overlap({ createBeganMs, createEndedMs }: Life, { fromMs, untilMs }: Outage): boolean {
  return createEndedMs > fromMs - marginMs && createBeganMs < untilMs + marginMs;
}

/** Whether it was up, for sure, when the runtime listed what is. */
function wasListed({ createEndedMs, stopBeganMs }: Life, listings: readonly Listing[]): boolean {
  return listings.some(({ fromMs, untilMs }) => createEndedMs < fromMs - marginMs && stopBeganMs > untilMs + marginMs);
}

function intervals({ createBeganMs, createEndedMs, stopBeganMs }: Life): string {
  const [began, ended, stopped] = [createBeganMs, createEndedMs, stopBeganMs].map((ms) =>
    Number.isFinite(ms) ? new Date(ms).toISOString().slice(11, 23) : "never",
  );
  return `created ${began} to ${ended}, stopped from ${stopped}`;
}
