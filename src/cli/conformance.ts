import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { type ConformanceCase, createCases } from "../conformance/cases.js";
import { makeCgroupFiles } from "../conformance/file-tree.js";
import { confOf, withConfKey } from "../conformance/plugin-conf.js";
import { recordedContainer, recordedSandbox } from "../conformance/recorded-requests.js";
import { type CaseReport, runCases } from "../conformance/run-cases.js";
import { formatRow, formatSummary } from "../conformance/table.js";
import { BridgeError } from "../errors.js";
import { createSpawner } from "../legacy/create-spawner.js";
import { findPermissionFault } from "../legacy/permissions.js";
import { silentLog } from "../logger.js";
import { nearestName } from "../nearest.js";
import { readFile } from "../replay/case-files.js";
import type { RawJson } from "../v01/types.js";
import { untilInterrupted } from "./interrupt.js";
import { type CliIo, exitCodes } from "./io.js";
import type { Done } from "./program.js";
import { readRecordedCases } from "./recorded-cases.js";

/** Above the highest pid that Linux gives (PID_MAX_LIMIT, 2^22): a plugin that acts on it meets no stranger. */
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
    .option(
      "--case <name>",
      "only this case, or the requests of a recorded case: its folder; may be given again",
      (name: string, before: string[] = []) => [...before, name],
    )
    .option("--watch <dir>", "tell which files below this directory the plugin changes")
    .option(
      "--cgroup-conf <key>",
      "make scratch cgroups, tell the plugin their root by this key of its conf, and watch them",
    )
    .option("--json", "one JSON object")
    .action(async (options: Options) => {
      const reports = await untilInterrupted(io, (interrupted) => tryPlugin(options, io, interrupted));
      if (options.json) io.stdout(`${JSON.stringify({ plugin: resolve(options.plugin), cases: reports })}\n`);
      else io.stdout(formatSummary(reports));
      done(reports.every(({ ok }) => ok) ? exitCodes.done : exitCodes.faults);
    });
}

async function tryPlugin(options: Options, io: CliIo, interrupted: AbortSignal): Promise<CaseReport[]> {
  const scratch = mkdtempSync(join(tmpdir(), "nri-v01-bridge-cgroups-"));
  const spawner = createSpawner(silentLog);
  try {
    const planned = await plan(options, scratch, io, interrupted);
    const told = onReport(options, planned.cases, io);
    return await runCases({ ...planned, spawner, interrupted, onReport: told });
  } finally {
    await spawner.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function plan(options: Options, scratch: string, io: CliIo, interrupted: AbortSignal) {
  const plugin = resolve(options.plugin);
  if (!existsSync(plugin) || !statSync(plugin).isFile()) {
    throw new BridgeError("USAGE", `--plugin: ${plugin} is no file; name the plugin's executable`);
  }
  const fault = findPermissionFault(plugin);
  if (fault !== null) io.stderr(`nri-v01-bridge: on a node this plugin would be refused: ${fault}\n`);
  const { pid, cgroupConf, watch } = options;
  const own =
    options.conf === undefined ? undefined : confOf(readFile(options.conf, "--conf"), options.conf, basename(plugin));
  const withConf = (conf: RawJson | undefined) =>
    cgroupConf === undefined ? conf : withConfKey(conf, cgroupConf, scratch);
  const names = options.case?.filter((name) => !isFolder(name));
  const recorded = await Promise.all(
    (options.case ?? [])
      .filter(isFolder)
      .map((folder) => readRecordedCases(folder, { plugin, pid, conf: own, withConf, interrupted })),
  );
  const builtIn = chooseCases(createCases({ pid, conf: withConf(own) }), names);
  const cases = [...builtIn, ...recorded.flatMap((of) => of.cases)];
  const watched = [...(watch === undefined ? [] : [resolve(watch)]), ...(cgroupConf === undefined ? [] : [scratch])];
  const paths = [
    ...[recordedSandbox(pid), recordedContainer(pid)].map(({ spec }) => spec.cgroupsPath),
    ...recorded.flatMap(({ cgroupsPaths }) => cgroupsPaths),
  ];
  // Made anew for each case, so that each shows what it changed.
  const prepare = () => {
    if (cgroupConf !== undefined) for (const path of paths) makeCgroupFiles(scratch, path);
  };
  return { plugin, cases, watched, prepare, environment: io.environment };
}

/** A case is named by a word, a folder by a path. */
function isFolder(name: string): boolean {
  return name.includes("/") || name === ".";
}

function chooseCases(
  all: readonly ConformanceCase[],
  names: readonly string[] | undefined,
): readonly ConformanceCase[] {
  const known = all.map(({ name }) => name);
  for (const name of names ?? []) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const hint =
      nearest === undefined
        ? `the cases are ${known.join(", ")}; a folder is named as ./${name}`
        : `did you mean "${nearest}"?`;
    throw new BridgeError("USAGE", `--case: there is no case "${name}"; ${hint}`);
  }
  return names === undefined ? all : all.filter(({ name }) => names.includes(name));
}

function onReport({ json }: Options, cases: readonly ConformanceCase[], io: CliIo): (report: CaseReport) => void {
  const width = Math.max(...cases.map(({ name }) => name.length));
  return (report) => {
    if (!json) io.stdout(formatRow(report, width));
  };
}

function parsePid(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("the number of a process is expected.");
  return Number(text);
}
