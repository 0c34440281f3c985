import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatHeader, parseJournal } from "../../src/ledger/journal.js";
import { Ledger } from "../../src/ledger/ledger.js";
import { reconcile } from "../../src/ledger/reconcile.js";
import { container, key } from "./support.js";

/** A journal on a disk of our own, which crashes leave as they find it. */
class Disk {
  private bytes: Buffer = Buffer.alloc(0);

  /** A bridge starts: it takes over what is there, as the journal's file does. */
  start(): Ledger {
    const ledger = new Ledger();
    ledger.adopt(parseJournal(this.bytes, key).entries);
    this.bytes = Buffer.from(formatHeader(key) + [...ledger.lines()].join(""));
    ledger.attach(this);
    return ledger;
  }

  append(line: string): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(line)]);
  }

  /** We are killed in the middle of a write(2) of a record. */
  tear(record: string, share: number): void {
    const torn = Buffer.from(record).subarray(0, Math.floor(record.length * share));
    this.bytes = Buffer.concat([this.bytes, torn]);
  }
}

const id = fc.constantFrom("a", "b", "c", "d");
const event = fc.oneof(
  fc.record({ kind: fc.constant("create"), id }),
  fc.record({ kind: fc.constant("create that fails, of which the runtime is not told"), id }),
  fc.record({ kind: fc.constant("delete"), id }),
  fc.record({ kind: fc.constant("delete, killed while its plugins run"), id }),
  fc.record({ kind: fc.constant("remove"), id }),
  fc.record({ kind: fc.constant("killed"), share: fc.double({ min: 0, max: 0.99, noNaN: true }) }),
);

describe("whatever happens, and whenever the bridge is killed", () => {
  it("each create that was attempted gets its delete, and none gets a second after one that ended", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const disk = new Disk();
        let ledger = disk.start();
        /** What the plugins have seen: creates without a delete that ended. */
        const owed = new Set<string>();
        const held = new Set<string>();
        const deliver = (which: string, ends: boolean) => {
          const due = owed.has(which);
          expect(ledger.takeDelete(which) !== undefined).toBe(due);
          if (!ends) return;
          ledger.endDelete(which);
          owed.delete(which);
        };
        for (const step of events) {
          if ("share" in step) {
            disk.tear('00000000 {"type":"create-begun","id":"x"}\n', step.share);
            ledger = disk.start();
            continue;
          }
          if (step.kind === "create") {
            ledger.record(container(step.id));
            ledger.setRefused(step.id, false);
            owed.add(step.id);
            held.delete(step.id);
          } else if (step.kind === "create that fails, of which the runtime is not told") {
            ledger.record(container(step.id));
            ledger.setRefused(step.id, true);
            owed.add(step.id);
            held.add(step.id);
          } else if (step.kind === "delete") {
            deliver(step.id, true);
          } else if (step.kind === "remove") {
            deliver(step.id, true);
            ledger.forget(step.id);
            held.delete(step.id);
          } else {
            deliver(step.id, false);
            ledger = disk.start();
          }
        }
        // All is gone when the last bridge asks: what is owed is what it delivers.
        ledger = disk.start();
        const { gone, refused } = reconcile([], ledger.all(), () => "dead");
        expect(new Set([...gone, ...refused])).toEqual(owed);
        expect(refused.toSorted()).toEqual([...owed].filter((which) => held.has(which)).toSorted());
        for (const { created } of ledger.all()) expect(ledger.isRefused(created.id)).toBe(held.has(created.id));
      }),
      { numRuns: 500 },
    );
  });
});
