import { Argument, type Command } from "commander";
import { describeProgram, type OptionDescription, type ProgramDescription, type VerbDescription } from "./describe.js";
import type { CliIo } from "./io.js";

/** Prints what a shell needs to complete our command line, made from the command line itself. */
export function addCompletionCommand(program: Command, io: CliIo): void {
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "whose script").choices(Object.keys(shells)))
    .addHelpText(
      "after",
      "\nbash: source <(nri-v01-bridge completion bash)\n" +
        "zsh:  nri-v01-bridge completion zsh > /usr/local/share/zsh/site-functions/_nri-v01-bridge\n" +
        "fish: nri-v01-bridge completion fish > ~/.config/fish/completions/nri-v01-bridge.fish",
    )
    .action((shell: string) => {
      const script = isShell(shell) ? shells[shell] : undefined;
      if (script !== undefined) io.stdout(script(describeProgram(program)));
    });
}

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

function isShell(name: string): name is keyof typeof shells {
  return Object.hasOwn(shells, name);
}

/** Where no word fits, readline completes file names (complete -o default). */
function bashScript({ name, verbs, options }: ProgramDescription): string {
  const run = verbs.find((verb) => verb.name === "run");
  const names = verbs.map((verb) => verb.name);
  const first = [...names, "help", ...longFlags(options), ...longFlags(run?.options ?? [])];
  const all = verbs.flatMap((verb) => verb.options);
  const choices = new Map(all.filter((option) => option.choices.length > 0).map(({ long, choices: of }) => [long, of]));
  const values = new Set(all.filter((option) => option.takesValue).map(({ long }) => `--${long}`));
  const lines = [
    `# bash completion of ${name}; made by: ${name} completion bash`,
    "_nri_v01_bridge() {",
    `  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} verb= word words value=`,
    "  COMPREPLY=()",
    "  case $before in",
    ...[...choices].map(([long, of]) => `    --${long}) ${reply(quote(of.join(" ")))}; return ;;`),
    `    ${[...values].join("|")}) return ;;`,
    "  esac",
    // A word that follows a flag is its value, and may be called as a verb is; bash makes a word of `=`, too.
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    "    if [[ -n $value ]]; then [[ $word == = ]] || value=; continue; fi",
    "    case $word in",
    `      ${[...values].join("|")}) value=1 ;;`,
    `      ${[...names, "help"].join("|")}) verb=$word; break ;;`,
    "    esac",
    "  done",
    "  case $verb in",
    ...verbs.map((verb) => `    ${verb.name}) words=${quote(verbWords(verb).join(" "))} ;;`),
    `    help) words=${quote(names.join(" "))} ;;`,
    `    *) words=${quote([...new Set(first)].join(" "))} ;;`,
    "  esac",
    `  ${reply('"$words"')}`,
    "}",
    `complete -o default -F _nri_v01_bridge ${name}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** The words that begin as the current one does are the answer. */
function reply(words: string): string {
  return `mapfile -t COMPREPLY < <(compgen -W ${words} -- "$current")`;
}

function verbWords(verb: VerbDescription): string[] {
  return [...longFlags(verb.options), ...(verb.name === "completion" ? Object.keys(shells) : [])];
}

function longFlags(options: readonly OptionDescription[]): string[] {
  return options.map(({ long }) => `--${long}`);
}

function zshScript({ name, verbs, options }: ProgramDescription): string {
  const specs = (of: readonly OptionDescription[]) =>
    of.map((option) => {
      const { long, description, takesValue, choices } = option;
      const value = choices.length > 0 ? `:value:(${choices.join(" ")})` : takesValue ? ":value:_files" : "";
      return `        ${quote(`*--${long}[${description.replace(/[[\]\\:]/g, "\\$&")}]${value}`)}`;
    });
  const rest = (verb: VerbDescription) =>
    verb.name === "completion" ? `*:shell:(${Object.keys(shells).join(" ")})` : "*:file:_files";
  const lines = [
    `#compdef ${name}`,
    `# made by: ${name} completion zsh`,
    "_nri_v01_bridge() {",
    "  local -a verbs",
    "  verbs=(",
    ...verbs.map((verb) => `    ${quote(`${verb.name}:${verb.description.replaceAll(":", "\\:")}`)}`),
    "  )",
    "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then",
    "    _describe -t commands command verbs",
    "    return",
    "  fi",
    "  case $words[2] in",
    "    help) _describe -t commands command verbs ;;",
    ...verbs.flatMap((verb) => [
      `    ${verb.name})`,
      "      _arguments \\",
      ...[...specs(verb.options), `        ${quote(rest(verb))}`].map((spec, index, all) =>
        index < all.length - 1 ? `${spec} \\` : spec,
      ),
      "      ;;",
    ]),
    "    *)",
    "      _arguments \\",
    ...specs(options).map((spec, index, all) => (index < all.length - 1 ? `${spec} \\` : spec)),
    "      ;;",
    "  esac",
    "}",
    '_nri_v01_bridge "$@"',
  ];
  return `${lines.join("\n")}\n`;
}

function fishScript({ name, verbs, options }: ProgramDescription): string {
  const line = (condition: string, { long, description, takesValue, choices }: OptionDescription) => {
    const value = choices.length > 0 ? ` -x -a ${quote(choices.join(" "))}` : takesValue ? " -r" : "";
    return `complete -c ${name} -n ${quote(condition)} -l ${long}${value} -d ${quote(description)}`;
  };
  const lines = [
    `# fish completion of ${name}; made by: ${name} completion fish`,
    ...options.map((option) => line("__fish_use_subcommand", option)),
    ...verbs.flatMap((verb) => [
      `complete -c ${name} -f -n __fish_use_subcommand -a ${verb.name} -d ${quote(verb.description)}`,
      ...verb.options.map((option) => line(`__fish_seen_subcommand_from ${verb.name}`, option)),
    ]),
    `complete -c ${name} -f -n '__fish_seen_subcommand_from help' -a ${quote(verbs.map((verb) => verb.name).join(" "))}`,
    `complete -c ${name} -f -n '__fish_seen_subcommand_from completion' -a ${quote(Object.keys(shells).join(" "))}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** One word of a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
