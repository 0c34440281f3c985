import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { findPlugin, type LookupOptions } from "../../src/plugin/lookup.js";
import { readCases } from "../support/recorded-cases.js";
import { createDirectory, installFile } from "./plugin-directory.js";

/** A plugin directory and a directory of PATH. */
function createPlaces() {
  const root = createDirectory();
  const [plugins, system] = [join(root, "plugins"), join(root, "system")];
  mkdirSync(plugins);
  mkdirSync(system);
  const options: LookupOptions = { pluginDirs: [plugins], path: system, lookup: "plugin-dirs-first", types: "any" };
  const add = (directory: string, name: string, mode = 0o755) => installFile(directory, name, "#!/bin/sh\n", mode);
  return { plugins, system, options, add };
}

describe("findPlugin", () => {
  it.each(["plugin-dirs-first", "path-first"] as const)("%s says which executable it shadows", (lookup) => {
    const { plugins, system, options, add } = createPlaces();
    const inPlugins = add(plugins, "logger");
    const inSystem = add(system, "logger");
    const [path, shadowed] = lookup === "path-first" ? [inSystem, inPlugins] : [inPlugins, inSystem];
    expect(findPlugin("logger", { ...options, lookup })).toEqual({ ok: true, path, shadowed: [shadowed] });
  });

  it("finds a plugin on PATH, and not with types: plugin-dirs", () => {
    const { plugins, system, options, add } = createPlaces();
    const path = add(system, "tool");
    expect(findPlugin("tool", options)).toEqual({ ok: true, path, shadowed: [] });
    expect(findPlugin("tool", { ...options, types: "plugin-dirs" })).toMatchObject({
      ok: false,
      error: `exec: "tool": executable file not found in ${plugins}`,
    });
  });

  it("keeps a link's name, and the same file under two names shadows nothing", () => {
    const { plugins, system, options, add } = createPlaces();
    symlinkSync(add(system, "tool"), join(plugins, "tool"));
    expect(findPlugin("tool", options)).toEqual({ ok: true, path: join(plugins, "tool"), shadowed: [] });
  });

  it("passes over what is no executable file, and tells of it when there is nothing else", () => {
    const { plugins, system, options, add } = createPlaces();
    const blocked = add(plugins, "noexec", 0o644);
    expect(findPlugin("noexec", options)).toEqual({
      ok: false,
      reason: "not-found",
      error: 'exec: "noexec": executable file not found in $PATH',
      hint: expect.stringContaining(blocked),
    });
    const path = add(system, "noexec");
    expect(findPlugin("noexec", options)).toMatchObject({ ok: true, path });
  });

  it("never looks in the working directory", () => {
    const { options } = createPlaces();
    for (const path of ["", ".", "bin:", ":bin"]) {
      expect(findPlugin("package.json", { ...options, path })).toMatchObject({ ok: false });
    }
  });

  it("takes a type with a slash as a path, from / when it is relative", () => {
    const { plugins, options, add } = createPlaces();
    const path = add(plugins, "plugin");
    expect(findPlugin(path, options)).toEqual({ ok: true, path, shadowed: [] });
    expect(findPlugin(path.slice(1), options)).toEqual({ ok: true, path, shadowed: [] });
    expect(findPlugin(path, { ...options, types: "plugin-dirs" })).toMatchObject({ ok: false, reason: "refused" });
  });

  // os/exec of Go 1.19, with which containerd 1.6.20 was built.
  it.each([
    ["", "not-found", "exec: no command"],
    [".", "not-found", 'exec: ".": executable file not found in $PATH'],
    ["..", "not-found", 'exec: "..": executable file not found in $PATH'],
    ["no\u0000thing", "not-found", String.raw`exec: "no\x00thing": executable file not found in $PATH`],
    ['a "b"', "not-found", String.raw`exec: "a \"b\"": executable file not found in $PATH`],
    ["/", "not-executable", 'exec: "/": permission denied'],
    ["/no/such", "not-found", "fork/exec /no/such: no such file or directory"],
    ["./no-such", "not-found", "fork/exec ./no-such: no such file or directory"],
    ["/etc", "not-executable", "fork/exec /etc: permission denied"],
    ["/etc/passwd", "not-executable", "fork/exec /etc/passwd: permission denied"],
    ["/etc/passwd/x", "not-found", "fork/exec /etc/passwd/x: not a directory"],
    ["/no\u0000/x", "not-found", "fork/exec /no\u0000/x: invalid argument"],
    [`/${"x".repeat(300)}`, "not-found", `fork/exec /${"x".repeat(300)}: file name too long`],
  ])("of %j: %s", (type, reason, error) => {
    expect(findPlugin(type, createPlaces().options)).toMatchObject({ ok: false, reason, error });
  });

  const recorded = readCases().flatMap(({ name, errors }) =>
    errors.flatMap(({ details }) => {
      const [, type, error] = /^nri invoke: plugin: (.*?): (exec: .*)$/.exec(details) ?? [];
      return type === undefined || error === undefined ? [] : [{ name, type, error }];
    }),
  );

  it.each(recorded)("has the words of $name", ({ type, error }) => {
    const { plugins, options, add } = createPlaces();
    add(plugins, "noexec", 0o644);
    expect(findPlugin(type, options)).toMatchObject({ ok: false, error });
  });

  it("was compared with recordings", () => expect(recorded.length).toBeGreaterThanOrEqual(4));
});
