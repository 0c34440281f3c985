// Writes docs/man/nri-v01-bridge.1, the man page, from the command line itself.
// With --check it writes nothing and fails when the page is not up to date.
import { build } from "esbuild";
import { version } from "./bundle.mjs";
import { writeOrCheck } from "./write-or-check.mjs";

const root = new URL("..", import.meta.url);
const compiled = new URL("dist/gen/program.mjs", root);
await build({
  entryPoints: [new URL("src/cli/program.ts", root).pathname],
  outfile: compiled.pathname,
  bundle: true,
  platform: "node",
  format: "esm",
  banner: { js: 'import{createRequire as r}from"node:module";const require=r(import.meta.url);' },
  logLevel: "warning",
});
const { createProgram } = await import(compiled.href);
const silent = { args: [], fileName: "", environment: {}, stdout: () => {}, stderr: () => {} };
const program = createProgram(silent, () => {});
const help = program.createHelp();

/** Text as roff reads it, in lines of 78: what begins a line with a dot or a quote would be a request. */
const text = (plain) =>
  plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/`([^`]*)`/g, "\\fB$1\\fR")
    .replace(/(.{1,78})(?: |$)/g, "$1\n")
    .trimEnd()
    .replace(/^([.'])/gm, "\\&$1");
const optionLines = ({ flags, description }) => [".TP", `.B ${text(flags)}`, text(description)];

/** What addHelpText was given, in paragraphs: commander has it in the printed help alone. */
const notesOf = (verb) => {
  const printed = [];
  verb.configureOutput({ writeOut: (written) => printed.push(written) });
  verb.outputHelp();
  const notes = printed.join("").slice(verb.helpInformation().length);
  return notes.split("\n\n").map((note) => note.replaceAll("\n", " ").trim());
};

const verbLines = (verb) => [
  `.SS ${text(`${verb.name()} ${verb.usage()}`)}`,
  text(`${verb.description()[0].toUpperCase()}${verb.description().slice(1)}.`),
  ...help
    .visibleArguments(verb)
    .flatMap((argument) => [".TP", `.I ${text(help.argumentTerm(argument))}`, text(argument.description)]),
  ...help.visibleOptions(verb).flatMap((option) => (option.long === "--help" ? [] : optionLines(option))),
  ...notesOf(verb).flatMap((note) => [".PP", text(note)]),
];

const lines = [
  '.\\" Made by scripts/gen-man.mjs from the command line; do not edit.',
  `.TH NRI\\-V01\\-BRIDGE 1 "" "${program.name()} ${version}" "User Commands"`,
  ".SH NAME",
  "nri\\-v01\\-bridge \\- run NRI v0.1 plugins under containerd 1.7, 2.x and CRI\\-O",
  ".SH SYNOPSIS",
  ".B nri\\-v01\\-bridge",
  "[\\fIcommand\\fR] [\\fIoptions\\fR]",
  ".SH DESCRIPTION",
  text(program.description()),
  ...help.visibleOptions(program).flatMap(optionLines),
  ".SH COMMANDS",
  ...help
    .visibleCommands(program)
    .filter((verb) => verb.name() !== "help")
    .flatMap(verbLines),
  ".SH EXIT STATUS",
  ...[
    ["0", "done"],
    ["1", "problems found"],
    ["2", "wrong usage or configuration"],
    ["3", "the runtime cannot be reached (--once)"],
    ["4", "the runtime refused the registration"],
    ["5", "the connection was lost (launched by the runtime, or --once)"],
    ["70", "internal error, please report it"],
    ["129, 130, 143", "SIGHUP, SIGINT or SIGTERM ended simulate, replay, explain, exec or conformance"],
  ].flatMap(([code, what]) => [".TP", `.B ${code}`, text(what)]),
  ".SH ENVIRONMENT",
  ...[
    ["NRI_PLUGIN_NAME, NRI_PLUGIN_IDX, NRI_PLUGIN_SOCKET", "set by a runtime that launches the bridge"],
    ["NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID", "set by systemd for Type=notify and WatchdogSec="],
  ].flatMap(([variable, what]) => [".TP", `.B ${text(variable)}`, text(what)]),
  ".SH FILES",
  ...[
    ["/etc/nri/conf.json", "lists the v0.1 plugins, as it did for containerd 1.6"],
    ["/opt/nri/bin", "the v0.1 plugins"],
    ["/var/run/nri/nri.sock", "the runtime's NRI socket"],
    ["/var/lib/nri-v01-bridge", "the journal of creates that await their delete"],
    ["/etc/nri-v01-bridge/config.yaml", "the bridge's configuration where systemd's unit starts it"],
    ["/etc/nri/conf.d/10-v01-bridge.conf", "the bridge's configuration where the runtime launches it"],
  ].flatMap(([file, what]) => [".TP", `.I ${text(file)}`, text(what)]),
  ".SH SEE ALSO",
  "README.md, CONFIG.md, MIGRATION.md, PLUGINS.md, RESULTS.md and json.md of the package; containerd(8), crictl(1)",
];
writeOrCheck("docs/man/nri-v01-bridge.1", `${lines.join("\n")}\n`);
