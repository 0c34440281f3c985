import { setFlagsFromString } from "node:v8";

/** The major versions of V8 that were measured: of Node 20, 22, 24 and 26. One that lacks a flag says so on stderr. */
const measured = [11, 12, 13, 14];

/** To be told of the runtime's calls, as a CallWatcher is. */
interface Tuning {
  configured?(): void;
  began?(): void;
}

/**
 * Sets V8 up for what the bridge does. To be called once; the flags are read whenever they matter, so that no command line
 * has to have them. A V8 that nobody measured is left as it is.
 *
 * Optimized soon: V8 11 compiles a function well when so many bytes of its code have run, which are 132 KB by itself and much
 * for a page. Few events come to a node: the first thousands would run in code that takes twice the time. Later ones count
 * calls, have no such flag, and take as little by themselves: with fewer calls they spend more on compiling than it saves.
 *
 * A young generation, in which everything is allocated first, of two halves of 1 MB, which by themselves grow to twice
 * 16 MB: then every event touches memory that no cache of the processor holds, and the process is 15 to 30 MB larger. A
 * Synchronize of a full node allocates much that stays, for which a small one takes twice the time: from the registration to
 * the first event it may grow, and V8 takes it back when little is allocated.
 */
export function tuneEngine(v8 = process.versions.v8, setFlag = setFlagsFromString): Tuning {
  const major = Number.parseInt(v8, 10);
  if (!measured.includes(major)) return {};
  if (major === 11) setFlag("--interrupt-budget=2000");
  let grows = true;
  const mayGrow = (wanted: boolean) => {
    if (grows === wanted) return;
    grows = wanted;
    setFlag(`--semi-space-growth-factor=${wanted ? 2 : 1}`);
  };
  return { configured: () => mayGrow(true), began: () => mayGrow(false) };
}
