import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { executable, has, librariesOf, nodes, run } from "./support.js";

/** An environment as a runtime gives it: none. */
const nothing = { env: {}, cwd: "/" } as const;

describe.skipIf(!existsSync(executable))("the single executable", () => {
  const folder = makeFolder(afterAll);

  it("says what it is", async () => {
    const { code, stdout } = await run(executable, ["version", "--json"], nothing);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ node: expect.stringMatching(`^v${nodes.newestLts}\\.`) });
  });

  it("simulates: an embedded runtime, and plugins as processes", async () => {
    const { code, stdout } = await run(executable, ["simulate"], nothing);
    expect(code).toBe(0);
    expect(stdout).toContain("50000 before, -1 after");
  });

  const once = ["run", "--once", "--socket", "/nonexistent.sock", "--config", join(folder, "bridge.yaml")];
  beforeAll(() => writeFileSync(join(folder, "bridge.yaml"), "state: memory\n", { mode: 0o644 }));

  it("ends with 3 when there is no runtime, starts plugins in the fast way, and leaves nothing of its native library", async () => {
    const temporary = join(folder, "temporary");
    mkdirSync(temporary);
    const { code, stderr } = await run(executable, [...once, "--log-level", "debug"], { env: { TMPDIR: temporary } });
    expect(code).toBe(3);
    expect(stderr).toContain("no such socket");
    // The native library came out of it: else the log would say so.
    expect(stderr).not.toContain("not through libc");
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0 || !has("ldd"))("needs no file of the machine but the C library's", async () => {
    const bare = join(folder, "bare");
    mkdirSync(join(bare, "tmp"), { recursive: true });
    copyFileSync(executable, join(bare, "bridge"));
    for (const library of await librariesOf(executable)) {
      mkdirSync(join(bare, dirname(library)), { recursive: true });
      copyFileSync(library, join(bare, library));
    }
    symlinkSync("bridge", join(bare, "10-v01-bridge"));
    const { code, stdout: said } = await run("chroot", [bare, "/10-v01-bridge", "version"]);
    expect({ code, said }).toMatchObject({ code: 0, said: expect.stringContaining("nri-v01-bridge") });
  });
});
