import { describe, expect, it, onTestFinished } from "vitest";
import { type Koffi, loadKoffi, openNative } from "../../src/host/native.js";
import { createStarter } from "../../src/plugin/start.js";
import { collectLog } from "../support/collect-log.js";
import { sh } from "./spawners.js";

describe("createStarter", () => {
  it("takes the fast one, and says nothing", async () => {
    const log = collectLog();
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

  it.each([
    ["there is no FFI library", () => loadKoffi("file:///nowhere/bundle.mjs"), "koffi"],
    [
      "a filter forbids pidfds",
      () =>
        withFunctions((declaration) =>
          declaration.includes("syscall(")
            ? Object.assign(() => -1, { async() {} })
            : koffi.load(null).func(declaration),
        ),
      "pidfd_open: EPERM",
    ],
  ])("falls back by itself and says why in one line, when %s", async (_, load, reason) => {
    const log = collectLog();
    const spawner = createStarter(log, {}, () => openNative(load));
    onTestFinished(() => spawner.close());
    expect(spawner.spawner.name).toBe("portable");
    const sentence = expect.stringMatching(
      /^the bridge starts plugins through Node and not through libc: .*\/dev\/stdin/,
    );
    expect(log.lines).toEqual([{ level: "warn", sentence, fields: { reason: expect.stringContaining(reason) } }]);
    expect((await sh(spawner, "cat", { stdin: "request" })).text).toBe("request");
  });
});
