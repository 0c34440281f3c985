import { resolve } from "node:path";
import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { collectFacts } from "../tools/doctor/facts.js";
import { countFindings, type Finding } from "../tools/doctor/finding.js";
import { describeNode, findAll, formatFindings } from "../tools/doctor/report.js";
import { kindOf } from "../tools/replay/case.js";
import { addConfigFlags, givenConfig, pluginFlags, readFlags } from "./config.js";
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
    const facts = await collectFacts({ root, flags, given: givenConfig(options), path: io.environment.PATH });
    const findings = findAll(facts, options.migrate === true ? "migrate" : "doctor");
    if (options.json === true) {
      io.stdout(`${JSON.stringify({ version: 1, node: describeNode(facts), findings })}\n`);
    } else io.stdout(formatFindings(facts, findings));
    done(doctorExitCode(findings));
  });
}

function requireDirectory(root: string): void {
  const kind = kindOf(root);
  if (kind === "folder") return;
  throw new BridgeError("USAGE", `--root: ${kind === "file" ? `${root} is no directory` : `there is no ${root}`}`);
}

function doctorExitCode(findings: readonly Finding[]): ExitCode {
  const { error, warning } = countFindings(findings);
  if (error > 0) return exitCodes.usage;
  return warning > 0 ? exitCodes.faults : exitCodes.done;
}
