import { dirname } from "node:path";
import { nriSection } from "./collect/containerd-config.js";
import type { BridgeFacts, RuntimeConfig, RuntimeFacts } from "./facts.js";
import { shellWord } from "./finding.js";

/** Where the bridge's settings go on a node that has no file for them yet. */
const newBridgeFile = "/etc/nri-v01-bridge.yaml";

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
  const restarted = `${restart(runtime)}`;
  if (runtime.name === "cri-o") {
    // A later file of the directory wins: nothing of the others has to be touched.
    const file = "/etc/crio/crio.conf.d/99-nri-v01-bridge.conf";
    const text = toToml(key === "disable" ? value !== true : value);
    return `mkdir -p ${dirname(file)} && printf '[crio.nri]\\n${crioKeys[key]} = ${text}\\n' > ${file} && ${restarted}`;
  }
  return `${editContainerd(runtime.config, key, at, toToml(value))} && ${restarted}`;
}

function editContainerd(config: RuntimeConfig, key: string, at: string | undefined, value: string): string {
  const [file, line] = splitPlace(at);
  if (line !== undefined) return `sed -i '${line}s|=.*|= ${value}|' ${shellWord(file)}`;
  const section = config.sections.findLast(({ name }) => name === sectionName(config));
  const [sectionFile, sectionLine] = splitPlace(section?.where);
  if (sectionLine !== undefined) return `sed -i '${sectionLine}a ${key} = ${value}' ${shellWord(sectionFile)}`;
  const header = config.exists && (config.version ?? 1) < 2 ? "[plugins.nri]" : `[plugins."${nriSection}"]`;
  const target = shellWord(config.path);
  if (config.exists) return `printf '\\n${header}\\n${key} = ${value}\\n' >> ${target}`;
  return `mkdir -p ${shellWord(dirname(config.path))} && printf 'version = 2\\n${header}\\n${key} = ${value}\\n' > ${target}`;
}

function sectionName(config: RuntimeConfig): string {
  return (config.version ?? 1) < 2 ? "nri" : nriSection;
}

function toToml(value: boolean | string): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

function splitPlace(place: string | undefined): readonly [file: string, line: string | undefined] {
  const [, file = place ?? "", line] = /^(.*?):(\d+)$/.exec(place ?? "") ?? [];
  return [file, line];
}

/**
 * How a key of the bridge's configuration is set: a command where the file has nothing of the kind yet, else what to write
 * where.
 */
export function setBridge({ file, keys }: BridgeFacts, path: readonly string[], value: string): string {
  const [first = ""] = path;
  const line = path.reduceRight((inner, key) => (inner === value ? `${key}: ${inner}` : `${key}: {${inner}}`), value);
  if (keys.has(first)) return `in ${file ?? newBridgeFile} set ${path.join(".")}: ${value}`;
  const command = `printf '${line}\\n' >> ${shellWord(file ?? newBridgeFile)}`;
  return file === undefined ? `${command} # and start the bridge with --config ${newBridgeFile}` : command;
}

/** Where an NRI setting stands, or would: for the finding's `where`. */
export function placeOfNri({ config }: RuntimeFacts, at: string | undefined): string {
  return at ?? config.path;
}
