import { describe, expect, it } from "vitest";
import { Ledger, owesDelete } from "../../src/ledger/ledger.js";
import { containerTarget } from "../../src/v01/to-v01.js";
import { recordedEvents } from "../support/recorded-events.js";
import { container, entriesOf, ledgerOf, sandbox, statesOf } from "./support.js";

const { pod: podOf, container: containerOf } = recordedEvents("basic-hostnet", "StartContainer");
const a = container("a");
const pod = sandbox("pod");
const target = { ...containerTarget(podOf, containerOf), id: "a", sandboxID: "pod" };

/** A ledger, and what it has written: the record's type and the id of each line. */
function writing(): { readonly ledger: Ledger; readonly written: string[] } {
  const ledger = new Ledger();
  const written: string[] = [];
  ledger.attach({
    append: (line) => void written.push(line.replace(/^.*?"type":"([^"]+)","id":"([^"]+)".*\n$/, "$1 $2")),
  });
  return { ledger, written };
}

function deleteOf(ledger: Ledger, id: string): void {
  ledger.takeDelete(id);
  ledger.endDelete(id);
}

const owed = (ledger: Ledger) => ledger.all().flatMap((entry) => (owesDelete(entry) ? [entry.created.id] : []));

describe("the ledger", () => {
  it("gives the right to one delete for each create, and to none without", () => {
    const ledger = new Ledger();
    expect(ledger.takeDelete("b")).toBeUndefined();
    for (let life = 0; life < 2; life++) {
      ledger.record(a);
      expect(ledger.takeDelete("a")).toEqual(a);
      expect(ledger.takeDelete("a")).toBeUndefined();
      ledger.endDelete("a");
      expect(ledger.takeDelete("a")).toBeUndefined();
      expect(ledger.all()).toMatchObject([{ created: a, state: "deleted" }]);
    }
  });

  it("adds the start phase to the create phase, with the pid and the spec of the later one", () => {
    const ledger = new Ledger();
    const { process, ...unidentified } = a;
    ledger.record({ ...unidentified, pid: 0 }, { phases: ["create"] });
    ledger.keepCreateResults("a", [{ plugin: "x", version: "0.1", error: "", metadata: {} }]);
    expect(ledger.get("a")).toMatchObject({ pid: 0, phases: ["create"] });
    ledger.record(a, { phases: ["start"] });
    ledger.record(unidentified);
    expect(ledger.get("a")).toMatchObject({ pid: 10, phases: ["create", "start"], process });
    expect(ledger.createResultsOf("a")).toHaveLength(1);
    deleteOf(ledger, "a");
    ledger.record(a);
    expect(ledger.get("a")?.phases).toEqual(["start"]);
    expect(ledger.createResultsOf("a")).toEqual([]);
  });

  it("keeps what updates are answered, over the start and the bridge's end, and not into a next life", () => {
    const { ledger, written } = writing();
    ledger.record({ ...a, pid: 0 }, { phases: ["create"] });
    ledger.keep("a", { "cpu.quota": "-1" });
    ledger.keep("a", undefined);
    ledger.keep("b", { "cpu.quota": "5" });
    expect(written).toEqual(["create-begun a", "create-begun a"]);
    ledger.record(a, { phases: ["start"] });
    ledger.keep("a", { "cpu.shares": "9" });
    const next = ledgerOf(...entriesOf(ledger));
    expect(next.get("a")?.kept).toEqual({ "cpu.quota": "-1", "cpu.shares": "9" });
    deleteOf(next, "a");
    expect(next.record(a).kept).toBeUndefined();
  });

  it("counts what was adopted as created in both phases", () => {
    expect(new Ledger().record(a, { adopted: true })).toMatchObject({ adopted: true, phases: ["create", "start"] });
  });

  it("owes no delete to a sandbox that is not ours, and knows the containers of a pod", () => {
    const ledger = new Ledger();
    ledger.record({ ...pod, id: "native", served: false });
    for (const created of [pod, a]) ledger.record(created);
    expect(ledger.takeDelete("native")).toBeUndefined();
    expect(owed(ledger)).toEqual(["pod", "a"]);
    expect(ledger.containersOf("pod")).toEqual(["a"]);
  });

  it("looks at no other pod for the containers of one", () => {
    const other = container("b");
    let looks = 0;
    const get = () => {
      looks += 1;
      return "elsewhere";
    };
    Object.defineProperty(other, "sandboxID", { get });
    const ledger = ledgerOf({ created: other, state: "deleted" }, { created: a, state: "deleted" });
    const before = looks;
    expect([ledger.containersOf("pod"), looks]).toEqual([["a"], before]);
    expect(ledger.containersOf("elsewhere")).toEqual(["b"]);
    ledger.forget("b");
    expect(ledger.containersOf("elsewhere")).toEqual([]);
  });

  it("writes each change once, before it is acted on", () => {
    const { ledger, written } = writing();
    ledger.record(a);
    for (let times = 0; times < 2; times++) ledger.takeDelete("a");
    for (let times = 0; times < 2; times++) ledger.endDelete("a");
    deleteOf(ledger, "b");
    for (let times = 0; times < 2; times++) ledger.forget("a");
    expect(written).toEqual(["create-begun a", "delete-begun a", "delete-done a", "forgotten a"]);
  });

  it("delivers again what an earlier bridge began and did not end, writes that no second time, and nothing that it ended", () => {
    const { ledger, written } = writing();
    ledger.adopt([
      { created: a, state: "open" },
      { created: container("b"), state: "rerun" },
      { created: container("c"), state: "deleted" },
    ]);
    expect(owed(ledger)).toEqual(["a", "b"]);
    expect(ledger.takeDelete("b")).toBeDefined();
    expect(ledger.takeDelete("c")).toBeUndefined();
    ledger.skipDelete("a");
    expect(written).toEqual(["delete-done a"]);
  });

  it("keeps what it has when an earlier bridge's journal comes late", () => {
    const ledger = ledgerOf({ created: a, state: "deleted" });
    expect(ledger.adopt([{ created: a, state: "open" }])).toBe(false);
    expect(ledger.adopt([{ created: container("b"), state: "rerun" }])).toBe(true);
    expect(statesOf(entriesOf(ledger))).toEqual({ a: "deleted", b: "rerun" });
  });

  it("does not bring back what was deleted and removed before an earlier bridge's journal came", () => {
    const { ledger } = writing();
    ledger.record(a);
    deleteOf(ledger, "a");
    for (const id of ["a", "b"]) ledger.forget(id);
    ledger.adopt([a, container("b")].map((created) => ({ created, state: "open" })));
    // The delete of the other was not delivered here.
    expect(statesOf(entriesOf(ledger))).toEqual({ b: "open" });
  });

  it("forgets what is removed with the end of its delete, and what still runs when its process has ended", () => {
    const ledger = new Ledger();
    for (const id of ["a", "b"]) ledger.record(container(id));
    ledger.forget("a");
    expect(ledger.noteLeaving("b")).toBe(true);
    expect(ledger.noteLeaving("b")).toBe(false);
    for (const id of ["a", "b"]) deleteOf(ledger, id);
    expect(statesOf(entriesOf(ledger))).toEqual({ b: "deleted" });
    ledger.forget("b");
    expect(ledger.size).toBe(0);
    // Its StopContainer may still come.
    expect([ledger.knows("b"), ledger.knows("c")]).toEqual([true, false]);
  });
});

