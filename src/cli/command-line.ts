import { Command, CommanderError } from "commander";
import { BridgeError, type ErrorCode, errorText } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import { version } from "../base/version.js";
import { addHelpNotes, columns } from "./help.js";
import { type CliIo, type ExitCode, exitCodes, interruptedCode } from "./io.js";
import { type Launched, registerFirst } from "./launched.js";
import { refuseCreates } from "./run.js";

export type Done = (code: ExitCode) => void;
export type AddCommand = (program: Command, io: CliIo, done: Done) => void;

/** Runs the command line `io.args`, whose verb is one of `commands`, to its end. Returns the exit code; throws nothing. */
export async function runVerbOf(commands: readonly AddCommand[], io: CliIo): Promise<ExitCode> {
  let launched: Launched | undefined;
  try {
    if (isRun(io.args)) launched = await registerFirst(io.environment);
    return await runVerb(commands, { ...io, launched });
  } catch (error) {
    if (launched !== undefined) return refuseCreates(launched, errorText(error));
    return tellFault(io, error);
  }
}

/** Whether the arguments are for the verb `run`, even if the rest of them is wrong. */
export function isRun([first = "run"]: readonly string[]): boolean {
  return first === "run" || first.startsWith("-");
}

async function runVerb(commands: readonly AddCommand[], io: CliIo): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = createProgramOf(commands, io, (done) => {
    code = done;
  });
  const [first, second] = io.args;
  const verbs = [...program.commands.map((command) => command.name()), "help"];
  for (const verb of first === "help" ? [second] : [first]) requireVerb(verb, verbs);
  await program.parseAsync(io.args, { from: "user" });
  return code;
}

/** The exit codes of errors that are not faults of the bridge itself. */
const faultCodes: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIG: exitCodes.usage,
  USAGE: exitCodes.usage,
  CALL_TIMEOUT: exitCodes.faults,
  CONNECT_FAILED: exitCodes.cannotConnect,
};

/** Prints what was thrown, unless commander has printed it already, and gives its exit code. */
function tellFault(io: CliIo, error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof BridgeError && error.code === "INTERRUPTED") return interruptedCode(error);
  const code = error instanceof BridgeError ? faultCodes[error.code] : undefined;
  if (error instanceof BridgeError && code !== undefined) {
    io.stderr(`nri-v01-bridge: ${printable(error.message)}\n`);
    return code;
  }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : errorText(error);
  io.stderr(`nri-v01-bridge: internal error, please report it: ${stack}\n`);
  return exitCodes.internal;
}

/** @throws BridgeError USAGE that names the nearest verb, when `name` is neither a verb nor an option */
function requireVerb(name: string | undefined, verbs: readonly string[]): void {
  if (name === undefined || name.startsWith("-") || verbs.includes(name)) return;
  const hint = nearestHint(name, verbs, `one of ${verbs.join(", ")} is expected`);
  throw new BridgeError("USAGE", `unknown command "${name}"; ${hint}`);
}

/** Escapes control characters in a message before a terminal shows it: the message may quote a file with any content. */
function printable(message: string): string {
  return message.replace(/[^\P{C}\n]|\p{Zl}|\p{Zp}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** Creates commander's program with these commands. */
export function createProgramOf(commands: readonly AddCommand[], io: CliIo, done: Done): Command {
  const program = new Command("nri-v01-bridge")
    .description(
      "Runs NRI v0.1 plugins under containerd 1.7, 2.x and CRI-O, which speak NRI v2 only. Without a command: run.",
    )
    .version(version, "-V, --version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
    })
    .showHelpAfterError("(--help lists what is possible)");
  for (const addCommand of commands) addCommand(program, io, done);
  for (const command of [program, ...program.commands]) addHelpNotes(command);
  return program;
}
