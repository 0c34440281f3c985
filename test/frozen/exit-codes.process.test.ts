import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { type HandMadeRuntime, listenByHand } from "../support/hand-made-runtime.js";
import { makeFolder } from "../support/places.js";
import { program, startProgram } from "../support/program.js";
import { placeNode, writeNodeFile } from "./node-files.js";

const root = resolve(import.meta.dirname, "../..");
const basic = join(root, "fixtures/cases/basic-hostnet");
const folder = makeFolder(afterAll);
const path = (name: string) => join(folder, name);
const bin = ["--bin-dir", join(root, "legacy-plugins"), "--permissions", "trust"];
const noFile = ["--config", "/dev/null"];
const state = ["--state-directory", path("state")];
const asRoot = process.geteuid?.() === 0;
const servers: Server[] = [];

/** What it came to, by what was done. docs/json.md has the meanings. */
const situations: readonly (readonly [verb: string, code: number, what: string, args: readonly string[]])[] = [
  ["doctor", 0, "nothing worse than notes", ["--root", path("healthy"), ...noFile]],
  ["doctor", 1, "a warning", ["--root", path("warning"), ...noFile]],
  ["doctor", 2, "an error", ["--root", path("error"), ...noFile]],
  ["doctor", 2, "a folder that is not there", ["--root", "/nonexistent"]],
  ["check", 0, "all is as it should be", ["--conf", path("good.json"), ...bin, ...noFile]],
  ["check", 1, "a plugin is not found", ["--conf", path("missing.json"), ...bin, ...noFile]],
  ["check", 1, "conf.json is broken", ["--conf", path("broken.json"), ...bin, ...noFile]],
  ["check", 2, "the configuration is wrong", ["--config", path("wrong.yaml")]],
  ["check", 2, "the configuration is not there", ["--config", "/nonexistent"]],
  ["explain", 0, "every event is answered OK", [basic, ...bin, ...noFile]],
  ["explain", 1, "conf.json cannot be read", [basic, "--conf", path("broken.json"), ...bin, ...noFile]],
  ["explain", 2, "no event is named", [...noFile]],
  ["explain", 2, "a case that is not there", ["/nonexistent", ...noFile]],
  ["exec", 0, "the plugin did well", ["recorder", `${basic}:1`, ...bin, ...noFile]],
  ["exec", 1, "it failed", ["recorder", `${basic}:1`, "--bin-dir", path("failing"), ...noFile]],
  ["exec", 1, "it cannot be run", ["recorder", `${basic}:1`, "--bin-dir", path("unexecutable"), ...noFile]],
  ["exec", 2, "an event for which it is not run", ["recorder", `${basic}:2`, ...bin, ...noFile]],
  ["replay", 0, "all did well", [basic, ...bin]],
  ["replay", 1, "a plugin failed", [basic, "--bin-dir", path("failing")]],
  ["replay", 1, "an answer is an error", [basic, "--conf", path("broken.json"), ...bin]],
  ["replay", 0, "nothing differs, whatever failed", [path("compared"), "--compare", "--bin-dir", path("failing")]],
  ["replay", 1, "something differs", [path("compared"), "--compare", ...bin]],
  ["replay", 2, "nothing to compare with", [basic, "--compare", ...bin]],
  ["replay", 2, "no folder is named", []],
  ["conformance", 0, "each case passed", ["--plugin", join(root, "legacy-plugins/noop"), "--case", "bare"]],
  ["conformance", 1, "one is not", ["--plugin", path("failing/recorder"), "--case", "bare"]],
  ["conformance", 2, "the plugin is not there", ["--plugin", "/nonexistent"]],
  ["simulate", 0, "done, whatever failed", ["--scenario", basic, "--bin-dir", path("failing")]],
  ["simulate", 2, "a scenario that is not there", ["--scenario", "/nonexistent"]],
  ["record", 2, "no folder is named", []],
  ["record", 2, "the folder is a file", ["--out", path("good.json")]],
  ["record", 3, "no runtime", ["--out", path("out"), "--socket", path("none.sock")]],
  ["record", 4, "the registration is refused", ["--out", path("out"), "--socket", path("refusing.sock")]],
  ["record", 5, "the connection is lost", ["--out", path("out"), "--socket", path("ending.sock")]],
  ["run", 2, "the configuration is wrong", ["--once", "--config", path("wrong.yaml")]],
  ["run", 2, "a wrong value", ["--once", "--idx", "1"]],
  ["version", 0, "done", ["--json"]],
  ["version", 2, "an argument too many", ["more"]],
  ["help", 0, "help", []],
  ["help", 2, "help for an unknown command", ["explai"]],
  ["--version", 0, "done", []],
  ["rnu", 2, "an unknown command", []],
];

