import type { Command } from "commander";
import { BridgeError } from "../base/errors.js";
import { valueAt } from "../config/parse.js";
import { configPaths, type PartialConfig } from "../config/schema.js";
import { type BridgeFacts, formatConfigFile } from "../tools/doctor/collect/bridge.js";
import type { PluginFacts } from "../tools/doctor/collect/plugins.js";
import { collectFacts, type Facts } from "../tools/doctor/facts.js";
import { countFindings, type Finding } from "../tools/doctor/finding.js";
import { findAll, formatFinding } from "../tools/doctor/report.js";
import type { Done } from "./command-line.js";
import { addConfigFlags, givenConfig, pluginFlags, readFlags } from "./config.js";
import { type CliIo, exitCodes } from "./io.js";

export function addCheckCommand(program: Command, io: CliIo, done: Done): void {
  const command = program
    .command("check")
    .description("show the configuration in force and what would run for each plugin of conf.json; run nothing")
    .option("--json", "print one JSON object");
  addConfigFlags(command, ["socket", ...pluginFlags]).action(async (options: Record<string, unknown>) => {
    const flags = readFlags(options);
    const facts = await collectFacts({ root: "/", flags, given: givenConfig(options), path: io.environment.PATH });
    const { bridge, conf } = facts;
    if (bridge.faults.length > 0) {
      const faults = bridge.faults.map(({ where, text }) => `${where}: ${text}`);
      throw new BridgeError("CONFIG", faults.join("\n"));
    }
    const findings = findAll(facts, "check").filter(({ severity }) => severity !== "info");
    const settings = listSettings(flags, bridge);
    const plugins = facts.plugins.map((plugin) => describePlugin(plugin, findings));
    if (options.json === true) {
      const found = { configuration: bridge.file ?? null, configurationFrom: bridge.from ?? null };
      const about = { version: 1, ...found, conf: conf.path, settings, plugins, findings };
      io.stdout(`${JSON.stringify(about)}\n`);
    } else io.stdout(format(facts, settings, plugins, findings));
    const { error, warning } = countFindings(findings);
    done(error + warning > 0 ? exitCodes.faults : exitCodes.done);
  });
}

type PluginLine = ReturnType<typeof describePlugin>;

/** What `check` shows of a plugin: how the bridge would run it, and in `faults` the ids of the plugin's findings. */
function describePlugin(plugin: PluginFacts, findings: readonly Finding[]) {
  const { index, type, lookup, cgroup } = plugin;
  const { environment, ...settings } = plugin.settings;
  const path = lookup.ok ? lookup.path : null;
  const own = findings.filter(({ where }) => where === plugin.path || where.endsWith(`#/plugins/${index}`));
  return {
    index,
    type,
    path,
    shadowed: lookup.ok ? lookup.shadowed : [],
    ...settings,
    cgroup,
    environment: { pass: environment.pass, set: Object.keys(environment.set) },
    faults: own.map(({ id }) => id),
  };
}

function format(
  { bridge, conf }: Facts,
  settings: ReturnType<typeof listSettings>,
  plugins: readonly PluginLine[],
  findings: readonly Finding[],
): string {
  const width = Math.max(...settings.map(({ key }) => key.length));
  const lines = [
    formatConfigFile(bridge).trimEnd(),
    ...settings.map(
      ({ key, value, from, where }) => `  ${key.padEnd(width)}  ${JSON.stringify(value)}  (${where ?? from})`,
    ),
    "",
    `plugins of ${conf.path}: ${plugins.length === 0 ? "none" : plugins.length}`,
    ...plugins.flatMap(formatPlugin),
  ];
  return [`${lines.join("\n")}\n`, ...findings.map(formatFinding)].join("\n");
}

function formatPlugin({ index, type, path, shadowed, faults, ...settings }: PluginLine): readonly string[] {
  const shown = Object.entries(settings).map(([key, value]) => {
    return `${key} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`;
  });
  return [
    `  ${index + 1}  ${type}  ${path ?? "not found"}${faults.length === 0 ? "" : `  ${faults.join(", ")}`}`,
    ...(shadowed.length === 0 ? [] : [`     before ${shadowed.join(", ")}`]),
    `     ${shown.join(", ")}`,
  ];
}

/** Every key but `plugins`, with its merged value and the value's source. Hides the values of environment variables. */
function listSettings(flags: PartialConfig, { config, settings, file, lineOf }: BridgeFacts) {
  return configPaths
    .filter((path) => path !== "plugins")
    .map((path) => {
      const keys = path.split(".");
      const value = hidden(path, valueAt(config, keys));
      if (valueAt(flags, keys) !== undefined) return { key: path, value, from: "flag", where: null };
      if (valueAt(settings, keys) === undefined) return { key: path, value, from: "default", where: null };
      return { key: path, value, from: "file", where: `${file}:${lineOf(keys)}` };
    });
}

/** Replaces the values of `environment.set`, which may be secrets, by `(set)`; returns any other value unchanged. */
function hidden(path: string, value: unknown): unknown {
  if (path !== "environment.set" || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).map((name) => [name, "(set)"]));
}
