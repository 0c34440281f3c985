import { basename } from "node:path";
import { unitsFile } from "./collect/bridge.js";
import type { RuntimeFacts } from "./collect/runtime.js";
import { commandLine, nriKeys, validatorKey } from "./collect/runtime-config.js";
import type { Facts } from "./facts.js";

const services = { containerd: "containerd", "cri-o": "crio" } as const satisfies Record<RuntimeFacts["name"], string>;

export function restart(runtime: Pick<RuntimeFacts, "name"> | undefined): string {
  return runtime === undefined ? "restart the runtime" : `systemctl restart ${services[runtime.name]}`;
}

/** What to write into a runtime's configuration. No command: another program may own the file. @param place a path or `file:line` */
export function editRuntime(runtime: RuntimeFacts, place: string, edit: string): string {
  const files = place.split(" and ").map((one) => one.replace(/:\d+$/, ""));
  const generated = files.some((file) => runtime.config.generated.includes(file));
  const warning = generated ? " (this file is generated, as it says itself: change what it is made from)" : "";
  return `in ${place} ${edit}${warning}; then ${restart(runtime)}`;
}

/** How one of the runtime's NRI settings is set. @param value as TOML writes it */
export function setNri(
  runtime: RuntimeFacts,
  setting: "enabled" | "connections" | "requestTimeout",
  value: string,
): string {
  const key = nriKeys[setting][runtime.name];
  return setUnder(runtime, "", [[key, value]], runtime.config.nri.at[setting]);
}

/** The same for settings of NRI's default validator. */
export function setValidator(runtime: RuntimeFacts, settings: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(settings).map(
    ([key, value]) => [validatorKey(runtime.name, key), JSON.stringify(value)] as const,
  );
  return setUnder(runtime, ".default_validator", pairs, runtime.config.nri.at.validator);
}

/** @param inner the end of the header, below NRI's section @param at where one is set already */
function setUnder(
  runtime: RuntimeFacts,
  inner: string,
  settings: readonly (readonly [key: string, value: string])[],
  at: string | undefined,
): string {
  const { config, name } = runtime;
  if (at === commandLine) {
    const flags = settings.map(([key, value]) => `--${key.replaceAll("_", "-")}=${value.replace(/[[\]"]/g, "")}`);
    return editRuntime(runtime, at, `set ${flags.join(" ")}`);
  }
  const header = name === "cri-o" ? `[crio.nri${inner}]` : `[plugins."${config.nriSection}"${inner}]`;
  const edit = `set ${settings.map((pair) => pair.join(" = ")).join(", ")} under ${header}`;
  // A later file of the directory wins.
  if (name === "cri-o") return editRuntime(runtime, at ?? "/etc/crio/crio.conf.d/99-nri.conf", edit);
  if (!config.exists) return editRuntime(runtime, config.path, `(a new file with the first line version = 2) ${edit}`);
  // Where it is set already, else where its section is, else the main file.
  return editRuntime(runtime, at ?? config.nriAt ?? config.path, edit);
}

/** How a key of the bridge's configuration is set. A bridge that the runtime launches gets it from the runtime alone.
 * @param yaml the value as YAML writes it, in one line */
export function setBridge(
  { bridge, launched, runtime }: Facts,
  path: readonly string[],
  yaml: string,
  how: "reload" | "restart" = "reload",
): string {
  const ours = launched.find((file) => file.bridge && (bridge.file === undefined || file.configFile === bridge.file));
  const isLaunched = ours !== undefined && runtime !== undefined;
  const newFile = isLaunched ? `${runtime.config.nri.pluginConfigPath}/${basename(ours.path)}.conf` : unitsFile;
  const line = bridge.lineOf(path);
  const [first = "", ...inner] = path.map((key) => (/^[A-Za-z_][\w.-]*$/.test(key) ? key : JSON.stringify(key)));
  const value = inner.reduceRight((within, key) => `{${key}: ${within}}`, yaml);
  const counts = isLaunched ? restart(runtime) : `systemctl ${how} nri-v01-bridge`;
  return `in ${bridge.file ?? newFile}${line === undefined ? "" : `:${line}`} set ${first}: ${value}; then ${counts}`;
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const safePlace = "a directory that root alone can write";

/**
 * What mends a fault of base/permissions or plugin/permissions, whose text begins with the path.
 * A command only where it takes nothing from others: a home is its user's, and /tmp stays open to everybody.
 */
export function guardFile(file: string, fault: string): string {
  const [, path = file, rest = ""] = /^(\/.*?): (.*)$/s.exec(fault) ?? [];
  const word = shellWord(path);
  if (rest.startsWith("the link belongs to")) return `chown -h root ${word}`;
  if (rest.startsWith("a proc file system")) return `name ${file} by a path that does not lead through ${path}`;
  if (rest.startsWith("it gives env ")) return `name the interpreter by its path in the first line of ${path}`;
  const isAbove = file.startsWith(path === "/" ? "/" : `${path}/`);
  const isShared = /^mode [1357]/.test(rest) || path.startsWith("/home/");
  const isFirstLines = rest.includes("(the first line of ");
  if (isFirstLines && isShared) return `let the first line of ${file} lead to ${safePlace}, and not to ${path}`;
  if (isAbove && isShared) return `move ${file} out of ${path}, to ${safePlace}`;
  if (!isFirstLines && !isAbove && path !== file) {
    return `a link on the way to ${file} leads to ${path}: put what it leads to into ${safePlace}, and let the link lead there`;
  }
  const both = isAbove ? `${word} ${shellWord(file)}` : word;
  if (rest.startsWith("it belongs to")) return `chown root ${word} && chmod go-w ${both}`;
  return rest.startsWith("mode ") ? `chmod go-w ${both}` : `let root alone own and write ${path}`;
}