describe("a sandbox whose create failed, which the runtime cannot be told,", () => {
  const next = (ledger: Ledger) => ledgerOf(...entriesOf(ledger));
  it("is held over its delete, further attempts and kills in between, until a create succeeds", () => {
    const { ledger, written } = writing();
    ledger.record(pod);
    ledger.setRefused("pod", true);
    expect(entriesOf(ledger)).toMatchObject([{ created: { id: "pod", refused: true }, state: "open" }]);
    for (let attempt = 0; attempt < 2; attempt++) {
      ledger.takeDelete("pod");
      expect(next(ledger).isRefused("pod") && next(ledger).isOpen("pod")).toBe(true);
      ledger.endDelete("pod");
      expect(next(ledger).isRefused("pod") && !next(ledger).isOpen("pod")).toBe(true);
      ledger.record(pod);
      expect(next(ledger).isRefused("pod") && next(ledger).isOpen("pod")).toBe(true);
    }
    ledger.setRefused("pod", false);
    expect(entriesOf(ledger)).toEqual([{ created: pod, state: "open" }]);
    const steps = ["delete-begun pod", "delete-done pod", "create-begun pod"];
    expect(written).toEqual(["create-begun pod", "create-begun pod", ...steps, ...steps, "create-begun pod"]);
  });

  it("is accepted by a create that no plugin takes, without a delete that is owed", () => {
    const ledger = ledgerOf({ created: { ...pod, refused: true }, state: "deleted" });
    ledger.setRefused("pod", false);
    expect(entriesOf(ledger)).toEqual([{ created: pod, state: "deleted" }]);
  });
});

describe("a create that is recorded later", () => {
  it("is not counted, written or deleted until then, and is the one entry of its id", () => {
    const { ledger, written } = writing();
    ledger.deferred.set("a", { target, info: { adopted: true } });
    expect([ledger.size, ledger.isOpen("a"), ledger.knows("a"), entriesOf(ledger)]).toEqual([0, false, true, []]);
    expect(ledger.containersOf("pod")).toEqual(["a"]);
    ledger.deferred.delete("a");
    expect([ledger.knows("a"), ledger.containersOf("pod")]).toEqual([false, []]);
    expect(written).toEqual([]);
  });

  it.each<[string, (ledger: Ledger) => void]>([
    [
      "is recorded of an earlier phase",
      (ledger) => {
        ledger.record(a, { phases: ["create"] });
        ledger.deferred.set("a", { target, info: { phases: ["start"] } });
      },
    ],
    [
      "comes from a journal meanwhile",
      (ledger) => {
        ledger.deferred.set("a", { target, info: { phases: ["start"] } });
        ledger.adopt([{ created: { ...a, phases: ["create"] }, state: "open" }]);
      },
    ],
  ])("leaves alone what %s", (_, play) => {
    const ledger = new Ledger();
    play(ledger);
    expect(ledger.all()).toMatchObject([{ created: { phases: ["create"] }, state: "open" }]);
    deleteOf(ledger, "a");
    ledger.forget("a");
    expect([[...ledger.deferred.keys()], ledger.containersOf("pod"), ledger.size]).toEqual([["a"], ["a"], 0]);
  });
});
