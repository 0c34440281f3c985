import { setFlagsFromString } from "node:v8";

/** The major versions of V8 that were measured: of Node 20, 22, 24 and 26. One that lacks a flag says so on stderr. */
const measured = [11, 12, 13, 14];

/** To be told of the runtime's calls, as a CallWatcher is. */
interface Tuning {
  configured?(): void;
  began?(): void;
}

/**
 * Sets V8's flags, once. A V8 that was not measured is left as it is.
 *
 * V8 11 compiles a function well after 132 KB of its code have run: the first thousands of events would take twice the time.
 * Later versions count calls, and have no such flag.
 *
 * The young generation stays at two halves of 1 MB: by itself it grows to twice 16 MB, no cache of the processor holds it, and the
 * process is 15 to 30 MB larger. The old one is collected when it is half as large again, not four times: it has 11 MB, and garbage
 * would add 30 to them. A Synchronize of a full node takes twice the time in small ones: both may grow until the first event, and after
 * each registration until the next one.
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
    setFlag(`--heap-growing-percent=${wanted ? 0 : 50}`);
  };
  return { configured: () => mayGrow(true), began: () => mayGrow(false) };
}