beforeAll(async () => {
  for (const [name, text] of Object.entries({
    "good.json": '{"plugins": [{"type": "labels"}]}',
    "missing.json": '{"plugins": [{"type": "none"}]}',
    "broken.json": '{"plugins": [',
    "wrong.yaml": "timeoutMs: soon\n",
  })) {
    writeFileSync(path(name), text);
  }
  for (const [name, mode] of [
    ["failing", 0o755],
    ["unexecutable", 0o644],
  ] as const) {
    mkdirSync(path(name));
    writeFileSync(join(path(name), "recorder"), "#!/bin/sh\necho nonsense\n", { mode });
  }
  // What `record --run` would have written with the plugin that fails.
  cpSync(basic, path("compared"), { recursive: true });
  const { stdout } = await runCommandLine(["replay", basic, "--json", "--bin-dir", path("failing")]);
  writeFileSync(join(path("compared"), "expected/lines.jsonl"), stdout);
  for (const name of ["healthy", "warning", "error"]) servers.push(await placeNode(path(name)));
  writeNodeFile(path("warning"), "usr/bin/labels", "");
  rmSync(join(path("error"), "opt/nri/bin/labels"));
  servers.push(await listen("ending.sock"));
});
afterAll(() => {
  for (const server of servers) server.close();
});

/** A runtime that closes each connection at once. */
function listen(name: string): Promise<Server> {
  return new Promise((ready) => {
    const server = createServer((socket) => socket.end()).listen(path(name), () => ready(server));
  });
}

async function withRuntime(
  name: string,
  refusal: string | undefined,
  use: (runtime: HandMadeRuntime) => Promise<void>,
) {
  const runtime = await listenByHand(path(name), { refusal });
  try {
    await use(runtime);
  } finally {
    runtime.close();
  }
}

describe("the exit code", () => {
  // Only root is told everything about a node: for others that is a warning.
  const told = situations.filter(([verb, code]) => asRoot || verb !== "doctor" || code !== 0);

  it.each(told)("of %s is %d: %s", async (verb, code, what, args) => {
    await withRuntime("refusing.sock", "not today", async () => {
      const ended = await runCommandLine([verb, ...args]);
      expect(ended.code).toBe(code);
      // doctor's findings are on stdout.
      if (code === 2 && what !== "an error") expect(ended.stderr).not.toBe("");
      expect(ended.stderr).not.toMatch(/\n\s+at /);
    });
  });

  it("of record is 1 when the folder is taken away, and 0 when all is written", async () => {
    await withRuntime("nri.sock", undefined, async (runtime) => {
      const args = ["record", "--out", path("taken"), "--pods", "1", "--socket", path("nri.sock")];
      const play = async (meanwhile: () => void) => {
        const recording = runCommandLine(args);
        await runtime.accept();
        meanwhile();
        for (const line of readFileSync(join(basic, "events.jsonl"), "utf8").trimEnd().split("\n")) {
          const { method, payloadBase64 } = JSON.parse(line);
          await runtime.call(method, Buffer.from(payloadBase64, "base64"));
        }
        return (await recording).code;
      };
      expect(await play(() => {})).toBe(0);
      expect(
        await play(() => {
          rmSync(path("taken"), { recursive: true });
          writeFileSync(path("taken"), "");
        }),
      ).toBe(1);
    });
  });

  it("of a fault of our own is 70, and it asks for a report", async () => {
    const environment = {
      get PATH(): string {
        throw new Error("nobody expects this");
      },
    };
    const ended = await runCommandLine(["exec", "recorder", `${basic}:1`, ...bin, ...noFile], { environment });
    expect(ended).toMatchObject({
      code: 70,
      stderr: expect.stringMatching(/please report it: .*nobody expects this\n +at/),
    });
  });

  const run = (name: string, ...more: string[]) =>
    startProgram(["run", "--socket", path(name), ...state, "--conf", path("good.json"), ...bin, ...more]);

  it.each([
    [3, "there is no runtime", "none.sock"],
    [4, "the registration is refused", "refusing.sock"],
    [5, "the connection is lost", "ending.sock"],
  ])("of run --once is %d when %s", async (code, _, name) => {
    await withRuntime("refusing.sock", "not today", async () => {
      expect(await run(name, "--once").ended).toMatchObject({ code, signal: null });
    });
  });

  it("of run is 0 on SIGTERM", async () => {
    await withRuntime("nri.sock", undefined, async (runtime) => {
      const running = run("nri.sock");
      await runtime.accept();
      running.child.kill("SIGTERM");
      expect(await running.ended).toMatchObject({ code: 0, signal: null });
    });
  });

  it("of a launched bridge is 5 when the runtime ends", async () => {
    const env = { NRI_PLUGIN_NAME: "v01-bridge", NRI_PLUGIN_IDX: "10", NRI_PLUGIN_SOCKET: "3" };
    const args = [program, "run", ...state, "--conf", path("good.json"), ...bin];
    // Node's pipe is a socket, as the runtime's is.
    const child = spawn(process.execPath, args, {
      env,
      stdio: ["ignore", "ignore", "ignore", "pipe"],
      timeout: 15_000,
    });
    const ended = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
    const socket = child.stdio[3];
    if (socket == null) throw new Error("no socket was made");
    await new Promise((registering) => socket.once("readable", registering));
    socket.destroy();
    expect(await ended).toBe(5);
  });
});

it("docs/json.md lists every exit code and every verb that prints JSON", async () => {
  const page = readFileSync(join(root, "docs/json.md"), "utf8");
  for (const code of [0, 1, 2, 3, 4, 5, 70]) expect(page).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
  const { stdout } = await runCommandLine(["--help"]);
  const verbs = [...stdout.matchAll(/^ {2}([a-z]+) \[/gm)].map(([, verb = ""]) => verb);
  expect(verbs).toContain("replay");
  for (const verb of verbs.filter((name) => !["run", "help"].includes(name))) expect(page).toContain(`\`${verb}`);
});
