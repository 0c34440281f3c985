import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { digestOf, keepStatus, readStatus, type Status } from "../../src/observe/status.js";
import { makeFolder } from "../support/places.js";

const about = { version: "1.0.0", pid: process.pid, mode: "external", plugin: "10-v01-bridge", runtime: null } as const;
const configuration = { file: null, digest: digestOf({}) };
const none = { registered: null, socket: null, lastEvent: null, lastFailure: null };

let directory: string;
let end: Status["end"];
beforeEach(() => {
  directory = makeFolder();
  end = null;
});

function keep(warnings: string[] = []) {
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (_: object, sentence: string) => void warnings.push(sentence),
  };
  const look = () => ({ ...about, ...none, configuration, end });
  return keepStatus({ directory: () => directory, look, log: { ...log, conceal() {} } });
}

describe("status.json", () => {
  const file = (name = "status.json") => join(directory, name);

  it("has how the bridge ended, and of starts those since one that was told to end", async () => {
    for (const text of ["lost", "told to end: SIGTERM", "refused", "refused"]) {
      end = { at: new Date().toISOString(), text };
      await keep().close();
      expect(readStatus(file())?.end?.text).toBe(text);
    }
    expect(readStatus(file())?.starts).toHaveLength(2);
  });

  it.each([
    ["a link", (place: string) => symlinkSync(file("other"), place)],
    ["a FIFO", (place: string) => execFileSync("mkfifo", [place])],
    ["a directory", (place: string) => mkdirSync(place)],
  ])("is not written through %s in its place, and the end does not wait", async (_, make) => {
    writeFileSync(file("other"), "another program's");
    make(file("status.json.new"));
    const warnings: string[] = [];
    await keep(warnings).close();
    expect(readFileSync(file("other"), "utf8")).toBe("another program's");
    expect(warnings).toEqual(["cannot write the bridge's status file: doctor knows less about it"]);
    expect(readStatus(file())).toBeUndefined();
  });
});
