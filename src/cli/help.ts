import type { Command } from "commander";

/** Lines of help and of the demo are no longer. */
export const columns = 80;

/** What follows the options in each command's help: an example, then notes. */
const notes: Readonly<Record<string, readonly [example: string, ...notes: readonly string[]]>> = {
  "nri-v01-bridge": [
    "doctor",
    "Exit codes: 0 done; 1 problems found; 2 wrong usage or configuration; 3 cannot connect (--once); 4 the runtime refused the registration; 5 the connection was lost (launched, --once); 70 internal error, please report it.",
  ],
  run: ["run --socket /var/run/nri/nri.sock --log-format text"],
  simulate: ["simulate --json"],
  record: [
    "record --out cases --pods 3 --duration 5m",
    "Exit codes: 0 done; 1 the recording is incomplete; 2 it cannot be written at all; else as `run`.",
  ],
  replay: [
    "replay cases/my-pod --bin-dir ./plugins",
    "The settings are those of flags and --config: a recording holds none.",
    "Exit codes: 0 done; 1 a plugin failed or the bridge answered an error, with --compare: something differs.",
  ],
  conformance: [
    "conformance --plugin ./myplugin --timeout-ms 10000",
    "Exit codes: 0 each case passed; 1 a case failed.",
  ],
  doctor: ["doctor --migrate", "Exit codes: 0 nothing worse than notes; 1 warnings; 2 errors."],
  check: [
    "check --conf /etc/nri/conf.json",
    "Exit codes: 0 no problem; 1 plugins or conf.json have problems; 2 the configuration is wrong.",
  ],
  explain: ["explain --pod 7bd8527eebd31", "Exit codes: 0 done; 1 the bridge would answer an event with an error."],
  exec: ["exec clearcfs cases/my-pod:1", "Exit codes: 0 the plugin succeeded; 1 it failed, or cannot be run."],
  version: ["version --json"],
};

export function addHelpNotes(command: Command): void {
  const [example, ...more] = notes[command.name()] ?? [];
  const help = command.createHelp();
  const paragraphs = [`Example: nri-v01-bridge ${example}`, ...more].map((note) => help.boxWrap(note, columns));
  command.addHelpText("after", `\n${paragraphs.join("\n\n")}`);
}
