import type { Command } from "commander";
import { version } from "../version.js";
import type { CliIo } from "./io.js";

export function addVersionCommand(program: Command, io: CliIo): void {
  program
    .command("version")
    .description("print the version of the bridge and of Node")
    .option("--json", "as one JSON object")
    .action((options: { json?: boolean }) => {
      const node = process.version;
      io.stdout(options.json ? `${JSON.stringify({ version, node })}\n` : `nri-v01-bridge ${version} (Node ${node})\n`);
    });
}
