import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { decodeEvent, encodeEvent } from "../../src/nri/events.js";
import { readCase } from "../../src/tools/replay/case.js";
import { runCommandLine } from "../support/command-line.js";
import { program } from "../support/program.js";

const fixtures = resolve(import.meta.dirname, "../../fixtures");
const samples = resolve(import.meta.dirname, "../../legacy-plugins");

/** The container of the recorded scenarios, with a CPU quota of 50000 and the annotation qos.class=ls. */
const containerId = "ae495d9b4ed625e96b56478ffb01c940fe1544a35b3d069b6367e27a2bd17d3b";
const sandboxId = "257506fb56a7494b626060172607d212ae71060474b5a0768e19708a5b8db88c";

/** One line of `replay --json`: a plugin's run, or the answer to an event. */
export interface Line {
  readonly type: "run" | "answer";
  readonly event: string;
  readonly plugin: string;
  readonly state: string;
  readonly phase: string;
  readonly request: string;
  readonly outcome: string;
  readonly stderr: readonly string[];
  readonly response: { readonly adjust?: object; readonly update?: readonly object[] };
}

/** What a replay came to. */
export interface Played {
  readonly lines: readonly Line[];
  /** What the bridge logged. */
  readonly log: readonly Record<string, unknown>[];
  readonly code: number | null;
  readonly stderr: string;
  /** The answer to an event: what it asks for, or the text of its error. */
  answer(event: string): { readonly response: Line["response"]; readonly error: string | null };
  /** The error of a plugin's run for an event; null when it was well, undefined when it did not run. */
  fault(plugin: string, event?: string): string | null | undefined;
  run(plugin: string, event?: string): Line | undefined;
  /** The warnings of the log, each as one text. */
  warnings(): string[];
}

export interface Play {
  /** conf.json's plugins, in their order. */
  readonly plugins: readonly (string | { readonly type: string; readonly conf: unknown })[];
  /** The bridge's configuration, as YAML (or JSON, which is YAML too). */
  readonly config?: string;
  /** The recorded events: clear-cfs creates a container with a quota, update also changes it. */
  readonly scenario?: "scenarios/clear-cfs" | "cases/update";
  /** Another cgroupsPath of the container, without bundles to tell the recorded one. */
  readonly cgroupsPath?: string;
  /** Only the events of these names, where the others cost more than they show; without bundles too. */
  readonly only?: readonly string[];
  /** What the program is started by, such as setpriv with its options. */
  readonly by?: readonly string[];
}

