import { appendFileSync, chmodSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

import { createConfFile } from "../../src/plugin/conf-file.js";
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

  // os.Open and os.ReadFile of Go, as its PathError prints them.
  it.each([
    ["below a file", (path: string) => `${path}/conf.json`, (path: string) => `open ${path}: not a directory`],
    ["a directory", (path: string) => dirname(path), (path: string) => `read ${path}: is a directory`],
    [
      "a loop of links",
      (path: string) => `${path}.loop`,
      (path: string) => `open ${path}: too many levels of symbolic links`,
    ],
  ])("that is %s is an error in Go's words", (_, place, text) => {
    const { path: file } = setUp();
    symlinkSync(`${file}.loop`, `${file}.loop`);
    const path = place(file);
    expect(() => createConfFile(path).read()).toThrow(expect.objectContaining({ message: text(path) }));
  });

  it("is refused when its directory has been open to others for a second, and at once when another file is there", () => {
    const { path } = setUp();
    let now = 0;
    const conf = createConfFile(path, "strict", () => now);
    expect(conf.read().plugins).toHaveLength(1);
    chmodSync(dirname(path), 0o777);
    now = 999;
    expect(conf.read().plugins).toHaveLength(1);
    now = 1_000;
    expect(() => conf.read()).toThrow("lets everybody write it");
    chmodSync(dirname(path), 0o755);
    expect(conf.read().plugins).toHaveLength(1);
    chmodSync(dirname(path), 0o777);
    writeFileSync(`${path}.new`, textOf("b"), { mode: 0o644 });
    renameSync(`${path}.new`, path);
    expect(() => conf.read()).toThrow("lets everybody write it");
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
