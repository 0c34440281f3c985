import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { hasUnknownFormat } from "../../src/plugin/executable-format.js";
import { createDirectory, installFile } from "./plugin-directory.js";

const elf = readFileSync(process.execPath).subarray(0, 256);
const foreign = Buffer.from(elf);
// EM_MMIX: no kernel runs it.
foreign.writeUInt16LE(80, 18);

describe("hasUnknownFormat", () => {
  it.each([
    ["a script", "#!/bin/sh\n", false],
    ["a script with a space", "#! /bin/sh\n", false],
    ["a script without a newline", "#!/bin/sh", false],
    ["a shebang that names nothing", "#!\necho\n", true],
    ["no shebang", "echo x\n", true],
    ["a BOM before it", "\ufeff#!/bin/sh\n", true],
    ["an empty file", "", true],
    ["an ELF of this machine", elf, false],
    ["an ELF of another machine", foreign, true],
    ["the first bytes of an ELF", elf.subarray(0, 20), true],
  ])("of %s", (_, content, expected) => {
    expect(hasUnknownFormat(installFile(createDirectory(), "file", content))).toBe(expected);
  });

  it("leaves to the kernel what it cannot read", () => {
    expect(hasUnknownFormat(join(createDirectory(), "missing"))).toBe(false);
    expect(hasUnknownFormat("/etc")).toBe(false);
  });
});
