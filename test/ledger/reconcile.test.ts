import { describe, expect, it } from "vitest";
import type { Liveness } from "../../src/host/proc.js";
import type { LedgerEntry } from "../../src/ledger/ledger.js";
import { type Listed, reconcile } from "../../src/ledger/reconcile.js";
import { container, sandbox } from "./support.js";

const ids = (entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id);

/** What becomes of one container `a` that is recorded, by what the runtime lists and the machine says. */
function fate(
  entry: LedgerEntry,
  listed: readonly Listed[] | undefined,
  liveness: Liveness,
): "gone" | "left" | "forgotten" | "kept" {
  const result = reconcile(listed, [entry], () => liveness);
  if (result.gone.includes("a")) return "gone";
  if (ids(result.left).includes("a")) return "left";
  return result.forgotten.includes("a") ? "forgotten" : "kept";
}

const open: LedgerEntry = { created: container("a"), state: "open" };
const { process: _, ...withoutProcess } = container("a");
const unidentified: LedgerEntry = { created: withoutProcess, state: "open" };
const neverNamed: LedgerEntry = { created: { ...withoutProcess, pid: 0 }, state: "open" };
const createPhase: LedgerEntry = { created: { ...withoutProcess, pid: 0, phases: ["create"] }, state: "open" };
const rerun: LedgerEntry = { created: container("a"), state: "rerun" };
const deleting: LedgerEntry = { created: container("a"), state: "deleting" };
const deleted: LedgerEntry = { created: container("a"), state: "deleted" };
const unserved: LedgerEntry = { created: sandbox("a", { served: false }), state: "open" };

const running = [{ id: "a", pid: 10 }];
const stopped = [{ id: "a", pid: 0, container: { state: "CONTAINER_STOPPED" } }];
const created = [{ id: "a", pid: 0, container: { state: "CONTAINER_CREATED" } }];
const others = [{ id: "b", pid: 11 }];

describe("what is recorded and", () => {
  it.each([
    ["runs", open, running, "alive", "left"],
    ["runs, whatever /proc says", open, running, "dead", "left"],
    ["is not listed, and is dead", open, others, "dead", "gone"],
    ["is not listed, and lives", open, others, "alive", "left"],
    ["is not listed, which is all that is known", open, others, "unknown", "gone"],
    ["is listed without a process, and is dead", open, stopped, "dead", "gone"],
    ["is listed without a process, and lives", open, stopped, "alive", "left"],
    ["is listed without a process and had one", unidentified, stopped, "unknown", "gone"],
    ["is listed without a process and never had one", neverNamed, stopped, "unknown", "left"],
    ["is created and waits for its start", createPhase, created, "unknown", "left"],
    ["was created and never started", createPhase, others, "unknown", "gone"],
    ["runs, with a delete that was cut short", rerun, running, "alive", "gone"],
    ["is not listed, with a delete that was cut short", rerun, others, "dead", "gone"],
    ["is gone, with a delete that runs", deleting, others, "dead", "kept"],
    ["is deleted and listed yet", deleted, running, "alive", "kept"],
    ["is deleted and lives yet", deleted, others, "alive", "kept"],
    ["is deleted and gone", deleted, others, "dead", "forgotten"],
    ["is the runtime's own business, and runs", unserved, running, "alive", "kept"],
    ["is the runtime's own business, and gone", unserved, others, "dead", "forgotten"],
    ["is dead, where the runtime never lists", open, undefined, "dead", "gone"],
    ["lives, where the runtime never lists", open, undefined, "alive", "left"],
    ["may be alive or not, where the runtime never lists", unidentified, undefined, "unknown", "left"],
    ["has a delete that was cut short, where the runtime never lists", rerun, undefined, "unknown", "gone"],
    ["is deleted and dead, where the runtime never lists", deleted, undefined, "dead", "forgotten"],
    ["is deleted, where the runtime never lists", deleted, undefined, "unknown", "kept"],
  ] as const)("%s", (_, entry, listed, liveness, expected) => {
    expect(fate(entry, listed, liveness)).toBe(expected);
  });
});

describe("the runtime's list", () => {
  it("is unknown where it names a process that was never heard of", () => {
    const listed = [...running, ...others, { id: "c", pid: 0 }];
    expect(ids(reconcile(listed, [deleted]).unknown)).toEqual(["b"]);
  });

  it.each([
    ["CONTAINER_CREATED", ["pod"]],
    ["CONTAINER_RUNNING", ["pod"]],
    ["CONTAINER_PAUSED", ["pod"]],
    ["CONTAINER_STOPPED", []],
  ])("where pods have no process, tells one that runs by a container that is %s", (state, unknown) => {
    const pods = ["pod", "empty"].map((id) => ({ id, sandboxID: id, pid: 0 }));
    const listed = [...pods, { id: "c", sandboxID: "pod", pid: 0, container: { state } }];
    expect(ids(reconcile(listed, [], () => "unknown", false).unknown)).toEqual(unknown);
    expect(reconcile(listed, [], () => "unknown").unknown).toEqual([]);
  });

  it("has no say in a held sandbox whose delete is owed: that is delivered at once", () => {
    const held = sandbox("pod", { refused: true });
    for (const state of ["open", "rerun"] as const) {
      const { gone, left, refused } = reconcile([{ id: "pod", pid: 10 }], [{ created: held, state }], () => "alive");
      expect([gone, left, refused]).toEqual([[], [], ["pod"]]);
    }
    expect(reconcile(undefined, [{ created: held, state: "deleted" }]).refused).toEqual([]);
  });

  it("has containers go before their sandboxes", () => {
    const recorded = [{ created: sandbox("pod"), state: "open" }, open] as const;
    expect(reconcile([], recorded, () => "dead").gone).toEqual(["a", "pod"]);
  });
});
