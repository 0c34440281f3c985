import { setFlagsFromString } from "node:v8";
import type { CallWatcher } from "./watch-calls.js";

/**
 * Sets V8 up for what the bridge does. To be called once; the flags are read whenever they matter, so that no command line
 * has to have them.
 *
 * Optimized soon: V8 compiles a function well when so many bytes of its code have run, which are 132 KB by itself and much
 * for a page. Few events come to a node: the first thousands would run in code that takes twice the time.
 *
 * A young generation, in which everything is allocated first, of two halves of 1 MB, which by themselves grow to twice
 * 16 MB: then every event touches memory that no cache of the processor holds, and the process is 15 to 30 MB larger. A
 * Synchronize of a full node allocates much that stays, for which a small one takes twice the time: from the registration to
 * the first event it may grow, and V8 takes it back when little is allocated.
 */
export function tuneEngine(): CallWatcher {
  setFlagsFromString("--interrupt-budget=2000");
  let grows = true;
  const mayGrow = (wanted: boolean) => {
    if (grows === wanted) return;
    grows = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${wanted ? 2 : 1}`);
  };
  return { configured: () => mayGrow(true), began: () => mayGrow(false) };
}
