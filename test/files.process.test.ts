import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, test } from "vitest";
import { errorText } from "../src/base/errors.js";
import { makeDirectory, readRegularFile } from "../src/base/files.js";
import { readConfigFile } from "../src/cli/config.js";
import { createNodeHost } from "../src/host/host.js";
import { NodeFiles } from "../src/host/node-files.js";
import { prepareDirectory } from "../src/ledger/directory.js";
import { openLogFile } from "../src/observe/log-destination.js";
import { createConfFile } from "../src/plugin/conf-file.js";
import { hasUnknownFormat } from "../src/plugin/executable-format.js";
import { readConf } from "../src/tools/record/recorder.js";
import { readFile } from "../src/tools/replay/case.js";
import { withoutDescriptors } from "./host/no-descriptors.js";
import { inPlaceOfFile, makeFifo, makeFolder } from "./support/places.js";

describe("a file", () => {
  it("is read whole, as /proc's are, which say that they are empty", () => {
    const path = join(makeFolder(), "file");
    writeFileSync(path, "text");
    expect(readRegularFile(path).toString()).toBe("text");
    expect(readRegularFile("/proc/self/stat").length).toBeGreaterThan(40);
    expect(readRegularFile("/dev/null").length).toBe(0);
  });

  it.each(Object.entries({ "a FIFO": "EFTYPE", "a device": "EFTYPE", "a directory": "EISDIR", "a socket": "ENXIO" }))(
    "with %s in its place is the error %s",
    async (kind, code) => {
      const path = join(makeFolder(), "file");
      await inPlaceOfFile[kind]?.(path);
      expect(() => readRegularFile(path)).toThrow(expect.objectContaining({ code }));
    },
  );

  it.each([
    ["missing", "none", "ENOENT"],
    ["below a file", "file/none", "ENOTDIR"],
    ["too large", "file", "EFBIG"],
  ])("that is %s is the system's error", (_, name, code) => {
    const folder = makeFolder();
    writeFileSync(join(folder, "file"), "12345");
    expect(() => readRegularFile(join(folder, name), 4)).toThrow(expect.objectContaining({ code }));
  });
});

const noFile = "a file is expected, and the path is a FIFO or a device (EFTYPE)";

/** Everything that reads a file, and what it makes of a FIFO there; PATH stands for the FIFO's. */
const readers: readonly (readonly [what: string, read: (path: string) => unknown, expected: unknown])[] = [
  ["conf.json", (path) => createConfFile(path).read(), "read PATH: not a regular file"],
  ["conf.json for a recording", readConf, null],
  ["the head of a plugin", hasUnknownFormat, false],
  ["the file of --config", readConfigFile, `PATH: the configuration cannot be read: ${noFile}`],
  ["a file of a case", readFile, `PATH: ${noFile}`],
  ["a file of a node", (path) => new NodeFiles("/").readText(path), undefined],
  ["why a file of a node cannot be read", (path) => new NodeFiles("/").refusal(path), "EFTYPE"],
  // It is written, and is a wait all the same.
  ["the log", openLogFile, expect.stringContaining("ENXIO: no such device or address, open 'PATH'")],
];

describe("a FIFO that nobody writes keeps nobody waiting", () => {
  test.each(readers)("%s", (_, read, expected) => {
    const path = join(makeFolder(), "fifo");
    makeFifo(path);
    const startedAt = performance.now();
    let outcome: unknown;
    try {
      outcome = read(path);
    } catch (error) {
      outcome = errorText(error).replace(path, "PATH");
    }
    expect(outcome).toEqual(expected);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test("a bundle", () => {
    // /proc of a process whose parent's working directory is its bundle.
    const procRoot = makeFolder();
    for (const name of ["7", "9", "9/cwd"]) makeDirectory(join(procRoot, name));
    writeFileSync(join(procRoot, "7/stat"), `7 (pause) S 9 ${"0 ".repeat(48)}`);
    makeFifo(join(procRoot, "9/cwd/config.json"));
    const answers = [...createNodeHost(procRoot).readBundles({ id: "pod", pid: 7 })];
    expect(answers).toContainEqual({ found: false, reason: expect.stringContaining("EFTYPE") });
  });
});

it("a conf.json that could not be read for a moment is read when it can be", () => {
  const path = join(makeFolder(), "conf.json");
  writeFileSync(path, '{"plugins":[{"type":"a"}]}');
  const conf = createConfFile(path);
  withoutDescriptors(() => expect(() => conf.read()).toThrow(`open ${path}: too many open files`));
  expect(conf.read().plugins).toEqual([{ type: "a" }]);
});

describe("a directory", () => {
  it("is made with the parents that it lacks, and may be there", () => {
    const path = join(makeFolder(), "a/b/c");
    makeDirectory(path, 0o700);
    makeDirectory(path, 0o700);
    expect(lstatSync(join(path, "..")).mode & 0o777).toBe(0o700);
    makeDirectory("/");
  });

  it.each([
    ["a file in its place", "file", "EEXIST"],
    ["a file on the way", "file/below", "ENOTDIR"],
    ["a link on the way that leads nowhere", "link/below", "EEXIST"],
  ])("with %s is the system's error", (_, name, code) => {
    const folder = makeFolder();
    writeFileSync(join(folder, "file"), "");
    symlinkSync(join(folder, "none"), join(folder, "link"));
    expect(() => makeDirectory(join(folder, name))).toThrow(expect.objectContaining({ code }));
  });

  // mkdir(2) says ENOENT there although the parent exists: Node 20's own recursion never returns.
  it.each(["/proc/nope", "/proc/nope/a/b"])("%s cannot be made, and that is said", (path) => {
    expect(() => makeDirectory(path)).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => prepareDirectory(path)).toThrow(
      `cannot make the state directory ${path}: no such file or folder (ENOENT)`,
    );
  });
});

/** These read /proc and /sys alone. */
const kernelReaders = [
  ...["machine", "privilege", "keeper", "view", "cgroups"].map((name) => `cgroup/${name}.ts`),
  "host/proc.ts",
  ...["executable-format", "inherited"].map((name) => `plugin/${name}.ts`),
];

test("nothing of src reads a file in another way, or leaves it to Node to make parents", () => {
  const src = resolve(import.meta.dirname, "../src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const users = (pattern: RegExp) => files.filter((name) => pattern.test(readFileSync(join(src, name), "utf8")));
  expect(["base/files.ts", ...kernelReaders]).toEqual(expect.arrayContaining(users(/\breadFileSync\b/)));
  expect(users(/\b(readFile|createReadStream)\b.*from "node:fs/)).toEqual([]);
  expect(users(/mkdir(Sync)?\([^;]*recursive/)).toEqual([]);
});
