import { chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { findExecutableFault } from "../../src/plugin/permissions.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { run, spawnerForFile, spawners } from "./spawners.js";

/** Directories of a test, by name, and the texts of files in them: `DIR/` in a text is their place. */
function createPlaces(files: Readonly<Record<string, string>>) {
  const root = createDirectory();
  const place = (name: string) => join(root, name);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(name.endsWith("/") ? place(name) : dirname(place(name)), { recursive: true, mode: 0o755 });
    if (!name.endsWith("/")) installFile(dirname(place(name)), name.replace(/.*\//, ""), text.replaceAll("DIR", root));
  }
  return { place, searchPath: ["first", "second"].map(place).join(":") };
}

const sh = "#!/bin/sh\n";
const env = (argument: string) => `#!/usr/bin/env ${argument}\n`;

describe("the check of what executing a file executes", () => {
  // What can be written by others, the file that is checked, and where the fault is.
  it.each<[string, Record<string, string>, string]>([
    ["the interpreter", { "p/plugin": "#!DIR/i/inter\n", "i/inter": sh }, "i/inter"],
    ["the interpreter's directory", { "p/plugin": "#! DIR/i/inter -x\n", "i/inter": sh }, "i"],
    ["an interpreter's own", { "p/plugin": "#!DIR/i/a\n", "i/a": "#!DIR/j/b\n", "j/b": sh }, "j/b"],
    ["where the interpreter would be", { "p/plugin": "#!DIR/i/none\n", "i/": "" }, "i"],
    ["what env finds", { "p/plugin": env("tool"), "first/": "", "second/tool": sh }, "second/tool"],
    ["a directory before that", { "p/plugin": env("tool"), "first/": "", "second/tool": sh }, "first"],
    ["a directory where it is not found", { "p/plugin": env("no-such-tool"), "first/": "", "second/": "" }, "second"],
    ["what env -S finds", { "p/plugin": env("-S A=b tool -x"), "first/": "", "second/tool": sh }, "second/tool"],
    ["what its argument names", { "p/plugin": env("DIR/i/tool"), "i/tool": sh }, "i/tool"],
    ["the interpreter of what it finds", { "p/plugin": env("tool"), "first/tool": "#!DIR/i/a\n", "i/a": sh }, "i/a"],
  ])("refuses %s that others can write", (_, files, bad) => {
    const { place, searchPath } = createPlaces(files);
    const plugin = place("p/plugin");
    expect(findExecutableFault(plugin, searchPath)).toBeNull();
    chmodSync(place(bad), 0o757);
    const fault = findExecutableFault(plugin, searchPath);
    expect(fault).toContain(`${place(bad)}: mode 0757 lets everybody write it`);
    expect(fault).toContain(`(the first line of ${plugin} leads there)`);
  });

  it("refuses a directory of PATH in which everybody can make files, sticky or not there yet", () => {
    const { place, searchPath } = createPlaces({ "p/plugin": env("tool"), "first/": "", "second/tool": sh });
    chmodSync(place("first"), 0o1777);
    expect(findExecutableFault(place("p/plugin"), searchPath)).toContain(`${place("first")}: mode 1777`);
    expect(findExecutableFault(place("p/plugin"), `${place("first/none")}:${searchPath}`)).toContain("mode 1777");
    expect(findExecutableFault(place("p/plugin"), place("second"))).toBeNull();
  });

  it("does not look behind the hit", () => {
    const { place, searchPath } = createPlaces({ "p/plugin": env("tool"), "first/tool": sh, "second/": "" });
    chmodSync(place("second"), 0o777);
    expect(findExecutableFault(place("p/plugin"), searchPath)).toBeNull();
  });

  it.each(["-S 'a b'", "-S $TOOL", "-S -i tool", "-S PATH=/tmp tool", "-i", "-vS tool", "--split-string tool"])(
    "refuses env %s, which it does not follow",
    (argument) => {
      const { place, searchPath } = createPlaces({ "p/plugin": env(argument) });
      expect(findExecutableFault(place("p/plugin"), searchPath)).toContain(
        `${place("p/plugin")}: it gives env "${argument}"`,
      );
    },
  );

  it("refuses an interpreter through /proc, and what env finds without end", () => {
    const { place } = createPlaces({ "p/plugin": "#!/proc/self/root/bin/sh\n", "p/loop": env("loop") });
    expect(findExecutableFault(place("p/plugin"), "")).toContain("/proc: a proc file system");
    expect(findExecutableFault(place("p/loop"), place("p"))).toContain("env finds one script after the other");
  });

  it("leaves to the system what is missing, what is no script, and an interpreter without end", () => {
    const files = { missing: "#!/no/such/interpreter\n", text: "x", none: "#!\n", loop: "#!DIR/loop\n" };
    const { place } = createPlaces(files);
    for (const name of Object.keys(files)) expect(findExecutableFault(place(name), "/bin")).toBeNull();
    expect(findExecutableFault("/bin/sh", "/bin")).toBeNull();
  });
});

describe.each(spawners)("a start by the $name spawner", ({ create }) => {
  const spawner = spawnerForFile(create);

  it("is refused for its interpreter", async () => {
    const { place } = createPlaces({ "p/plugin": "#!DIR/i/inter\n", "i/inter": sh });
    const path = place("p/plugin");
    expect(await run(spawner, { path, guarded: path })).toMatchObject({ exitCode: 0 });
    chmodSync(place("i/inter"), 0o777);
    const startError = { code: "EPERM", refusal: expect.stringContaining(`${place("i/inter")}: mode 0777`) };
    expect(await run(spawner, { path, guarded: path })).toMatchObject({ started: false, startError });
  });
});
