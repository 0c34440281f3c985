import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { runCommandLine } from "../../support/command-line.js";
import { type Case, casesDirectory } from "../../support/recorded-cases.js";
import type { Outcome } from "./differences.js";
import { placeRecordedPlugins } from "./plugins.js";

/** Where the plugins of the recordings were. */
const recordedBinDir = "/opt/nri/bin";

export interface PlayedOptions {
  /** As recorded when not given. */
  /** Sent as this one does, NAME-VERSION. */
  readonly runtime?: string;
  /** The bridge sees the events only. */
  readonly withoutBundles?: boolean;
  /** How long the plugins of the cases `sleep3` take. */
  readonly sleepSeconds?: number;
  /** A conf.json that holds all the time, in place of those of the case. */
  readonly conf?: string;
  /** The bridge's own configuration, YAML. */
  readonly config?: string;
}

/** What the bridge did with a case. */
export interface Played extends Outcome {
  /** What each run's line says was on the plugin's stdin, where the plugin read it; the plugin itself says it in `runs`. */
  readonly reported: readonly string[];
  /** Pods and containers whose create event was sent, in order. */
  readonly created: readonly { readonly id: string; readonly event: string }[];
  /** Pods and containers that a plugin was run for with a delete, in order: one for each plugin that ran. */
  readonly deleted: readonly { readonly id: string; readonly plugin: string }[];
  /** What plugins left running, and whether it still ran after the last event. */
  readonly leftBehind: readonly { readonly pid: number; readonly alive: boolean }[];
}

/** Plays a recorded case by `replay --json`: the whole bridge, with real processes that answer what was recorded. */
export async function playRecorded(recorded: Case, options: PlayedOptions = {}): Promise<Played> {
  const directory = mkdtempSync(join(tmpdir(), "nri-v01-frozen-"));
  try {
    const binDir = join(directory, "bin");
    mkdirSync(binDir);
    const plugins = placeRecordedPlugins(binDir, recorded, options.sleepSeconds ?? 0.2);
    const folder = join(directory, recorded.name);
    writeCase(recorded, folder, binDir, options.withoutBundles ?? false);
    const lines = await replay(folder, binDir, options);
    const runs = lines.filter(({ type }) => type === "run");
    const turns = new Map<string, number>();
    const played = runs.flatMap(({ path, exitCode, signal, request }) => {
      // Programs that were not started, or not found here, recorded nothing in 1.6 either.
      if (!path.startsWith(`${binDir}/`) || (exitCode === null && signal === null)) return [];
      const plugin = basename(path);
      const turn = (turns.get(plugin) ?? 0) + 1;
      turns.set(plugin, turn);
      return [{ plugin, request: plugins.requestOf(plugin, turn), reported: request }];
    });
    return {
      runs: played,
      reported: played.flatMap(({ request, reported }) => (request.length === 0 ? [] : [reported])),
      errors: lines.flatMap(errorOf).map((error) => error.replaceAll(binDir, recordedBinDir)),
      created: lines.flatMap(createdBy),
      deleted: runs.flatMap(({ state, id, plugin }) => (state === "delete" ? [{ id, plugin }] : [])),
      leftBehind: plugins.leftBehind().map(endProcess),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A line of `replay --json`; docs/json.md has its keys. */
interface Line {
  readonly type: "run" | "answer";
  readonly event: string;
  readonly id: string;
  readonly plugin: string;
  readonly path: string;
  readonly state: string;
  readonly request: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

async function replay(folder: string, binDir: string, options: PlayedOptions): Promise<Line[]> {
  const { runtime, conf, config } = options;
  const args = ["replay", folder, "--json", "--bin-dir", binDir];
  if (runtime !== undefined) args.push("--runtime", runtime);
  if (config !== undefined) {
    const file = join(folder, "bridge.yaml");
    writeFileSync(file, config);
    args.push("--config", file);
  }
  if (conf !== undefined) {
    const file = join(folder, "other-conf.json");
    writeFileSync(file, conf);
    args.push("--conf", file);
  }
  const { stdout, stderr } = await runCommandLine(args);
  if (stderr !== "") throw new Error(stderr);
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

/** What happens in a case and to whom, without what else its events say. */
export function orderOf({ name }: Case): string {
  const roles = new Map<string, number>();
  const roleOf = (id = "") => roles.get(id) ?? roles.set(id, roles.size).size - 1;
  return eventsOf(name)
    .map((line) => JSON.parse(line))
    .map(
      ({ method, body: { event, pod, container } }) => `${event ?? method} ${roleOf(pod?.id)} ${roleOf(container?.id)}`,
    )
    .join("\n");
}

function eventsOf(name: string): string[] {
  return readFileSync(join(casesDirectory, name, "events.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
}

/** The case as `replay` reads one, with the plugins where they are here. */
function writeCase({ name, calls }: Case, folder: string, binDir: string, withoutBundles: boolean): void {
  const from = join(casesDirectory, name);
  const { eventsFrom = name, ...about } = JSON.parse(readFileSync(join(from, "case.json"), "utf8"));
  mkdirSync(folder);
  writeFileSync(join(folder, "case.json"), JSON.stringify(about));
  for (const file of readdirSync(from).filter((entry) => /^conf.*\.json$/.test(entry))) {
    // Byte for byte but for the path: some of them are not UTF-8.
    const text = readFileSync(join(from, file), "latin1").replaceAll(recordedBinDir, binDir);
    writeFileSync(join(folder, file), text, "latin1");
  }
  // Some scenarios with the events of basic-hostnet ended after their sandbox: no container was ever asked for.
  const withContainer = calls.includes("CreateContainer");
  const events = eventsOf(eventsFrom).filter((line) => withContainer || JSON.parse(line).body.container === undefined);
  writeFileSync(join(folder, "events.jsonl"), events.join("\n"));
  const bundles = join(casesDirectory, eventsFrom, "bundles");
  if (!withoutBundles && existsSync(bundles)) cpSync(bundles, join(folder, "bundles"), { recursive: true });
}

function errorOf({ type, event, error }: Line): string[] {
  return type === "answer" && error !== null ? [`${event}: ${error.code}: ${error.message}`] : [];
}

function createdBy({ type, event, id }: Line): Played["created"] {
  return type === "answer" && ["RunPodSandbox", "StartContainer"].includes(event) ? [{ id, event }] : [];
}

function endProcess(pid: number): { pid: number; alive: boolean } {
  try {
    return { pid, alive: process.kill(pid, "SIGKILL") };
  } catch {
    return { pid, alive: false };
  }
}
