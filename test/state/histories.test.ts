import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Image, recover } from "../../src/state/image.js";
import type { Journal } from "../../src/state/journal.js";
import { Memory } from "../../src/state/memory.js";
import { reconcile } from "../../src/state/reconcile.js";
import { key, remembered } from "./support.js";

/** A journal on a disk of our own, which crashes leave as they find it. */
class Disk {
  private bytes: Buffer = Buffer.alloc(0);
  private image = new Image(key);

  /** A bridge starts: it takes over what is there, as the store does. */
  start(): Memory {
    const recovered = recover(this.bytes, key).entries;
    this.image = new Image(key);
    this.image.adopt(recovered);
    this.bytes = Buffer.from(this.image.text());
    const memory = new Memory();
    memory.attach(this.journal(), recovered);
    return memory;
  }

  /** The machine loses power: what was not yet on the disk is lost, to any byte. */
  cut(keep: number): void {
    this.bytes = this.bytes.subarray(0, Math.floor(this.bytes.length * keep));
  }

  /** We are killed in the middle of a write(2) of a record. */
  tear(record: string, share: number): void {
    const torn = Buffer.from(record).subarray(0, Math.floor(record.length * share));
    this.bytes = Buffer.concat([this.bytes, torn]);
  }

  private journal(): Journal {
    const append = (line: string) => {
      this.bytes = Buffer.concat([this.bytes, Buffer.from(line)]);
    };
    return {
      begin: (entry) => append(this.image.begin(entry)),
      deleteBegun: (id) => append(this.image.deleteBegun(id)),
      deleteDone: (id) => append(this.image.deleteDone(id)),
      forget: (id) => append(this.image.forget(id)),
    };
  }
}

const id = fc.constantFrom("a", "b", "c", "d");
const event = fc.oneof(
  fc.record({ kind: fc.constant("create"), id }),
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
        let memory = disk.start();
        /** What the plugins have seen: creates without a delete that ended. */
        const owed = new Set<string>();
        const deliver = (which: string, ends: boolean) => {
          const due = owed.has(which);
          expect(memory.takeDelete(which) !== undefined).toBe(due);
          if (!ends) return;
          memory.endDelete(which);
          owed.delete(which);
        };
        for (const step of events) {
          if ("share" in step) {
            disk.tear('00000000 {"type":"create-begun","id":"x"}\n', step.share);
            memory = disk.start();
            continue;
          }
          if (step.kind === "create") {
            memory.remember(remembered(step.id));
            owed.add(step.id);
          } else if (step.kind === "delete") {
            deliver(step.id, true);
          } else if (step.kind === "remove") {
            deliver(step.id, true);
            memory.forget(step.id);
          } else {
            deliver(step.id, false);
            memory = disk.start();
          }
        }
        // All is gone when the last bridge asks: what is owed is what it delivers.
        memory = disk.start();
        expect(new Set(reconcile([], memory, () => "dead").gone)).toEqual(owed);
      }),
      { numRuns: 500 },
    );
  });

  it("a lost end of the journal costs what was in it, and nothing before", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(id, fc.boolean()), { maxLength: 20 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, keep) => {
          const disk = new Disk();
          const memory = disk.start();
          const states = [snapshot(disk.start())];
          const live = disk.start();
          for (const [which, create] of steps) {
            if (create) {
              live.remember(remembered(which));
            } else {
              live.takeDelete(which);
              states.push(snapshot(live));
              live.endDelete(which);
            }
            states.push(snapshot(live));
          }
          disk.cut(keep);
          expect(states).toContainEqual(snapshot(disk.start()));
          expect(memory.size).toBe(0);
        },
      ),
    );
  });
});

function snapshot(memory: Memory): Record<string, string> {
  const stages = ["a", "b", "c", "d"].flatMap((which) => {
    const stage = memory.stageOf(which);
    return stage === undefined ? [] : [[which, stage === "deleting" ? "rerun" : stage]];
  });
  return Object.fromEntries(stages);
}
