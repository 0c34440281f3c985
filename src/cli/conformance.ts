import { basename, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { BridgeError } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import { searchPath } from "../plugin/environment.js";
import { findExecutableFault } from "../plugin/permissions.js";
import { type ConformanceCase, createCases } from "../tools/conformance/cases.js";
import { type CaseReport, formatRow, runCase } from "../tools/conformance/run.js";
import { nriDefaults } from "../tools/doctor/collect/runtime-config.js";
import { kindOf, readConfList, readFile } from "../tools/replay/case.js";
import { toRawJson } from "../v01/gojson/raw.js";
import type { RawJson } from "../v01/types.js";
import type { Done } from "./command-line.js";
import { parseNumber } from "./config.js";
import { type CliIo, exitCodes, type Workplace, withPlugins } from "./io.js";

/** Above the highest pid of Linux (PID_MAX_LIMIT, 2^22): a plugin that acts on this pid finds no process. */
const noPid = 4_194_305;
const timeoutMs = nriDefaults.requestTimeoutMs;

interface Options {
  readonly plugin: string;
  readonly phase: "start" | "create";
  readonly conf?: string;
  readonly pid: number;
  readonly timeoutMs: number;
  readonly case?: readonly string[];
  readonly cgroupConf?: string;
  readonly json?: boolean;
}

export function addConformanceCommand(program: Command, io: CliIo, done: Done): void {
  program
    .command("conformance")
    .description("send a plugin every kind of request, and judge its answers: valid, in time, no process left")
    .requiredOption("--plugin <path>", "try this executable")
    .addOption(
      new Option("--phase <phase>", "judge the result of a container's create as the bridge does in this phase")
        .choices(["start", "create"])
        .default("start"),
    )
    .option("--conf <file>", "give the plugin the conf that this conf.json has for its type")
    .option("--pid <pid>", "name this process in the requests; the default names none that exists", parseNumber, noPid)
    .option("--timeout-ms <ms>", "end each run after this time, as a runtime does", parseNumber, timeoutMs)
    .option("--case <name...>", "run only these cases")
    .option(
      "--cgroup-conf <key>",
      "make scratch cgroups, name their root in this key of the plugin's conf, and print what it changes there",
    )
    .option("--json", "print one JSON object")
    .action(async (options: Options) => {
      const reports = await withPlugins(io, (workplace) => tryPlugin(options, io, workplace));
      const well = reports.filter(({ ok }) => ok).length;
      if (options.json) io.stdout(`${JSON.stringify({ plugin: resolve(options.plugin), cases: reports })}\n`);
      else io.stdout(`\n${well} of ${reports.length} cases passed.\n`);
      done(well === reports.length ? exitCodes.done : exitCodes.faults);
    });
}

async function tryPlugin(options: Options, io: CliIo, workplace: Workplace): Promise<CaseReport[]> {
  const { phase, pid, timeoutMs, cgroupConf, json } = options;
  const plugin = resolve(options.plugin);
  if (kindOf(plugin) !== "file") {
    throw new BridgeError("USAGE", `--plugin: ${plugin} is not a file; name the plugin's executable`);
  }
  const fault = findExecutableFault(plugin, searchPath(io.environment.PATH, []));
  if (fault !== null) io.stderr(`nri-v01-bridge: on a node the bridge would refuse this plugin: ${fault}\n`);
  const scratch = join(workplace.scratch, "cgroups");
  const own = options.conf === undefined ? undefined : confOf(options.conf, basename(plugin));
  const conf = cgroupConf === undefined ? own : withConfKey(own, cgroupConf, scratch);
  const cases = chooseCases(createCases(pid, conf, phase), options.case);
  const width = Math.max(...cases.map(({ name }) => name.length));
  const cgroups = cgroupConf === undefined ? undefined : scratch;
  const about = { ...workplace, plugin, phase, timeoutMs, environment: io.environment, cgroups };
  const reports: CaseReport[] = [];
  for (const tried of cases) {
    const report = await runCase(tried, about);
    workplace.interrupted.throwIfAborted();
    reports.push(report);
    if (!json) io.stdout(formatRow(report, width));
  }
  return reports;
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

/**
 * The conf of the plugin's entry in a conf.json, or of the only entry.
 * @throws BridgeError USAGE that names the file, when it cannot be read or has no such entry
 */
function confOf(file: string, plugin: string): RawJson | undefined {
  const { plugins } = readConfList(readFile(file, "--conf"), `--conf: ${file}`);
  const named = plugins.find(({ type }) => type === plugin || type.endsWith(`/${plugin}`));
  const entry = named ?? (plugins.length === 1 ? plugins[0] : undefined);
  if (entry !== undefined) return entry.conf;
  throw new BridgeError("USAGE", `--conf: ${file}: no entry of "plugins" has the type "${plugin}"`);
}

/** Adds a key to a conf; it wins over an earlier key of that name. @throws BridgeError USAGE when the conf is no object */
function withConfKey(conf: RawJson | undefined, key: string, value: string): RawJson {
  const before = conf ?? "{}";
  if (!before.startsWith("{")) {
    const fault = `the plugin's conf is ${before}, and only an object takes the key "${key}"`;
    throw new BridgeError("USAGE", `--cgroup-conf: ${fault}`);
  }
  const inner = before.slice(1, -1);
  return toRawJson(`{${inner}${inner === "" ? "" : ","}${JSON.stringify(key)}:${JSON.stringify(value)}}`);
}
