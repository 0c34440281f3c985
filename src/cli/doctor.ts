import { resolve } from "node:path";
import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { collectFacts } from "../tools/doctor/facts.js";
import { countFindings } from "../tools/doctor/finding.js";
import { describeNode, findAll, formatFindings } from "../tools/doctor/report.js";
import { kindOf } from "../tools/replay/case.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, givenConfig, pluginFlags, readFlags } from "./config.js";
import { type CliIo, exitCodes } from "./io.js";

export function addDoctorCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("doctor")
    .description("find what keeps v0.1 plugins from running on this node; change nothing")
    .option("--migrate", "also say what an upgrade from containerd 1.6 changes for each plugin")
    .option("--json", "print one JSON object")
    .option("--root <directory>", "look at the node whose file system is mounted here", "/");
  addConfigFlags(command, ["socket", ...pluginFlags]).action(async (options: Record<string, unknown>) => {
    const root = resolve(typeof options.root === "string" ? options.root : "/");
    const kind = kindOf(root);
    const fault = kind === "file" ? `${root} is not a directory` : `there is no ${root}`;
    if (kind !== "folder") throw new BridgeError("USAGE", `--root: ${fault}`);
    const flags = readFlags(options);
    const facts = await collectFacts({ root, flags, given: givenConfig(options), path: io.environment.PATH });
    const findings = findAll(facts, options.migrate === true ? "migrate" : "doctor");
    if (options.json === true) {
      io.stdout(`${JSON.stringify({ version: 1, node: describeNode(facts), findings })}\n`);
    } else io.stdout(formatFindings(facts, findings));
    const { error, warning } = countFindings(findings);
    done(error > 0 ? exitCodes.usage : warning > 0 ? exitCodes.faults : exitCodes.done);
  });
}
