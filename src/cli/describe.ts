import type { Command, Option } from "commander";

/** The command line as data: what the man page is made of. */
export interface ProgramDescription {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionDescription[];
  readonly verbs: readonly VerbDescription[];
}

export interface VerbDescription {
  readonly name: string;
  /** What follows the name: `[options] <folder>`. */
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionDescription[];
  /** It takes the flags of the bridge's settings. */
  readonly takesSettings: boolean;
  /** What its help says last, in lines: exit codes, examples. */
  readonly notes: readonly string[];
}

export interface OptionDescription {
  /** As the help shows it: `--log-level <value>`. */
  readonly flags: string;
  /** Without its dashes: `log-level`. */
  readonly long: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export function describeProgram(program: Command): ProgramDescription {
  const help = program.createHelp();
  return {
    name: program.name(),
    description: program.description(),
    options: help.visibleOptions(program).map(describeOption),
    verbs: help
      .visibleCommands(program)
      .filter((verb) => verb.name() !== "help")
      .map((verb) => ({
        name: verb.name(),
        usage: verb.usage(),
        description: verb.description(),
        arguments: help
          .visibleArguments(verb)
          .map((argument) => ({ name: help.argumentTerm(argument), description: argument.description })),
        options: help.visibleOptions(verb).map(describeOption),
        takesSettings: verb.options.some(({ long }) => long === "--config"),
        notes: notesOf(verb),
      })),
  };
}

/** What addHelpText was given: commander has it in the printed help alone. */
function notesOf(verb: Command): readonly string[] {
  const output = verb.configureOutput();
  const printed: string[] = [];
  verb.configureOutput({ ...output, writeOut: (text) => printed.push(text) });
  verb.outputHelp();
  verb.configureOutput(output);
  const notes = printed.join("").slice(verb.helpInformation().length);
  return notes.split("\n").filter((line) => line !== "");
}

function describeOption(option: Option): OptionDescription {
  return {
    flags: option.flags,
    long: (option.long ?? option.flags).replace(/^--/, ""),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}
