import { basename } from "node:path";
import { isRun, runVerbOf } from "./cli/command-line.js";
import { addRunCommand } from "./cli/run.js";
import { tuneEngine } from "./observe/engine.js";
import { isJournalOnStderr } from "./observe/log-destination.js";

// Aborts when the reader of stdout goes away (`| head`). Verbs that hold files or processes then end; all other verbs are short and
// ignore the signal.
const readerGone = new AbortController();
process.stdout.on("error", () => readerGone.abort());

// Where stderr is the systemd journal, each line on stderr starts with `<3>`, the priority of an error (sd-daemon(3)).
const mark = isJournalOnStderr(process.env.JOURNAL_STREAM) ? "<3>" : "";
const args = process.argv.slice(2);
const io = {
  args,
  fileName: basename(process.argv[1] ?? ""),
  environment: process.env,
  tuneEngine,
  readerGone: readerGone.signal,
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text.replace(/^(?=.)/gm, mark)),
};

/**
 * Runs the verb of the command line. The verb `run` is in this bundle alone, so that Node reads half as much code at the bridge's
 * start; all other verbs and the help are in a second file, tools.mjs.
 */
async function start() {
  if (isRun(args) && !args.some((arg) => /^-[^-]|^--(help|version)/.test(arg))) {
    return runVerbOf([addRunCommand], io);
  }
  return (await import("./cli/program.js")).runCommandLine(io);
}

// This is the only place that ends the process: every verb returns an exit code and throws nothing. There is no top-level await
// here, because the script of the single executable cannot have one.
void start().then((code) => {
  // An open socket, of the log or of a runtime that does not answer, would keep Node's event loop alive without this.
  process.exit(code);
});
