import { basename, dirname } from "node:path";
import { flagOf } from "../../host/proc.js";
import { textsOf } from "../../host/runtime-toml.js";
import { unitsFile } from "./collect/bridge.js";
import type { RuntimeFacts } from "./collect/runtime.js";
import { commandLine, nriKeys, validatorKey } from "./collect/runtime-config.js";
import type { Facts } from "./facts.js";

const services = { containerd: "containerd", "cri-o": "crio" } as const satisfies Record<RuntimeFacts["name"], string>;

export function restart(runtime: RuntimeFacts | undefined): string {
  if (runtime === undefined) return "restart the runtime";
  const { name, pid, unit } = runtime;
  if (unit === "") return `restart ${name} (process ${pid}, not part of a systemd unit)`;
  return `systemctl restart ${unit ?? services[name]}`;
}

/** The bridge that the runtime launches from a file that is executable, as far as its place says. */
export function launchedBridge({ launched }: Facts): Facts["launched"][number] | undefined {
  return launched.find(({ bridge, executable, named }) => bridge && executable && named);
}

/** How the bridge reads its configuration anew, or all anew. A launched one gets both from the runtime. */
export function again(facts: Facts, how: "reload" | "restart"): string {
  const { pid, unit, args } = facts.process;
  const isLaunched = launchedBridge(facts) !== undefined;
  if (!isLaunched && (pid === undefined || unit !== "")) return `systemctl ${how} ${unit ?? "nri-v01-bridge"}`;
  if (how === "reload" && flagOf(args, "--config") !== undefined) return `send SIGHUP to process ${pid}, the bridge`;
  if (isLaunched) return restart(facts.runtime);
  return `restart the bridge (process ${pid}, not part of a systemd unit: restart its pod or whatever started it)`;
}

/** compat: k3s and RKE2 write config.toml anew at each start, from a template, and import drop-ins where they are recent. */
const rancher = /^(\/.*\/(?:k3s|rke2)\/agent\/etc\/containerd\/config)\.toml$/;

/** The source from which another program generates a file; undefined where it is not known. */
function sourceOf({ read }: RuntimeFacts["config"], file = ""): string | undefined {
  const [, stem] = rancher.exec(file) ?? [];
  const { imports, version } = { imports: [], version: 2, ...read.find(({ path }) => path === file)?.table };
  const imported = textsOf(imports).find((pattern) => pattern.startsWith(`${stem}`) && pattern.endsWith("/*.toml"));
  if (imported !== undefined) return imported.replace("*.toml", "99-nri.toml");
  const end = `${version === 3 ? "-v3" : ""}.toml.tmpl, below {{ template "base" . }} where that is a new file,`;
  return stem && `${stem}${end}`;
}

/** The setting for a runtime's configuration. No command: another program may own the file. @param place a path or `file:line` */
export function editRuntime(runtime: RuntimeFacts, place: string, edit: string): string {
  const files = place.split(" and ").map((one) => one.replace(/:\d+$/, ""));
  const generated = files.find((file) => runtime.config.generated.includes(file));
  const source = sourceOf(runtime.config, generated);
  const why = source
    ? `${generated} is generated again at each start of the runtime`
    : "this file says that it is generated: change its source";
  return `in ${source ?? place} ${edit}${generated ? ` (${why})` : ""}; then ${restart(runtime)}`;
}

/** How one of the runtime's NRI settings is set. */
export function setNri(
  runtime: RuntimeFacts,
  setting: "enabled" | "connections" | "requestTimeout",
  value: boolean | string,
): string {
  return setUnder(runtime, "", { [nriKeys[setting][runtime.name]]: value }, runtime.config.nri.at[setting]);
}

/** The same for settings of NRI's default validator. */
export function setValidator(runtime: RuntimeFacts, settings: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(settings).map(([key, value]) => [validatorKey(runtime.name, key), value]);
  return setUnder(runtime, ".default_validator", Object.fromEntries(pairs), runtime.config.nri.at.validator);
}

