import { basename } from "node:path";
import { isRun, runVerbOf } from "./cli/command-line.js";
import { addRunCommand } from "./cli/run.js";
import { tuneEngine } from "./observe/engine.js";
import { isJournalOnStderr } from "./observe/log-destination.js";

// The reader of stdout may stop reading (`| head`): verbs with files or processes of their own end then, all others are short.
const readerGone = new AbortController();
process.stdout.on("error", () => readerGone.abort());

// Why we end is an error for the journal: `<3>` before each line (sd-daemon(3)).
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

/** A bridge is one file, and read in half the time: all other verbs, and the help, are in a file beside it. */
async function start() {
  if (isRun(args) && !args.some((arg) => /^-[^-]|^--(help|version)/.test(arg))) {
    return runVerbOf([addRunCommand], io);
  }
  return (await import("./cli/program.js")).runCommandLine(io);
}

// The only place that ends the process: everything below gives back an exit code, and throws nothing. Without a top-level
// await, which the single executable's script cannot have.
void start().then((code) => {
  // Sockets of a log or of a runtime that does not answer must not keep us.
  process.exit(code);
});
