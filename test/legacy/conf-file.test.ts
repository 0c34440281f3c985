import { appendFileSync, chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { createConfFile } from "../../src/legacy/conf-file.js";
import { createDirectory } from "./plugin-directory.js";

/** So many bytes this process has read so far, from whatever it was. */
const bytesRead = () => Number(/^rchar: (\d+)/.exec(readFileSync("/proc/self/io", "latin1"))?.[1]);

const padding = " ".repeat(1 << 20);
const textOf = (type: string) => `{"version":"0.1","plugins":[{"type":"${type}"}]}${padding}`;

describe("conf.json", () => {
  function setUp() {
    const path = join(createDirectory(), "conf.json");
    writeFileSync(path, textOf("a"));
    chmodSync(path, 0o644);
    const conf = createConfFile(path, "strict");
    return { path, conf, type: () => conf.read().plugins[0]?.type };
  }

  it("costs no reading while it is unchanged", () => {
    const { conf } = setUp();
    const first = conf.read();
    const before = bytesRead();
    for (let n = 0; n < 10; n++) expect(conf.read()).toBe(first);
    expect(bytesRead() - before).toBeLessThan(padding.length / 2);
  });

  it.each([
    [
      "a file that took its name",
      (path: string) => {
        writeFileSync(`${path}.new`, textOf("b"), { mode: 0o644 });
        renameSync(`${path}.new`, path);
      },
    ],
    // As long as it was.
    ["an edit in place", (path: string) => writeFileSync(path, textOf("b"))],
  ])("is read again after %s", (_, change) => {
    const { path, type } = setUp();
    expect(type()).toBe("a");
    change(path);
    expect(type()).toBe("b");
  });

  it("is an error as long as it is one, and an empty list when it is gone", () => {
    const { path, conf } = setUp();
    writeFileSync(path, "{");
    expect(() => conf.read()).toThrow();
    expect(() => conf.read()).toThrow();
    appendFileSync(path, "}");
    expect(conf.read().plugins).toEqual([]);
    rmSync(path);
    expect(conf.read()).toEqual({ version: "0.1", plugins: [] });
  });
});
