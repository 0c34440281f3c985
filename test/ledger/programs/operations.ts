import type { Created } from "../../../src/ledger/ledger.js";
import { container } from "../support.js";

/** What a ledger does, or a picture of one. */
export interface Operated {
  record(created: Created): unknown;
  takeDelete(id: string): unknown;
  endDelete(id: string): void;
  forget(id: string): void;
}

/** The nth thing that the writer writes: lives that begin, are deleted and are forgotten, side by side. */
export function operate(ledger: Operated, n: number): void {
  const life = Math.floor(n / 4);
  const steps = [
    () => ledger.record(container(`c${life}`)),
    () => ledger.takeDelete(`c${life - 2}`),
    () => ledger.endDelete(`c${life - 2}`),
    () => ledger.forget(`c${life - 5}`),
  ];
  steps[n % 4]?.();
}
