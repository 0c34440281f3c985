import { setFlagsFromString } from "node:v8";

/** The major versions of V8 (Node 20, 22, 24, 26) that the flags were measured on. A V8 without a flag warns on stderr. */
const measured = [11, 12, 13, 14];

/** Callbacks for the runtime's calls: a part of CallWatcher. */
interface Tuning {
  configured?(): void;
  began?(): void;
}

/**
 * Sets V8's flags, once. In a V8 that was not measured, sets none.
 *
 * V8 11 optimizes a function only after 132 KB of its code have run: without the flag, the first thousands of events take twice the
 * time. Later versions count calls, and have no such flag.
 *
 * The flags keep the young generation at two halves of 1 MB. Without them V8 lets it grow to two halves of 16 MB, which no
 * processor cache holds, and the process becomes 15 to 30 MB larger. V8 collects the old generation, 11 MB, when it has grown by
 * half; by default it waits for four times the size, and garbage would add 30 MB. With small generations the Synchronize of a full
 * node takes twice the time, so both may grow from the start, and from each registration, until the next event.
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
