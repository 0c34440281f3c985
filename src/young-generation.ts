import { setFlagsFromString } from "node:v8";
import type { CallWatcher } from "./watch-calls.js";

/**
 * V8's young generation, in which everything is allocated first: two halves of 1 MB, which by themselves grow to twice
 * 16 MB. Then every event touches memory that no cache of the processor holds, and the process is 15 to 30 MB larger; so it
 * stays small while events come. A Synchronize of a full node allocates much that stays, for which a small one takes twice
 * the time: from the registration to the first event it may grow, and V8 takes it back when little is allocated.
 *
 * The flag is read whenever it would grow (V8's NewSpace::Grow); --max-semi-space-size is read at the start only.
 */
export function watchYoungGeneration(): CallWatcher {
  let grows = true;
  const mayGrow = (wanted: boolean) => {
    if (grows === wanted) return;
    grows = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${wanted ? 2 : 1}`);
  };
  return { configured: () => mayGrow(true), began: () => mayGrow(false) };
}
