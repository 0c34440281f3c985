import type { Command } from "commander";

/** Lines of the help and of the demo have at most this many characters. */
export const columns = 80;

/** An example of each verb, and its exit codes. */
const notes: Readonly<Record<string, readonly [example: string, codes?: string]>> = {
  run: ["--socket /var/run/nri/nri.sock --log-format text"],
  simulate: ["--json"],
  record: [
    "--out cases --pods 3 --duration 5m",
    "0 done; 1 recording incomplete; 2 the folder cannot be written; else as `run`",
  ],
  replay: ["cases/my-pod --bin-dir ./plugins", "0 done; 1 a plugin or an answer failed; with --compare: a difference"],
  conformance: ["--plugin ./myplugin --timeout-ms 10000", "0 each case passed; 1 a case failed"],
  doctor: ["--migrate", "0 nothing worse than notes; 1 warnings; 2 errors"],
  check: ["--conf /etc/nri/conf.json", "0 done; 1 problems in plugins or conf.json; 2 wrong configuration"],
  explain: ["--pod 7bd8527eebd31", "0 done; 1 the bridge would answer an event with an error"],
  exec: ["clearcfs cases/my-pod:1", "0 the plugin succeeded; 1 it failed, or cannot be run"],
  version: ["--json"],
};
const usualCodes =
  "0 done; 1 problems found; 2 wrong usage or configuration; 3 cannot connect (--once); 4 the runtime refused the registration; 5 the connection was lost (launched, --once); 70 internal error, please report it";

/** Adds the example and the exit codes after the options in a command's help. */
export function addHelpNotes(command: Command): void {
  const [example, codes = usualCodes] = notes[command.name()] ?? [];
  const paragraphs = [`Exit codes: ${codes}.`];
  if (example !== undefined) paragraphs.unshift(`Example: nri-v01-bridge ${command.name()} ${example}`);
  const help = command.createHelp();
  command.addHelpText("after", `\n${paragraphs.map((text) => help.boxWrap(text, columns)).join("\n\n")}`);
}
