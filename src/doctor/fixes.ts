import { dirname } from "node:path";
import type { BridgeFacts, RuntimeFacts } from "./facts.js";
import { shellWord } from "./finding.js";
import { removeFromList, setTomlValue } from "./toml-edit.js";
import { setYamlValue } from "./yaml-edit.js";

const services = { containerd: "containerd", "cri-o": "crio" } as const satisfies Record<RuntimeFacts["name"], string>;

export function restart({ name }: Pick<RuntimeFacts, "name">): string {
  return `systemctl restart ${services[name]}`;
}

/** An NRI setting of a runtime: the name that it has there, and where it stands now. */
export interface NriKey {
  readonly key: "disable" | "disable_connections" | "plugin_request_timeout";
  readonly at: string | undefined;
}

/** CRI-O's names for the same. */
const crioKeys = {
  disable: "enable_nri",
  disable_connections: "nri_disable_connections",
  plugin_request_timeout: "nri_plugin_request_timeout",
} as const satisfies Record<NriKey["key"], string>;

/** The command that sets a value in the runtime's NRI settings and lets it take effect. */
export function setNri(runtime: RuntimeFacts, { key, at }: NriKey, value: boolean | string): string {
  if (runtime.name === "cri-o") {
    // A later file of the directory wins: nothing of the others has to be touched. One for each key: none undoes another.
    const name = crioKeys[key];
    const file = `/etc/crio/crio.conf.d/99-nri-v01-bridge-${name.replaceAll("_", "-")}.conf`;
    const text = toToml(key === "disable" ? value !== true : value);
    return `mkdir -p ${dirname(file)} && printf '[crio.nri]\\n${name} = ${text}\\n' > ${file} && ${restart(runtime)}`;
  }
  const { config } = runtime;
  const section = config.nriSection;
  const words = `${key} = ${toToml(value)} in [plugins."${section}"]`;
  if (!config.exists) {
    const target = shellWord(config.path);
    const made = { path: config.path, text: "version = 2\n" };
    const start = `mkdir -p ${shellWord(dirname(config.path))} && { test -e ${target} || printf 'version = 2\\n' > ${target}; }`;
    return `${start} && ${setTomlValue(made, ["plugins", section], key, value)} && ${restart(runtime)}`;
  }
  // Where it is set already, else where its section is, else the main file.
  const path = fileOf(at) ?? fileOf(config.sections.findLast(({ name }) => name === section)?.where) ?? config.path;
  const file = config.files.find((one) => one.path === path);
  const command = file && setTomlValue(file, ["plugins", section], key, value);
  return command === undefined ? byHand(runtime, path, `set ${words}`) : `${command} && ${restart(runtime)}`;
}

/** What to write where, if no command is sure to do it and nothing else. */
export function byHand(runtime: RuntimeFacts, path: string, edit: string): string {
  return `keep a copy (cp -p ${shellWord(path)} ${shellWord(`${path}.bak`)}), then in ${path} ${edit}, then ${restart(runtime)}`;
}

/** The command that takes plugins out of `disabled_plugins`, in each file that lists them. */
export function enablePlugins(runtime: RuntimeFacts, names: readonly string[]): string {
  const { config } = runtime;
  const listed = config.disabledPlugins.filter(({ name }) => names.includes(name));
  const paths = [...new Set(listed.map(({ file }) => file))];
  const commands = paths.map((path) => {
    const file = config.files.find((one) => one.path === path);
    return file && removeFromList(file, "disabled_plugins", names);
  });
  if (!commands.includes(undefined)) return `${commands.join(" && ")} && ${restart(runtime)}`;
  return byHand(runtime, paths.join(" and "), `take ${names.join(" and ")} out of disabled_plugins`);
}

function toToml(value: boolean | string): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

function fileOf(place: string | undefined): string | undefined {
  return place?.replace(/:\d+$/, "");
}

/** How a key of the bridge's configuration is set: a command where one is sure to do that alone, else what to write where. */
export function setBridge(bridge: BridgeFacts, path: readonly string[], value: string): string {
  const { file = bridge.newFile, text } = bridge;
  const command = text === undefined ? undefined : setYamlValue(file, text, path, value);
  if (command === undefined) return `in ${file} set ${path.join(".")}: ${value}`;
  return bridge.file === undefined ? `mkdir -p ${shellWord(dirname(file))}; ${command}` : command;
}

/** Where an NRI setting stands, or would: for the finding's `where`. */
export function placeOfNri({ config }: RuntimeFacts, at: string | undefined): string {
  return at ?? config.path;
}
