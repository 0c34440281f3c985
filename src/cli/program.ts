import type { Command } from "commander";
import { version } from "../base/version.js";
import { addCheckCommand } from "./check.js";
import { createProgramOf, type Done, runVerbOf } from "./command-line.js";
import { addConformanceCommand } from "./conformance.js";
import { addDoctorCommand } from "./doctor.js";
import { addExecCommand } from "./exec.js";
import { addExplainCommand } from "./explain.js";
import type { CliIo, ExitCode } from "./io.js";
import { addRecordCommand } from "./record.js";
import { addReplayCommand } from "./replay.js";
import { addRunCommand } from "./run.js";
import { addSimulateCommand } from "./simulate.js";

const commands = [
  ...[addRunCommand, addSimulateCommand, addRecordCommand, addReplayCommand, addConformanceCommand],
  ...[addDoctorCommand, addCheckCommand, addExplainCommand, addExecCommand, addVersionCommand],
];

/** Runs a command line with all verbs to its end and gives the exit code; throws nothing. */
export function runCommandLine(io: CliIo): Promise<ExitCode> {
  return runVerbOf(commands, io);
}

/** The program with all verbs, for generating the man page. */
export function createProgram(io: CliIo, done: Done): Command {
  return createProgramOf(commands, io, done);
}

function addVersionCommand(program: Command, io: CliIo): void {
  program
    .command("version")
    .description("print the versions of the bridge and of Node")
    .option("--json", "print one JSON object")
    .action((options: { json?: boolean }) => {
      const node = process.version;
      io.stdout(options.json ? `${JSON.stringify({ version, node })}\n` : `nri-v01-bridge ${version} (Node ${node})\n`);
    });
}
