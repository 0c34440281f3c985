import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { findTooDeep } from "../config/parse.js";
import type { Facts, RuntimeFacts } from "./facts.js";

const services = { containerd: "containerd", "cri-o": "crio" } as const satisfies Record<RuntimeFacts["name"], string>;

export function restart({ name }: Pick<RuntimeFacts, "name">): string {
  return `systemctl restart ${services[name]}`;
}

/**
 * What to write where in a runtime's configuration, and what makes it count. Words, and never a command: the file may be another
 * program's, and its form is for people to see.
 * @param place a path, or `file:line`
 */
export function editRuntime(runtime: RuntimeFacts, place: string, edit: string): string {
  const path = fileOf(place);
  const text = runtime.config.files.find((file) => file.path === path)?.text ?? "";
  const head = text.slice(0, 1000).split("\n");
  const generated = head.some((line) => /^\s*#.*\b(generated|do not edit|managed by)\b/i.test(line));
  const warning = generated ? ` (this file is generated, as it says itself: change what it is made from)` : "";
  return `in ${place} ${edit}${warning}; then ${restart(runtime)}`;
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

/** How a value of the runtime's NRI settings is set. */
export function setNri(runtime: RuntimeFacts, { key, at }: NriKey, value: boolean | string): string {
  const { config, name } = runtime;
  if (name === "cri-o") {
    const text = toToml(key === "disable" ? value !== true : value);
    // A later file of the directory wins.
    const place = at ?? "/etc/crio/crio.conf.d/99-nri.conf";
    return editRuntime(runtime, place, `set ${crioKeys[key]} = ${text} under [crio.nri]`);
  }
  const section = config.nriSection;
  const setting = `set ${key} = ${toToml(value)} under [plugins."${section}"]`;
  if (!config.exists)
    return editRuntime(runtime, config.path, `(a new file with the first line version = 2) ${setting}`);
  // Where it is set already, else where its section is, else the main file.
  const place = at ?? config.sections.findLast((one) => one.name === section)?.where ?? config.path;
  return editRuntime(runtime, place, setting);
}

function toToml(value: boolean | string): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

function fileOf(place: string): string {
  return place.replace(/:\d+$/, "");
}

/**
 * How a key of the bridge's configuration is set: the file, the line where the key or what it belongs to stands already, and
 * what makes it count.
 * @param yaml the value as YAML writes it, in one line
 */
export function setBridge(
  facts: Pick<Facts, "bridge" | "launched" | "runtime">,
  path: readonly string[],
  yaml: string,
  how: "reload" | "restart" = "reload",
): string {
  const { file = facts.bridge.newFile, text = "" } = facts.bridge;
  const line = lineOfYaml(text, path);
  const setting = path.reduceRight((inner, key, depth) => {
    const pair = `${/^[A-Za-z_][\w.-]*$/.test(key) ? key : JSON.stringify(key)}: ${inner}`;
    return depth === 0 ? pair : `{${pair}}`;
  }, yaml);
  return `in ${file}${line === undefined ? "" : `:${line}`} set ${setting}; then ${makeItCount(facts, how)}`;
}

/** What makes a bridge take its configuration: one that the runtime launched gets it from the runtime alone. */
function makeItCount(
  { bridge, launched, runtime }: Pick<Facts, "bridge" | "launched" | "runtime">,
  how: "reload" | "restart",
): string {
  const ours = launched.find((file) => file.bridge && (bridge.file === undefined || file.configFile === bridge.file));
  if (ours !== undefined && runtime !== undefined) return restart(runtime);
  return `systemctl ${how} nri-v01-bridge`;
}

/** The line of the deepest of these keys that stands in a text. */
function lineOfYaml(text: string, path: readonly string[]): number | undefined {
  if (findTooDeep(text) !== undefined) return undefined;
  const lines = new LineCounter();
  let at: unknown = parseDocument(text, { lineCounter: lines }).contents;
  let line: number | undefined;
  for (const name of path) {
    const pair = isMap(at) ? at.items.find(({ key }) => isScalar(key) && key.value === name) : undefined;
    if (pair === undefined || !isScalar(pair.key) || !pair.key.range) break;
    ({ line } = lines.linePos(pair.key.range[0]));
    at = pair.value;
  }
  return line;
}
