import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/state/journal.js";
import { Memory } from "../../src/state/memory.js";
import { memoryOf, remembered, sandbox } from "./support.js";

const { phases: _, adopted: __, served: ___, process, ...attempted } = remembered("a");
const pod = sandbox("pod");

function collectJournal(): Journal & { readonly calls: string[] } {
  const calls: string[] = [];
  const note = (call: string) => (id: string) => void calls.push(`${call} ${id}`);
  return {
    calls,
    begin: ({ id }) => void calls.push(`begin ${id}`),
    deleteBegun: note("deleteBegun"),
    deleteDone: note("deleteDone"),
    forget: note("forget"),
  };
}

describe("the memory of creates", () => {
  it("gives the right to one delete for each create, and to none without", () => {
    const memory = new Memory();
    memory.remember(attempted);
    expect(memory.takeDelete("b")).toBeUndefined();
    expect(memory.takeDelete("a")).toMatchObject(attempted);
    expect(memory.takeDelete("a")).toBeUndefined();
    memory.endDelete("a");
    expect(memory.takeDelete("a")).toBeUndefined();
    expect(memory.stageOf("a")).toBe("deleted");
  });

  it("gives one more for a create after the delete", () => {
    const memory = new Memory();
    for (let life = 0; life < 2; life++) {
      memory.remember(attempted);
      expect(memory.takeDelete("a")).toBeDefined();
      memory.endDelete("a");
    }
    expect(memory.takeDelete("a")).toBeUndefined();
  });

  it("adds the start phase to the create phase, with the pid and the spec of the later one", () => {
    const memory = new Memory();
    memory.remember({ ...attempted, pid: 0 }, { phase: "create" });
    memory.keepCreateResults("a", [{ plugin: "x", version: "0.1", error: "", metadata: {} }]);
    expect(memory.get("a")).toMatchObject({ pid: 0, phases: ["create"] });
    memory.remember(attempted, { phase: "start", ...(process === undefined ? {} : { process }) });
    expect(memory.get("a")).toMatchObject({ pid: 10, phases: ["create", "start"], process });
    expect(memory.createResultsOf("a")).toHaveLength(1);
    memory.takeDelete("a");
    memory.endDelete("a");
    memory.remember(attempted);
    expect(memory.get("a")?.phases).toEqual(["start"]);
    expect(memory.createResultsOf("a")).toEqual([]);
  });

  it("is bounded: the oldest whose delete was delivered goes first, and what waits for its delete never", () => {
    const memory = new Memory(2);
    const journal = collectJournal();
    memory.attach(journal);
    const ids = ["a", "b", "c", "d"];
    memory.remember({ ...attempted, id: "a" });
    memory.remember({ ...attempted, id: "b" });
    memory.takeDelete("b");
    memory.endDelete("b");
    memory.remember({ ...attempted, id: "c" });
    memory.remember({ ...attempted, id: "d" });
    expect(ids.map((id) => memory.stageOf(id))).toEqual(["open", undefined, "open", "open"]);
    expect(journal.calls).toContain("forget b");
    expect(memory.containersOf(attempted.sandboxID).map(({ id }) => id)).toEqual(["a", "c", "d"]);
  });

  it("counts what was adopted as created in both phases", () => {
    const memory = new Memory();
    expect(memory.remember(attempted, { adopted: true })).toMatchObject({ adopted: true, phases: ["create", "start"] });
  });

  it("owes no delete to a sandbox that is not ours, whatever comes later", () => {
    const memory = new Memory();
    memory.remember(pod, { served: false });
    memory.remember(pod);
    memory.remember(attempted);
    expect(memory.isOpen("pod")).toBe(false);
    expect(memory.takeDelete("pod")).toBeUndefined();
    expect(memory.open().map(({ id }) => id)).toEqual(["a"]);
    expect(memory.settled().map(({ id }) => id)).toEqual(["pod"]);
  });

  it("lists containers before their sandboxes", () => {
    const memory = new Memory();
    memory.remember(pod);
    memory.remember(attempted);
    expect(memory.open().map(({ id }) => id)).toEqual(["a", "pod"]);
    expect(memory.containersOf("pod").map(({ id }) => id)).toEqual(["a"]);
  });

  it("writes each change once, before it is acted on", () => {
    const memory = new Memory();
    const journal = collectJournal();
    memory.attach(journal);
    memory.remember(attempted);
    memory.takeDelete("a");
    memory.takeDelete("a");
    memory.endDelete("a");
    memory.endDelete("a");
    memory.takeDelete("b");
    memory.endDelete("b");
    memory.forget("a");
    memory.forget("a");
    expect(journal.calls).toEqual(["begin a", "deleteBegun a", "deleteDone a", "forget a"]);
  });

  it("writes what it knew already to a journal that comes later, and takes over what that one knows", () => {
    const memory = new Memory();
    memory.remember(attempted);
    memory.takeDelete("a");
    const journal = collectJournal();
    memory.attach(journal, [{ remembered: remembered("b"), stage: "rerun" }]);
    expect(journal.calls).toEqual(["begin a", "deleteBegun a"]);
    expect(memory.stageOf("b")).toBe("rerun");
  });

  it("delivers again what an earlier bridge began and did not end, and nothing that it ended", () => {
    const memory = memoryOf(
      { remembered: remembered("a"), stage: "open" },
      { remembered: remembered("b"), stage: "rerun" },
      { remembered: remembered("c"), stage: "deleted" },
    );
    expect(memory.open().map(({ id }) => id)).toEqual(["a", "b"]);
    expect(memory.takeDelete("b")).toBeDefined();
    expect(memory.takeDelete("c")).toBeUndefined();
  });
});
