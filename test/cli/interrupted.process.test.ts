import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { statOf, until } from "../plugin/processes.js";
import { runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";
import { startProgram } from "../support/program.js";

const usualTemporary = process.env.TMPDIR;
afterEach(() => {
  if (usualTemporary === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usualTemporary;
});

/** A plugin that never ends, with the temporary folder of a verb that runs it. */
function hangingPlugin() {
  const folder = makeFolder();
  const temporary = join(folder, "tmp");
  mkdirSync(temporary);
  const started = join(folder, "started");
  const plugin = join(folder, "plugin");
  writeFileSync(plugin, `#!/bin/sh\necho $$ >>'${started}'\nsleep 60 &\nsleep 60\n`, { mode: 0o755 });
  const played = join(folder, "case");
  cpSync(resolve(import.meta.dirname, "../../fixtures/cases/basic-hostnet"), played, { recursive: true });
  writeFileSync(join(played, "conf.json"), '{"version":"0.1","plugins":[{"type":"plugin"}]}');
  // A file without a line yet is that of a plugin which is just about to write it.
  const pids = () => (existsSync(started) ? (readFileSync(started, "utf8").match(/\d+(?=\n)/g) ?? []).map(Number) : []);
  return {
    settings: ["--bin-dir", folder],
    played,
    plugin,
    temporary,
    hasStarted: () => pids().length > 0,
    // What has ended may stay a zombie for as long as its new parent likes.
    isGone: () =>
      readdirSync("/proc").every((pid) => {
        const stat = statOf(Number(pid));
        return stat === null || stat.state === "Z" || !pids().includes(stat.group);
      }),
  };
}

type Hanging = ReturnType<typeof hangingPlugin>;

const verbs: Readonly<Record<string, (hanging: Hanging) => readonly string[]>> = {
  simulate: ({ played, settings }) => ["--scenario", played, "--conf", join(played, "conf.json"), ...settings],
  replay: ({ played, settings }) => [played, ...settings],
  exec: ({ played, settings }) => ["plugin", `${played}:1`, ...settings],
  conformance: ({ plugin }) => ["--plugin", plugin, "--cgroup-conf", "root"],
};

describe("a verb that is interrupted while a plugin runs leaves no file and no process", () => {
  test.each(Object.entries(verbs))("%s, whose reader is gone", async (verb, args) => {
    const hanging = hangingPlugin();
    process.env.TMPDIR = hanging.temporary;
    const gone = new AbortController();
    const ended = runCommandLine([verb, ...args(hanging)], { readerGone: gone.signal });
    expect(await until(hanging.hasStarted)).toBe(true);
    gone.abort();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(hanging.temporary)).toEqual([]);
    expect(await until(hanging.isGone)).toBe(true);
  });

  test.each([
    ["Ctrl-C", "SIGINT", 130],
    ["a service manager", "SIGTERM", 143],
    ["a terminal that closes", "SIGHUP", 129],
    ["head, which reads one line", "EPIPE", 0],
  ] as const)("simulate, by %s", async (_, by, code) => {
    const hanging = hangingPlugin();
    const { child, ended } = startProgram(["simulate", ...(verbs.simulate?.(hanging) ?? [])], {
      ...process.env,
      TMPDIR: hanging.temporary,
    });
    if (by === "EPIPE") {
      // Whether a plugin has started by then or not.
      child.stdout?.once("data", () => child.stdout?.destroy());
    } else {
      expect(await until(hanging.hasStarted)).toBe(true);
      child.kill(by);
    }
    expect(await ended).toMatchObject({ code, signal: null, stderr: "" });
    expect(readdirSync(hanging.temporary)).toEqual([]);
    expect(await until(hanging.isGone)).toBe(true);
  });
});