/** A directory with plugins of a test's own, played by the program in this process, with its embedded runtime. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "bridge-results-"));
  readonly bin = join(this.folder, "bin");
  readonly container = containerId;
  #plays = 0;

  constructor() {
    mkdirSync(this.bin);
  }

  /** Places an executable; a script without an interpreter is the shell's. */
  script(name: string, text: string): void {
    const path = join(this.bin, name);
    writeFileSync(path, text.startsWith("#!") ? text : `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  /**
   * Places a plugin that does something in a container's create and then prints what it is given there, in all other
   * states a result without metadata. `$path` is the cgroupsPath of its request.
   */
  onCreate(name: string, body: object, script = ":"): void {
    const plain = { plugin: name, version: "0.1", error: "" };
    writeFileSync(join(this.bin, `${name}.answer`), JSON.stringify({ ...plain, ...body }));
    // The shell's own means where it has some: each command is a process more, four times in each play.
    const read = [
      "request=$(cat)",
      `path=\${request#*'"cgroupsPath":"'} path=\${path%%'"'*}`,
      `case $request in *'"state":"create","id":"${sandboxId}"'*) ;; *'"state":"create"'*)`,
      script,
      `exec cat "$0.answer" ;; esac`,
      `printf %s '${JSON.stringify(plain)}'`,
    ];
    this.script(name, read.join("\n"));
  }

  /** A plugin that asks by metadata when a container is created. */
  asks(name: string, metadata: Readonly<Record<string, string>>): void {
    this.onCreate(name, { metadata });
  }

  /** Plays the events; rejects nothing. */
  async play(play: Play): Promise<Played> {
    const { plugins, config = "{}", scenario = "scenarios/clear-cfs", cgroupsPath, only, by } = play;
    const folder = join(this.folder, `play-${this.#plays++}`, "case");
    mkdirSync(folder, { recursive: true });
    const recorded = join(fixtures, scenario);
    const asRecorded = cgroupsPath === undefined && only === undefined;
    const eventsFrom = asRecorded ? relative(dirname(folder), recorded) : "case";
    if (!asRecorded) writeFileSync(join(folder, "events.jsonl"), eventsOf(recorded, play));
    const runtime = { name: "containerd", version: "v2.4.0", dialect: "state-change" };
    writeFileSync(join(folder, "case.json"), JSON.stringify({ eventsFrom, runtime }));
    const list = plugins.map((plugin) => (typeof plugin === "string" ? { type: plugin } : plugin));
    writeFileSync(join(folder, "given.json"), JSON.stringify({ version: "0.1", plugins: list }));
    writeFileSync(join(folder, "bridge.yaml"), config);
    const args = [
      ...["replay", folder, "--json", "--config", join(folder, "bridge.yaml"), "--conf", join(folder, "given.json")],
      ...["--bin-dir", this.bin, "--bin-dir", samples, "--log-level", "debug"],
    ];
    const { code, stdout, stderr } = await (by === undefined ? runCommandLine(args) : runBy(by, args));
    return toPlayed(code, stdout, stderr);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs the program by another one that becomes it. */
function runBy([command = "", ...before]: readonly string[], args: readonly string[]) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    execFile(command, [...before, process.execPath, program, ...args], { timeout: 15_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : 1, stdout, stderr }),
    );
  });
}

/** The events of a recording, all or some, as the play changes them. */
function eventsOf(recorded: string, { cgroupsPath, only }: Play): string {
  const lines = readCase(recorded).events.flatMap(({ method, payload, timeoutNano }) => {
    const event = decodeEvent(method, payload);
    if (event === undefined || only?.includes(event.name) === false) return [];
    if (cgroupsPath !== undefined && "container" in event && event.container.linux !== undefined) {
      event.container.linux.cgroupsPath = cgroupsPath;
    }
    const call = encodeEvent(event.name, event, method === "StateChange" ? method : "own");
    const payloadBase64 = Buffer.from(call.payload).toString("base64");
    return `${JSON.stringify({ method, payloadBase64, timeoutNano: String(timeoutNano) })}\n`;
  });
  return lines.join("");
}

function toPlayed(code: number | null, stdout: string, stderr: string): Played {
  const lines: (Line & { readonly error: null | string | { readonly message: string } })[] = parseLines(stdout);
  const log: Record<string, unknown>[] = parseLines(stderr);
  const textOf = (error: null | string | { readonly message: string }) =>
    error !== null && typeof error === "object" ? error.message : error;
  const runOf = (plugin: string, event = "CreateContainer") =>
    lines.find((line) => line.type === "run" && line.plugin === plugin && line.event === event);
  return {
    lines,
    log,
    code,
    stderr,
    answer(event) {
      const found = lines.find((line) => line.type === "answer" && line.event === event);
      if (found === undefined) throw new Error(`no answer to ${event}: ${stderr.slice(-2000)}`);
      return { response: found.response, error: textOf(found.error) };
    },
    fault(plugin, event) {
      const run = runOf(plugin, event);
      return run === undefined ? undefined : textOf(run.error);
    },
    run: runOf,
    warnings: () => log.flatMap((line) => (line.level === "warn" || line.level === 40 ? [JSON.stringify(line)] : [])),
  };
}

/** The mount points on cgroups and in /proc, which is where a view could leave some. */
export const cgroupMounts = () =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => /^\/(proc\/|sys\/fs\/cgroup)/.test(point));

function parseLines(text: string) {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}
