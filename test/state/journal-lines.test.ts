import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Image, recover } from "../../src/state/image.js";
import { formatLine, readLines } from "../../src/state/journal-lines.js";
import { formatRecord, parseRecord } from "../../src/state/record.js";
import { formatRequestBody } from "../../src/v01/request.js";
import { anyRemembered, key, remembered } from "./support.js";

const bytesOf = (text: string) => Buffer.from(text);

describe("a record of the journal", () => {
  it("comes back as it was, 64-bit numbers exact, so that the delete's request is the same to the byte", () => {
    fc.assert(
      fc.property(anyRemembered, (entry) => {
        const read = parseRecord(formatRecord({ type: "create-begun", remembered: entry }));
        expect(read).toEqual({ type: "create-begun", remembered: entry });
        if (read?.type !== "create-begun") return;
        const request = { version: "0.1", state: "delete", labels: {} };
        expect(formatRequestBody({ ...request, ...read.remembered })).toBe(formatRequestBody({ ...request, ...entry }));
      }),
    );
  });

  it("is a line of text that people can read", () => {
    const { process: _, ...entry } = remembered("a");
    expect(formatRecord({ type: "create-begun", remembered: entry })).toBe(
      '{"type":"create-begun","id":"a","sandboxID":"pod","kind":"container","pid":10,"pod":"default/web",' +
        '"container":"web","phases":["start"],' +
        '"spec":{"resources":{"memory":{"limit":9007199254740993}},"namespaces":{},"cgroupsPath":"/k/a","annotations":{}}}',
    );
    expect(formatLine(formatRecord({ type: "delete-done", id: "0c4f" }))).toMatch(
      /^[0-9a-f]{8} \{"type":"delete-done","id":"0c4f"\}\n$/,
    );
  });

  it("is passed over when its type is a later version's", () => {
    expect(parseRecord('{"type":"moved","id":"a"}')).toBeUndefined();
  });
});

describe("the lines of a journal", () => {
  const lines = ["{}", '{"a":"ü"}', '{"type":"x"}'].map(formatLine);

  it("are read to the last whole one, wherever the file is cut", () => {
    const bytes = bytesOf(lines.join(""));
    const ends = [0, 1, 2, 3].map((count) => bytesOf(lines.slice(0, count).join("")).length);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      expect(readLines(bytes.subarray(0, cut))).toEqual({
        records: ["{}", '{"a":"ü"}', '{"type":"x"}'].slice(0, whole),
        soundBytes: ends[whole],
        damage: ends.includes(cut) ? "none" : "tail",
      });
    }
  });

  it("are damaged when any byte is another, and in the middle when sound lines follow", () => {
    const bytes = bytesOf(lines.join(""));
    const last = bytes.length - bytesOf(lines[2] ?? "").length;
    for (let at = 0; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken.writeUInt8((broken[at] ?? 0) ^ 0x20, at);
      // A line end that is gone makes one unsound line of two.
      expect(readLines(broken).damage).toBe(at < last - 1 ? "middle" : "tail");
    }
  });

  it("are read beside those that a disk has spoilt", () => {
    const bytes = bytesOf(lines.join(""));
    const first = bytesOf(lines[0] ?? "").length;
    bytes.writeUInt8(0, first + 12);
    expect(readLines(bytes)).toEqual({ records: ["{}", '{"type":"x"}'], soundBytes: first, damage: "middle" });
  });

  it("may end in the zeros that a lost page leaves", () => {
    expect(readLines(Buffer.concat([bytesOf(lines.join("")), Buffer.alloc(4096)]))).toMatchObject({ damage: "tail" });
  });
});

describe("a journal", () => {
  const image = new Image(key);
  const text = image.text() + image.begin(remembered("a")) + image.begin(remembered("b")) + image.deleteBegun("b");

  it("amounts to the latest of each id", () => {
    expect(recover(bytesOf(text), key).entries).toEqual([
      { remembered: remembered("a"), stage: "open" },
      { remembered: remembered("b"), stage: "rerun" },
    ]);
    expect(recover(bytesOf(image.text()), key).entries).toEqual(recover(bytesOf(text), key).entries);
    expect(recover(bytesOf(text + image.deleteDone("b") + image.forget("a")), key).entries).toEqual([
      { remembered: remembered("b"), stage: "deleted" },
    ]);
  });

  it("is written shorter by its image", () => {
    expect(image.deleteDone("b")).toBe("");
    expect(image.forget("a")).toBe("");
    expect(image.size).toBe(1);
  });

  it.each([
    ["of another runtime", { ...key, runtime: "cri-o" }, text, "the journal is of containerd at /run/nri/nri.sock"],
    ["of another socket", { ...key, socket: "/x" }, text, "the journal is of containerd at /run/nri/nri.sock"],
    ["of another version", key, formatLine('{"type":"header","version":2}'), "the journal is of version 2, not 1"],
    ["without its header", key, text.slice(text.indexOf("\n") + 1), "the journal does not begin with its header"],
    ["with a broken header", key, `x${text}`, "the journal does not begin with its header"],
    ["of garbage", key, "\0\0\0\0", "the journal is damaged from its beginning"],
    ["with a sound line of no record", key, image.text() + formatLine("[]") + text, /^a record of the journal: /],
  ])("is refused: %s", (_, wanted, content, reason) => {
    expect(() => recover(bytesOf(content), wanted)).toThrow(reason);
  });

  it("is empty when it was cut in its header", () => {
    const header = text.slice(0, text.indexOf("\n"));
    for (let cut = 0; cut <= header.length; cut++)
      expect(recover(bytesOf(header.slice(0, cut)), key).entries).toEqual([]);
  });
});