/** @param inner the end of the header, below NRI's section @param at where one is set already */
function setUnder(runtime: RuntimeFacts, inner: string, settings: object, at: string | undefined): string {
  const { config, name } = runtime;
  const pairs = Object.entries(settings).map(([key, value]) => [key, JSON.stringify(value)] as const);
  if (at === commandLine) {
    const flags = pairs.map(([key, value]) => `--${key.replaceAll("_", "-")}=${value.replace(/[[\]"]/g, "")}`);
    return editRuntime(runtime, at, `set ${flags.join(" ")}`);
  }
  const header = name === "cri-o" ? `[crio.nri${inner}]` : `[plugins."${config.nriSection}"${inner}]`;
  const edit = `set ${pairs.map((pair) => pair.join(" = ")).join(", ")} under ${header}`;
  // A later file of the directory wins.
  if (name === "cri-o") return editRuntime(runtime, at ?? "/etc/crio/crio.conf.d/99-nri.conf", edit);
  if (!config.exists) return editRuntime(runtime, config.path, `(a new file with the first line version = 2) ${edit}`);
  // Where it is set already, else where its section is, else the main file.
  return editRuntime(runtime, at ?? config.nriAt ?? config.path, edit);
}

/** How a key of the bridge's configuration is set. A bridge that the runtime launches gets it from the runtime alone.
 * @param yaml the value as YAML writes it, in one line */
export function setBridge(
  facts: Facts,
  path: readonly string[],
  yaml: string,
  how: "reload" | "restart" = "reload",
): string {
  const { bridge, runtime } = facts;
  const ours = launchedBridge(facts);
  const newFile = ours && runtime ? `${runtime.config.nri.pluginConfigPath}/${basename(ours.path)}.conf` : unitsFile;
  const line = bridge.lineOf(path);
  const [first = "", ...inner] = path.map((key) => (/^[A-Za-z_][\w.-]*$/.test(key) ? key : JSON.stringify(key)));
  const value = inner.reduceRight((within, key) => `{${key}: ${within}}`, yaml);
  const place = `${bridge.file ?? newFile}${line === undefined ? "" : `:${line}`}`;
  return `in ${place} set ${first}: ${value}; then ${again(facts, how)}`;
}

/** The one answer for a plugin that writes cgroup v1 files on a node with v2; README.md and docs/MIGRATION.md say it in these words. */
export function captureInCreate(facts: Facts, type: string): string {
  const set = setBridge(facts, ["plugins", type], "{phase: create, cgroup: capture}");
  return `${set} (it then runs before the container exists, without a pid, in a cgroup v1 view of its own, and what it writes there becomes the container's resources, which no daemon-reload undoes)`;
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const safePlace = "a directory that root alone can write";

/**
 * The remedy of a fault of base/permissions or plugin/permissions, whose text begins with the path.
 * A command only where it takes nothing from others: a home is its user's, and /tmp stays open to all users.
 */
export function guardFile(file: string, fault: string): string {
  const [, path = file, rest = ""] = /^(\/.*?): (.*)$/s.exec(fault) ?? [];
  if (rest.startsWith("the link belongs to")) return `chown -h root ${shellWord(path)}`;
  if (rest.startsWith("a proc file system")) return `name ${file} by a path that does not lead through ${path}`;
  if (rest.startsWith("it gives env ")) return `name the interpreter by its path in the first line of ${path}`;
  const isAbove = file.startsWith(path === "/" ? "/" : `${path}/`);
  const isShared = /^mode [1357]/.test(rest) || path.startsWith("/home/");
  const isFirstLines = rest.includes("(the first line of ");
  if (isFirstLines && isShared) return `let the first line of ${file} name a program in ${safePlace}, not in ${path}`;
  if (isAbove && isShared) return `move ${file} out of ${path}, to ${safePlace}`;
  if (!isFirstLines && !isAbove && path !== file) {
    return `a link on the way to ${file} leads to ${path}: move the target of the link to ${safePlace}, and point the link there`;
  }
  // What is well there stays as it is.
  const all = (isAbove ? wayTo(file, path) : [path]).map(shellWord).join(" ");
  if (rest.startsWith("it belongs to")) return `chown root ${all} && chmod go-w ${all}`;
  return rest.startsWith("mode ") ? `chmod go-w ${all}` : `let root alone own and write ${path}`;
}

/** A path above a file, and each below it on the way there. */
function wayTo(file: string, above: string): readonly string[] {
  return file === above ? [file] : [...wayTo(dirname(file), above), file];
}
