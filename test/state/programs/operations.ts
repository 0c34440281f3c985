import type { Journal } from "../../../src/state/journal.js";
import { remembered } from "../support.js";

/** The nth thing that the writer writes: lives that begin, are deleted and are forgotten, side by side. */
export function operate(journal: Journal, n: number): void {
  const life = Math.floor(n / 4);
  const steps = [
    () => journal.begin(remembered(`c${life}`)),
    () => journal.deleteBegun(`c${life - 2}`),
    () => journal.deleteDone(`c${life - 2}`),
    () => journal.forget(`c${life - 5}`),
  ];
  steps[n % 4]?.();
}
