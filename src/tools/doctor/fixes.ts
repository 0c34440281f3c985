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

/** The bridge's file that the runtime launches, as it is executable and named NN-name; undefined when there is none. */
export function launchedBridge({ launched }: Facts): Facts["launched"][number] | undefined {
  return launched.find(({ bridge, executable, named }) => bridge && executable && named);
}

/**
 * Says how to make the bridge reload its configuration, or restart. A launched bridge restarts only with the runtime, and reloads
 * without it only when it has --config.
 */
export function again(facts: Facts, how: "reload" | "restart"): string {
  const { pid, unit, args } = facts.process;
  const isLaunched = launchedBridge(facts) !== undefined;
  if (!isLaunched && (pid === undefined || unit !== "")) return `systemctl ${how} ${unit ?? "nri-v01-bridge"}`;
  if (how === "reload" && flagOf(args, "--config") !== undefined) return `send SIGHUP to process ${pid}, the bridge`;
  if (isLaunched) return restart(facts.runtime);
  return `restart the bridge (process ${pid}, not part of a systemd unit: restart its pod or whatever started it)`;
}

/** compat: k3s and RKE2 write config.toml from a template at each start; their recent versions import drop-in files. */
const rancher = /^(\/.*\/(?:k3s|rke2)\/agent\/etc\/containerd\/config)\.toml$/;

/** The template or drop-in to edit instead of a file that k3s or RKE2 generates; undefined for any other file. */
function sourceOf({ read }: RuntimeFacts["config"], file = ""): string | undefined {
  const [, stem] = rancher.exec(file) ?? [];
  const { imports, version } = { imports: [], version: 2, ...read.find(({ path }) => path === file)?.table };
  const imported = textsOf(imports).find((pattern) => pattern.startsWith(`${stem}`) && pattern.endsWith("/*.toml"));
  if (imported !== undefined) return imported.replace("*.toml", "99-nri.toml");
  const end = `${version === 3 ? "-v3" : ""}.toml.tmpl, below the line {{ template "base" . }} if you make the file,`;
  return stem && `${stem}${end}`;
}

/**
 * Says what to edit in a runtime's configuration. The text is no command, as another program may own the file.
 * @param place a path or `file:line`, or several with " and " between them
 */
export function editRuntime(runtime: RuntimeFacts, place: string, edit: string): string {
  const files = place.split(" and ").map((one) => one.replace(/:\d+$/, ""));
  const generated = files.find((file) => runtime.config.generated.includes(file));
  const source = sourceOf(runtime.config, generated);
  const why = source
    ? `${generated} is generated again at each start of the runtime`
    : "a comment there says that the file is generated: change its source";
  return `in ${source ?? place} ${edit}${generated ? ` (${why})` : ""}; then ${restart(runtime)}`;
}

/** Says how to set one of the runtime's NRI settings. */
export function setNri(
  runtime: RuntimeFacts,
  setting: "enabled" | "connections" | "requestTimeout",
  value: boolean | string,
): string {
  return setUnder(runtime, "", { [nriKeys[setting][runtime.name]]: value }, runtime.config.nri.at[setting]);
}

/** Says how to set keys of NRI's default validator. */
export function setValidator(runtime: RuntimeFacts, settings: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(settings).map(([key, value]) => [validatorKey(runtime.name, key), value]);
  return setUnder(runtime, ".default_validator", Object.fromEntries(pairs), runtime.config.nri.at.validator);
}

/**
 * Says how to set keys in NRI's section of a runtime's configuration, or in a table below that section.
 * @param inner the end of the table's header, after the name of NRI's section
 * @param at the place where one of the keys is set already; undefined when none is
 */
function setUnder(runtime: RuntimeFacts, inner: string, settings: object, at: string | undefined): string {
  const { config, name } = runtime;
  const pairs = Object.entries(settings).map(([key, value]) => [key, JSON.stringify(value)] as const);
  if (at === commandLine) {
    const flags = pairs.map(([key, value]) => `--${key.replaceAll("_", "-")}=${value.replace(/[[\]"]/g, "")}`);
    return editRuntime(runtime, at, `set ${flags.join(" ")}`);
  }
  const header = name === "cri-o" ? `[crio.nri${inner}]` : `[plugins."${config.nriSection}"${inner}]`;
  const edit = `set ${pairs.map((pair) => pair.join(" = ")).join(", ")} under ${header}`;
  // CRI-O reads the files of this directory in order, and a later file wins.
  if (name === "cri-o") return editRuntime(runtime, at ?? "/etc/crio/crio.conf.d/99-nri.conf", edit);
  if (!config.exists) return editRuntime(runtime, config.path, `(a new file with the first line version = 2) ${edit}`);
  // The place where the key is set already, else NRI's section, else the main file.
  return editRuntime(runtime, at ?? config.nriAt ?? config.path, edit);
}

/**
 * Says how to set a key of the bridge's configuration. A launched bridge without a file gets one in the runtime's plugin
 * configuration directory.
 * @param yaml the value as YAML writes it, in one line
 */
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

/**
 * The only advice for a plugin that writes cgroup v1 files on a node with v2. README.md and docs/MIGRATION.md give it in the same
 * words.
 */
export function captureInCreate(facts: Facts, type: string): string {
  const set = setBridge(facts, ["plugins", type], "{phase: create, cgroup: capture}");
  return `${set} (it then runs before the container exists, without a pid, in a cgroup v1 view of its own, and what it writes there becomes the container's resources, which no daemon-reload undoes)`;
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const safePlace = "a directory that root alone can write";

/**
 * The remedy for a permission fault of a file. The remedy is a command only when it takes nothing from other users: a home
 * directory stays its user's, and /tmp stays open to all users.
 * @param fault a text of base/permissions or plugin/permissions, which begins with the path at fault
 */
export function guardFile(file: string, fault: string): string {
  const [, path = file, rest = ""] = /^(\/.*?): (.*)$/s.exec(fault) ?? [];
  if (rest.startsWith("the link belongs to")) return `chown -h root ${shellWord(path)}`;
  if (rest.startsWith("a proc file system")) return `name ${file} by a path that does not lead through ${path}`;
  if (rest.startsWith("its first line ")) return `name the interpreter by its path in the first line of ${path}`;
  const isAbove = file.startsWith(path === "/" ? "/" : `${path}/`);
  const isShared = /^mode [1357]/.test(rest) || path.startsWith("/home/");
  const isFirstLines = rest.includes("(the first line of ");
  if (isFirstLines && isShared) return `let the first line of ${file} name a program in ${safePlace}, not in ${path}`;
  if (isAbove && isShared) return `move ${file} out of ${path}, to ${safePlace}`;
  if (!isFirstLines && !isAbove && path !== file) {
    return `a link on the way to ${file} leads to ${path}: move the target of the link to ${safePlace}, and point the link there`;
  }
  // These commands do not change a file or directory that is safe already.
  const all = (isAbove ? wayTo(file, path) : [path]).map(shellWord).join(" ");
  if (rest.startsWith("it belongs to")) return `chown root ${all} && chmod go-w ${all}`;
  return rest.startsWith("mode ") ? `chmod go-w ${all}` : `let root alone own and write ${path}`;
}

/** The directory `above`, each directory below it on the way to `file`, and `file`. */
function wayTo(file: string, above: string): readonly string[] {
  return file === above ? [file] : [...wayTo(dirname(file), above), file];
}
