import { basename, join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { BridgeError } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import { searchPath } from "../plugin/environment.js";
import { findExecutableFault } from "../plugin/permissions.js";
import { type ConformanceCase, createCases } from "../tools/conformance/cases.js";
import { type CaseReport, formatRow, formatSummary, runCases } from "../tools/conformance/run.js";
import { kindOf, readConfList, readFile } from "../tools/replay/case.js";
import { toRawJson } from "../v01/gojson/raw.js";
import type { RawJson } from "../v01/types.js";
import { type CliIo, exitCodes, type Workplace, withPlugins } from "./io.js";
import type { Done } from "./program.js";

/** Above the highest pid that Linux gives (PID_MAX_LIMIT, 2^22): a plugin that acts on it meets no process. */
const noProcess = 4_194_305;

interface Options {
  readonly plugin: string;
  readonly conf?: string;
  readonly pid: number;
  readonly case?: readonly string[];
  readonly watch?: string;
  readonly cgroupConf?: string;
  readonly json?: boolean;
}

export function addConformanceCommand(program: Command, io: CliIo, done: Done): void {
  program
    .command("conformance")
    .description("try a legacy plugin with every kind of request: does it answer, in time, and leave nothing behind")
    .requiredOption("--plugin <path>", "the executable")
    .option("--conf <file>", "a conf.json: the plugin gets the conf that stands there for its type")
    .option(
      "--pid <pid>",
      "a process for the requests to name; without it they name none that exists",
      parsePid,
      noProcess,
    )
    .option("--case <name>", "only this case; may be given again", (name: string, before: string[] = []) => [
      ...before,
      name,
    ])
    .option("--watch <dir>", "tell which files below this directory the plugin changes")
    .option(
      "--cgroup-conf <key>",
      "make scratch cgroups, tell the plugin their root by this key of its conf, and watch them",
    )
    .option("--json", "one JSON object")
    .action(async (options: Options) => {
      const reports = await withPlugins(io, (workplace) => tryPlugin(options, io, workplace));
      if (options.json) io.stdout(`${JSON.stringify({ plugin: resolve(options.plugin), cases: reports })}\n`);
      else io.stdout(formatSummary(reports));
      done(reports.every(({ ok }) => ok) ? exitCodes.done : exitCodes.faults);
    });
}

/** Tries the plugin in the cases that are asked for. */
async function tryPlugin(options: Options, io: CliIo, workplace: Workplace): Promise<CaseReport[]> {
  const plugin = resolve(options.plugin);
  if (kindOf(plugin) !== "file") {
    throw new BridgeError("USAGE", `--plugin: ${plugin} is no file; name the plugin's executable`);
  }
  const fault = findExecutableFault(plugin, searchPath(io.environment.PATH, []));
  if (fault !== null) io.stderr(`nri-v01-bridge: on a node this plugin would be refused: ${fault}\n`);
  const { pid, cgroupConf, watch } = options;
  if (watch !== undefined && kindOf(watch) !== "folder") {
    throw new BridgeError("USAGE", `--watch: ${watch}: no such folder`);
  }
  const cgroups = join(workplace.scratch, "cgroups");
  const conf =
    options.conf === undefined ? undefined : confOf(readFile(options.conf, "--conf"), options.conf, basename(plugin));
  const cases = chooseCases(
    createCases(pid, cgroupConf === undefined ? conf : withConfKey(conf, cgroupConf, cgroups)),
    options.case,
  );
  const width = cases.reduce((most, { name }) => Math.max(most, name.length), 0);
  return await runCases({
    ...workplace,
    plugin,
    cases,
    environment: io.environment,
    watched: watch === undefined ? [] : [resolve(watch)],
    cgroups: cgroupConf === undefined ? undefined : cgroups,
    onReport: (report) => {
      if (!options.json) io.stdout(formatRow(report, width));
    },
  });
}

function chooseCases(
  all: readonly ConformanceCase[],
  names: readonly string[] | undefined,
): readonly ConformanceCase[] {
  const known = all.map(({ name }) => name);
  for (const name of names ?? []) {
    if (known.includes(name)) continue;
    const hint = nearestHint(name, known, `the cases are ${known.join(", ")}`);
    throw new BridgeError("USAGE", `--case: there is no case "${name}"; ${hint}`);
  }
  return names === undefined ? all : all.filter(({ name }) => names.includes(name));
}

function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("the number of a process is expected.");
  return Number(text);
}

/**
 * The conf that a conf.json has for a plugin: of the entry with its name, or of the only entry.
 * @throws BridgeError USAGE that names the file
 */
function confOf(text: Uint8Array, file: string, plugin: string): RawJson | undefined {
  const { plugins } = readConfList(text, `--conf: ${file}`);
  const named = plugins.find(({ type }) => type === plugin || type.endsWith(`/${plugin}`));
  const entry = named ?? (plugins.length === 1 ? plugins[0] : undefined);
  if (entry !== undefined) return entry.conf;
  throw new BridgeError("USAGE", `--conf: ${file}: no entry of "plugins" has the type "${plugin}"`);
}

/**
 * A conf with one more key, which wins over one of its name (the last duplicate does).
 * @throws BridgeError USAGE when the conf is no object
 */
function withConfKey(conf: RawJson | undefined, key: string, value: string): RawJson {
  const before = conf ?? "{}";
  if (!before.startsWith("{")) {
    throw new BridgeError(
      "USAGE",
      `--cgroup-conf: the plugin's conf is ${before}, and only an object takes the key "${key}"`,
    );
  }
  const inner = before.slice(1, -1);
  return toRawJson(`{${inner}${inner === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}}`);
}
