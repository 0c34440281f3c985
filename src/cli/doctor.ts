import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { BridgeError, errorText } from "../base/errors.js";
import { collectFacts } from "../tools/doctor/facts.js";
import { countFindings, type Finding } from "../tools/doctor/finding.js";
import { describeNode, findAll, formatFindings } from "../tools/doctor/report.js";
import { addConfigFlags, findConfigFile, givenConfig, pluginFlags, readFlags, toSource } from "./config.js";
import { type CliIo, type ExitCode, exitCodes } from "./io.js";
import type { Done } from "./program.js";

export function addDoctorCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("doctor")
    .description("look for everything that makes v0.1 plugins silently not run on this node; changes nothing")
    .option("--migrate", "say what an upgrade from containerd 1.6 will change for each plugin, too")
    .option("--json", "as one JSON object")
    .option("--root <directory>", "where the node's file system is mounted", "/")
    .addHelpText("after", "\nExit codes: 0 nothing worse than notes; 1 warnings; 2 errors.");
  addConfigFlags(command, ["socket", ...pluginFlags]).action(async (options: Record<string, unknown>) => {
    const root = resolve(typeof options.root === "string" ? options.root : "/");
    requireDirectory(root);
    const flags = readFlags(options);
    // The file is part of what is looked at: its faults are findings.
    const found = await findConfigFile(givenConfig(options), flags, root);
    const configFile = found && toSource(found, root);
    const facts = await collectFacts({ root, flags, configFile, path: io.environment.PATH });
    const findings = findAll(facts, options.migrate === true ? "migrate" : "doctor");
    if (options.json === true) {
      io.stdout(`${JSON.stringify({ version: 1, node: describeNode(facts), findings })}\n`);
    } else io.stdout(formatFindings(facts, findings));
    done(doctorExitCode(findings));
  });
}

function requireDirectory(root: string): void {
  try {
    if (statSync(root).isDirectory()) return;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new BridgeError("USAGE", `--root: there is no ${root}`);
    }
    throw new BridgeError("USAGE", `--root: ${errorText(error)}`);
  }
  throw new BridgeError("USAGE", `--root: ${root} is no directory`);
}

function doctorExitCode(findings: readonly Finding[]): ExitCode {
  const { error, warning } = countFindings(findings);
  if (error > 0) return exitCodes.usage;
  return warning > 0 ? exitCodes.faults : exitCodes.done;
}
