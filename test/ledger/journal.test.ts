import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatCreate,
  formatHeader,
  formatLine,
  formatStep,
  parseJournal,
  readLines,
} from "../../src/ledger/journal.js";
import { formatRequestBody } from "../../src/v01/request.js";
import { anyCreated, container, entriesOf, key, ledgerOf, sandbox, statesOf } from "./support.js";

const bytesOf = (text: string) => Buffer.from(text);
const header = formatHeader(key);
const entries = (...lines: readonly string[]) => parseJournal(bytesOf(header + lines.join("")), key).entries;

describe("a record of the journal", () => {
  it("comes back as it was, 64-bit numbers exact, so that the delete's request is the same to the byte", () => {
    fc.assert(
      fc.property(anyCreated, (created) => {
        const read = entries(formatCreate(created));
        expect(read).toEqual([{ created, state: "open" }]);
        const request = { version: "0.1", state: "delete", labels: {} };
        const bodies = read.map((entry) => formatRequestBody({ ...request, ...entry.created }));
        expect(bodies).toEqual([formatRequestBody({ ...request, ...created })]);
      }),
    );
  });

  it.each(['{"type":"moved","id":"a"}', '{"type":"moved","id":{"pod":7}}', "[]"])(
    "is passed over when this version does not know it: %s",
    (record) => {
      const text = header + formatCreate(container("a")) + formatLine(record) + formatCreate(container("b"));
      const { entries: known, isDamaged } = parseJournal(bytesOf(text), key);
      expect([statesOf(known), isDamaged]).toEqual([{ a: "open", b: "open" }, false]);
    },
  );
});

describe("the lines of a journal", () => {
  const lines = ["{}", '{"a":"ü"}', '{"type":"x"}'].map(formatLine);

  it("are read to the last whole one, wherever the file is cut", () => {
    const bytes = bytesOf(lines.join(""));
    const ends = [0, 1, 2, 3].map((count) => bytesOf(lines.slice(0, count).join("")).length);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      const records = ["{}", '{"a":"ü"}', '{"type":"x"}'].slice(0, whole);
      expect(readLines(bytes.subarray(0, cut))).toEqual(ends.includes(cut) ? records : [...records, undefined]);
    }
  });

  it("are not sound when any byte is another, and those beside them are", () => {
    const bytes = bytesOf(lines.join(""));
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken.writeUInt8((broken[at] ?? 0) ^ 0x20, at);
      const sound = readLines(broken).filter((record) => record !== undefined);
      // A line end that is gone makes one unsound line of two.
      expect(sound).toHaveLength(bytes[at] === 0x0a && at < bytes.length - 1 ? 1 : 2);
    }
  });
});

describe("a journal", () => {
  const create = formatCreate(container("a")) + formatCreate(container("b"));
  const versionTwo = formatLine('{"type":"header","version":2}');

  it("of version 1 is read, and written, as it always was", () => {
    const written = readFileSync(join(import.meta.dirname, "version-1.journal"), "utf8");
    const { process: _, ...unidentified } = container("created");
    const native = { ...sandbox("pod"), id: "native", sandboxID: "native", served: false };
    const spec = { resources: null, namespaces: { network: "/proc/9/ns/net", pid: "" }, cgroupsPath: "" };
    const before = container("adopted", {
      adopted: true,
      phases: ["create", "start"],
      spec: { ...spec, annotations: { "a/b": "<ü&\u2028>" } },
    });
    const found = parseJournal(bytesOf(written), key);
    expect(found).toEqual({
      entries: [
        { created: sandbox("pod"), state: "open" },
        { created: native, state: "open" },
        { created: { ...unidentified, pid: 0, phases: ["create"], container: "" }, state: "open" },
        { created: before, state: "open" },
        { created: container("cut-short"), state: "rerun" },
        { created: container("deleted"), state: "deleted" },
      ],
      isDamaged: false,
    });
    const lines = written.split(/(?<=\n)/);
    const again = [
      header,
      ...found.entries.map(({ created }) => formatCreate(created)),
      formatCreate(container("removed")),
      formatStep("delete-begun", "cut-short"),
      formatStep("delete-begun", "deleted"),
      formatStep("delete-done", "deleted"),
      formatStep("delete-done", "removed"),
      formatStep("forgotten", "removed"),
    ];
    expect(again).toEqual(lines);
    expect(entriesOf(ledgerOf(...found.entries))).toEqual(found.entries);
  });

  it("says nothing of an id that it does not know", () => {
    const steps = (["delete-begun", "delete-done", "forgotten"] as const).map((type) => formatStep(type, "x"));
    expect(entries(...steps)).toEqual([]);
  });

  it.each([
    [
      "of another runtime",
      { ...key, runtime: "cri-o" },
      header,
      "the journal belongs to containerd at /run/nri/nri.sock, and this bridge serves cri-o at /run/nri/nri.sock",
    ],
    ["of another socket", { ...key, socket: "/x" }, header, "and this bridge serves containerd at /x"],
    ["of another version", key, versionTwo, "the journal has version 2, and this bridge reads version 1"],
    ["without its header", key, create, "the first valid line of the journal is not its header"],
    [
      "of another version behind a spoilt line",
      key,
      `x\n${versionTwo}${create}`,
      "has version 2, and this bridge reads version 1",
    ],
    ["of garbage", key, "\0\0\0\0", "the journal has no valid line"],
  ])("is refused: %s", (_, wanted, content, reason) => {
    expect(() => parseJournal(bytesOf(content), wanted)).toThrow(reason);
  });

  it("holds what it says when a bit of its header is another", () => {
    for (let at = 0; at < header.length; at++) {
      const bytes = bytesOf(header + create);
      bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << (at & 7)), at);
      const { entries: found, isDamaged } = parseJournal(bytes, key);
      // A line end that is gone costs the next line too.
      expect([statesOf(found), isDamaged]).toEqual([
        at === header.length - 1 ? { b: "open" } : { a: "open", b: "open" },
        true,
      ]);
    }
  });

  it("is empty when it was cut in its header", () => {
    for (let cut = 0; cut < header.length; cut++) {
      expect(parseJournal(bytesOf(header.slice(0, cut)), key).entries).toEqual([]);
    }
  });
});
