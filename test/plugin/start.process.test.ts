import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Log } from "../../src/base/logger.js";
import { type Koffi, loadKoffi, openNative } from "../../src/host/native.js";
import { createStarter } from "../../src/plugin/start.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { sh } from "./spawners.js";

function createLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
  return { lines, debug: write, info: write, warn: write, error: write, conceal() {} };
}

describe("createStarter", () => {
  it("takes the fast one, and says nothing", async () => {
    const log = createLog();
    const spawner = createStarter(log);
    onTestFinished(() => spawner.close());
    expect(spawner.spawner.name).toBe("ffi");
    expect(log.lines).toEqual([]);
  });

  const koffi = loadKoffi();
  const withFunctions = (func: ReturnType<Koffi["load"]>["func"]): Koffi => ({
    load: () => ({ func }),
    errno: () => 1,
    node: koffi.node,
  });

  /** The address of a bundle with such a native file beside it. */
  function bundleBeside(text: string): string {
    const path = installFile(createDirectory(), "koffi.node", text);
    return pathToFileURL(join(path, "../bundle.mjs")).href;
  }

  it.each([
    ["there is no FFI library", () => loadKoffi("file:///nowhere/bundle.mjs"), "koffi"],
    ["the library is for another machine", () => loadKoffi(bundleBeside("not for this one")), "koffi.node"],
    [
      "the C library lacks a function",
      () =>
        withFunctions((declaration) => {
          throw new Error(`Cannot find function in ${declaration}`);
        }),
      "Cannot find function",
    ],
    [
      "a filter forbids pidfds",
      () =>
        withFunctions((declaration) =>
          declaration.includes("syscall(") ? () => -1 : koffi.load(null).func(declaration),
        ),
      "pidfd_open: EPERM",
    ],
  ])("falls back by itself and says why in one line, when %s", async (_, load, reason) => {
    const log = createLog();
    const spawner = createStarter(log, {}, () => openNative(load));
    onTestFinished(() => spawner.close());
    expect(spawner.spawner.name).toBe("portable");
    expect(log.lines).toEqual([expect.stringMatching(/^plugins are started in the portable way: .*\/dev\/stdin/)]);
    expect(log.lines[0]).toContain(reason);
    expect((await sh(spawner, "cat", { stdin: "request" })).text).toBe("request");
  });
});
