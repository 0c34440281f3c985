import type { Command, Option } from "commander";

/** The command line as data: what completion scripts and the man page are made of. */
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
  readonly options: readonly OptionDescription[];
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
        options: help.visibleOptions(verb).map(describeOption),
      })),
  };
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
