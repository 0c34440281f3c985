import { basename } from "node:path";
import { runCommandLine } from "./cli/program.js";
import { tuneEngine } from "./engine.js";

// Whoever reads what we print may stop reading (`| head`): nothing is left to do then.
process.stdout.on("error", () => process.exit());

// The only place that ends the process: everything below gives back an exit code, and throws nothing. Without a top-level
// await, which the single executable's script cannot have.
void runCommandLine({
  args: process.argv.slice(2),
  fileName: basename(process.argv[1] ?? ""),
  environment: process.env,
  tuneEngine,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
}).then((code) => {
  // Sockets of a log or of a runtime that does not answer must not keep us.
  process.exit(code);
});
