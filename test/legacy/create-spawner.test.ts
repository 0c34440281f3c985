import { describe, expect, it, onTestFinished } from "vitest";

import { loadKoffi } from "../../src/ffi/koffi.js";
import { createSpawner } from "../../src/legacy/create-spawner.js";
import { createFfiSpawner } from "../../src/legacy/ffi-spawner.js";
import type { Log } from "../../src/logger.js";
import { sh } from "./spawners.js";

function createLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => lines.push(`${sentence} ${JSON.stringify(fields)}`);
  return { lines, debug: write, info: write, warn: write, error: write };
}

describe("createSpawner", () => {
  it("takes the fast one, and says nothing", async () => {
    const log = createLog();
    const spawner = createSpawner(log);
    onTestFinished(() => spawner.close());
    expect(spawner.name).toBe("ffi");
    expect(log.lines).toEqual([]);
  });

  it.each([
    ["there is no FFI library", () => createFfiSpawner({ koffi: loadKoffi("file:///nowhere/bundle.mjs") }), "koffi"],
    [
      "the C library lacks a function",
      () =>
        createFfiSpawner({
          koffi: {
            ...loadKoffi(),
            koffi: {
              ...loadKoffi().koffi,
              load: () => ({
                func: (declaration) => {
                  throw new Error(`no such function: ${declaration}`);
                },
              }),
            },
          },
        }),
      "no such function",
    ],
    [
      "the kernel has no pidfds",
      () => {
        const loaded = loadKoffi();
        const { koffi } = loaded;
        const load: typeof koffi.load = (path) => {
          const library = koffi.load(path);
          return {
            func: (declaration) => (declaration.includes("syscall(") ? () => -1 : library.func(declaration)),
          };
        };
        return createFfiSpawner({ koffi: { ...loaded, koffi: { ...koffi, load } } });
      },
      "pidfd_open",
    ],
  ])("falls back by itself and says why in one line, when %s", async (_, create, reason) => {
    const log = createLog();
    const spawner = createSpawner(log, create);
    onTestFinished(() => spawner.close());
    expect(spawner.name).toBe("portable");
    expect(log.lines).toEqual([expect.stringMatching(/^plugins are started in the portable way/)]);
    expect(log.lines[0]).toContain(reason);
    expect((await sh(spawner, "cat", { stdin: "request" })).text).toBe("request");
  });
});
