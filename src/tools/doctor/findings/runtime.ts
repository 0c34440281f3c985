import { dirname } from "node:path";
import { planCall } from "../../../bridge/call-time.js";
import { flagOf } from "../../../host/proc.js";
import { inferNriVersion, parseVersion } from "../../../nri/versions.js";
import { type RuntimeFacts, withoutVar } from "../collect/runtime.js";
import { nriSection } from "../collect/runtime-config.js";
import type { Facts } from "../facts.js";
import { given, rowOf, type Table } from "../finding.js";
import { again, editRuntime, launchedBridge, restart, setBridge, setNri, shellWord } from "../fixes.js";

const row = rowOf("doctor", "migrate");

const runtimes = given(({ runtime }) => runtime);
/** Selects the runtime when it is not too old for NRI v2 and doctor can read all of its configuration. */
const readable = given((facts) => {
  return mayTakeNri2(facts) && facts.runtime?.config.faults.length === 0 ? facts.runtime : undefined;
});
/**
 * Selects a running runtime that accepts NRI connections, when the bridge runs as a service and so has to connect to the socket. A
 * launched bridge gets its connection from the runtime.
 */
export const sockets = given((facts) => {
  const { runtime } = facts;
  const { enabled, connections } = { enabled: false, connections: false, ...runtime?.config.nri };
  const isServed = enabled && connections && !launchedBridge(facts);
  return runtime?.pid !== undefined && mayTakeNri2(facts) && isServed ? runtime : undefined;
});

const noSocket = {
  why: "the bridge cannot connect, and no plugin runs",
  where: (_: unknown, { socket }: Facts) => socket.path,
} as const;

/** Rows about the runtime, its configuration, its socket, and the plugins that it launches. */
export const runtimeRows: Table = [
  row("runtime-missing", "error", {
    when: ({ runtime }) => runtime === undefined,
    what: "neither containerd nor CRI-O runs here or is installed",
    why: "the bridge runs plugins for the events of a runtime",
    fix: "from a container, mount the node's / and give it as --root; if the node has no runtime, install containerd 1.7 or later, or CRI-O 1.26 or later",
    where: "/",
  }),
  rowOf("doctor")("runtime-too-old", "error", {
    when: runtimes((runtime) => speaksNri2(runtime) === false),
    what: (runtime) => `${nameOf(runtime)} does not speak NRI v2`,
    why: ({ name }) =>
      name === "containerd"
        ? "containerd up to 1.6 runs v0.1 plugins itself, and the bridge has nothing to connect to"
        : "CRI-O has NRI from 1.26 on",
    fix: "nri-v01-bridge doctor --migrate # says what changes for each plugin; then upgrade the runtime",
  }),
  row("runtime-out-of-sight", "warning", {
    when: runtimes(({ pid }, { socket }) => pid === undefined && socket.kind === "socket" && !socket.refuses),
    what: ({ name }) => `the NRI socket exists, but doctor finds no process of ${name}`,
    why: "outside of the runtime's pid namespace the bridge cannot read OCI bundles (requests then lack fields), and does not notice pods that end",
    fix: "run doctor and the bridge in the host's pid namespace: hostPID: true in the DaemonSet, --pid=host for a container",
    where: "/proc",
  }),
  row("runtime-stopped", "warning", {
    when: runtimes(({ pid }, { socket }) => pid === undefined && (socket.kind !== "socket" || socket.refuses)),
    what: (runtime, { socket }) =>
      `${nameOf(runtime)} is installed but not running${socket.refuses ? `: it left ${socket.path}, which refuses connections` : ""}`,
    why: "the runtime sends no events, and doctor can judge only its configuration files",
    fix: (runtime) => `if it is this node's runtime: ${restart(runtime)}`,
  }),
  row("runtime-twice", "warning", {
    // compat: at its start, NRI removes the file at its socket's path and makes a new socket, so the runtime that
    // started before has none any more.
    when: ({ others, runtime }) =>
      others.filter(({ config: { nri, disabledPlugins } }) => {
        const isSame = withoutVar(nri.socketPath) === withoutVar(runtime?.config.nri.socketPath ?? "");
        return isSame && nri.enabled && !disabledPlugins.some(({ name }) => name === nriSection);
      }),
    what: (other, { runtime }) => `two runtimes share one NRI socket: ${placeOf(runtime)}, ${placeOf(other)}`,
    why: "the runtime that started last has the socket, and pods of the other runtime have no plugins",
    fix: (other) =>
      `leave NRI on in the runtime that the kubelet uses (--container-runtime-endpoint); if that is the first one, ${setNri(other, "enabled", other.name !== "cri-o")}`,
    where: ({ config }) => config.path,
  }),
  row("runtime-config-fault", "error", {
    when: (facts) => mayTakeNri2(facts) && facts.runtime?.config.faults,
    what: ({ text }, { runtime }) => `${runtime?.name}'s configuration is not usable: ${text}`,
    why: "doctor cannot rely on this configuration, and the runtime may not start with it",
    fix: ({ text }, { runtime }) =>
      text.includes("EACCES") ? "sudo nri-v01-bridge doctor" : `correct the file, then ${restart(runtime)}`,
  }),
  row("nri-settings-ignored", "error", {
    when: (facts) => mayTakeNri2(facts) && facts.runtime?.config.ignored,
    severity: ({ switches }, { runtime }) => (switches && runtime?.config.nri.enabled === false ? "error" : "warning"),
    what: ({ keys, table, belongs }, { runtime }) => {
      const stated = `${table} has ${keys.join(", ")}`;
      return table === belongs
        ? `${stated}, and NRI has no such key`
        : `${stated}, and ${runtime && nameOf(runtime)} reads NRI's keys under ${belongs}`;
    },
    // compat: measured with `containerd config dump` of 1.7.24 and 2.1.9.
    why: ({ table, belongs }, { runtime }) => {
      if (table === belongs) return "the runtime ignores a key that it does not know";
      const stops = "; with version = 2 and a short name such as [plugins.cri], containerd 1.7 does not start";
      return `the runtime ignores keys in another table${runtime?.version.startsWith("1.7") ? stops : ""}`;
    },
    fix: ({ keys, table, belongs, meant, where }, { runtime }) => {
      if (runtime === undefined) return "";
      const replaced = meant === undefined ? `take ${keys[0]} out` : `write ${meant} instead of ${keys[0]}`;
      // compat: measured on 1.7.24: with `version = 2` containerd does not start when the file has `[plugins.cri]` or a
      // short name in disabled_plugins.
      const or = "; or write version = 2 as the first line, if no name in the file is short, like [plugins.cri]";
      const moved = `move ${keys.join(", ")} to ${belongs}${belongs === "[plugins.nri]" ? or : ""}`;
      return editRuntime(runtime, where, table === belongs ? replaced : moved);
    },
  }),
  [
    row("nri-disabled", "error", {
      when: readable((runtime) => disabled(runtime).length > 0),
      what: (runtime) => `disabled_plugins of ${nameOf(runtime)} holds ${quoted(disabled(runtime))}`,
      why: "NRI works only with containerd's own plugins nri and cri: no v0.1 plugin runs, and the runtime reports no error",
      fix: (runtime) => {
        const places = [...new Set(disabled(runtime).map(({ where }) => where))].join(" and ");
        return editRuntime(runtime, places, `take ${quoted(disabled(runtime))} out of disabled_plugins`);
      },
      where: (runtime) => disabled(runtime)[0]?.where ?? "",
    }),
    row("nri-disabled", "error", {
      when: readable(({ config: { nri, ignored } }) => !nri.enabled && !ignored.some(({ switches }) => switches)),
      what: (runtime) =>
        `NRI is switched off in ${nameOf(runtime)}${runtime.config.nri.at.enabled === undefined ? ", which is its default" : ""}`,
      why: "the runtime has no NRI socket, no plugin runs, and the runtime reports no error",
      fix: switchNriOn,
      where: ({ config }) => config.nri.at.enabled ?? config.path,
    }),
    row("nri-connections-disabled", "error", {
      when: readable(({ config }, { launched }) => !config.nri.connections && !launched.some(({ bridge }) => bridge)),
      what: (runtime) => `${nameOf(runtime)} refuses connections of plugins, and launches no bridge`,
      why: "the bridge that runs as a service cannot register",
      fix: (runtime) => setNri(runtime, "connections", false),
      where: ({ config }) => config.nri.at.connections ?? config.path,
    }),
    row("request-timeout-short", "warning", {
      when: readable((_, facts) => facts.plugins.length > 0 && chainMs(facts) < shortMs),
      what: (runtime, facts) =>
        `${nameOf(runtime)} waits ${runtime.config.nri.requestTimeoutMs} ms for an answer, so all plugins of an event have ${chainMs(facts)} ms together`,
      why: "the bridge kills a plugin that does not end in time, and the create fails",
      fix: (runtime) => setNri(runtime, "requestTimeout", "2s"),
      where: ({ config }) => config.nri.at.requestTimeout ?? config.path,
    }),
  ],
  row("crio-starts-all-the-same", "warning", {
    // compat: CRI-O logs an error of StartContainer as a warning and starts the container (server/container_start.go).
    when: ({ runtime, plugins }) => {
      const late = plugins.filter((plugin) => plugin.settings.phase === "start" && mayRefuse(plugin));
      return runtime?.name === "cri-o" && late.length > 0 && { late };
    },
    what: ({ late }) =>
      `CRI-O starts a container although the create of ${late.map(({ type }) => type).join(", ")} failed`,
    why: "CRI-O only warns about an error of StartContainer, so a container that a plugin refuses runs; CRI-O obeys an error of CreateContainer",
    fix: ({ late }, facts) => {
      const path = late.length === facts.plugins.length ? ["phase"] : ["plugins", late[0]?.type ?? "", "phase"];
      return `if the plugin does not need the container's pid, which phase create does not have yet: ${setBridge(facts, path, "create")}`;
    },
    where: (_, { bridge }) => bridge.file ?? bridge.config.confFile,
  }),
  [
    row("socket-path-differs", "error", {
      when: sockets(({ config }, { socket }) => withoutVar(config.nri.socketPath) !== withoutVar(socket.path)),
      what: ({ name, config }, { socket }) =>
        `the bridge connects to ${socket.path}, and ${name} listens on ${config.nri.socketPath}`,
      why: "the bridge never connects, and no plugin runs",
      fix: ({ config }, facts) => {
        const { bridge, process, socket } = facts;
        const wanted = config.nri.socketPath;
        if (process.status?.socket === socket.path && flagOf(process.args, "--socket") !== undefined) {
          return `give the bridge --socket ${wanted} on its command line; then ${again(facts, "restart")}`;
        }
        // The file names the right socket: the bridge started before the file changed.
        if (withoutVar(bridge.config.socketPath) === withoutVar(wanted)) return again(facts, "restart");
        return setBridge(facts, ["socketPath"], wanted, "restart");
      },
      where: ({ config }, { bridge }) => bridge.file ?? config.path,
    }),
    row("socket-missing", "error", {
      // The path may be a directory: Docker makes one for a bind mount whose source does not exist yet.
      ...noSocket,
      when: sockets((_, { socket }) => socket.kind !== "socket"),
      what: ({ name }, { socket }) =>
        `${socket.path} ${socket.kind === "missing" ? "does not exist" : "is not a socket"}, though ${name} has NRI switched on`,
      fix: (runtime, { socket: { kind, path } }) =>
        kind === "missing"
          ? `in a container mount the directory of the socket; on the node itself ${restart(runtime)}`
          : `mv -n ${shellWord(path)} ${shellWord(`${path}.old`)} # then ${restart(runtime)}`,
    }),
    row("socket-dead", "error", {
      ...noSocket,
      when: sockets((_, { socket }) => socket.stale || socket.listening === false),
      what: ({ name }, { socket }) =>
        `no process listens on ${socket.path}${socket.stale ? `: ${name} made a new socket of this name when it was restarted` : ""}`,
      fix: (runtime, { socket }) =>
        socket.stale
          ? "mount the socket's directory into the container instead of the socket, and start the container again"
          : restart(runtime),
    }),
    row("socket-mounted", "warning", {
      when: sockets((_, { socket }) => socket.mounted),
      what: (_, { socket }) => `the socket ${socket.path} itself is mounted here, not its directory`,
      why: ({ name }) => `at its next restart ${name} makes a new socket, and the mount keeps the old one`,
      fix: "mount the socket's directory instead of the socket",
      where: (_, { socket }) => socket.path,
    }),
  ],
  row("launched-bad-name", "error", {
    when: (facts) => mayTakeNri2(facts) && facts.launched.filter(({ executable, named }) => executable && !named),
    what: ({ path }) => `${path} is executable, and its name is not NN-name`,
    why: "one such file makes the runtime's search for plugins fail: NRI does not start, and containerd 1.7 exits",
    fix: ({ path }, { runtime }) =>
      `${moveOut(path, runtime)}; to have the file launched, name it NN-name, such as 10-name`,
  }),
  row("launched-not-executable", "error", {
    // The fix must not make a file executable that cannot start: containerd 1.7 exits when it cannot launch a plugin.
    when: (facts) => ownLaunched(facts).filter(({ executable, missing }) => !executable && missing === undefined),
    what: ({ path }) => `${path} is not executable`,
    why: "the runtime skips the file without an error, and no plugin runs",
    fix: ({ path }, { runtime }) => `chmod 0755 ${shellWord(path)} # then ${restart(runtime)}`,
  }),
  row("launched-cannot-start", "error", {
    when: (facts) => ownLaunched(facts).filter(({ missing }) => missing !== undefined),
    what: ({ path, missing }) =>
      `${path} starts ${missing}, which is ${missing?.startsWith("/") ? "missing or not executable" : "neither in /usr/bin nor in /bin"}`,
    why: "a runtime launches plugins without PATH, so the bridge does not start, and no plugin runs",
    fix: ({ missing }) =>
      missing?.startsWith("/")
        ? `install ${missing}`
        : `name ${missing} by its path in this file, as deploy/launched/install.sh --node does`,
  }),
  row("go-adapter-too", "warning", {
    when: (facts) => {
      const file = live(facts).find(({ adapter }) => adapter)?.path;
      const [pid] = facts.adapters["v010-adapter"];
      return mayTakeNri2(facts) && (file ?? (pid === undefined ? undefined : `process ${pid}`));
    },
    what: (adapter) => `containerd's v010-adapter runs v0.1 plugins here too (${adapter})`,
    why: (_, { conf }) => `every plugin of ${conf.path} runs twice for each event`,
    fix: (adapter, { runtime }) =>
      adapter.startsWith("/") ? moveOut(adapter, runtime) : `stop ${adapter}, and disable the service that starts it`,
  }),
  row("bridge-twice", "warning", {
    when: (facts) => {
      const files = live(facts).filter(({ bridge }) => bridge);
      const pids = facts.adapters["nri-v01-bridge"];
      // A launched file and its process are one and the same bridge.
      const twice = files.length > 1 || pids.length > Math.max(files.length, 1);
      const names = [...files.map(({ path }) => path), ...pids.map((pid) => `process ${pid}`)];
      return mayTakeNri2(facts) && twice && { names, launched: files.length > 0 };
    },
    what: ({ names }) => `several bridges run or are launched: ${names.join(", ")}`,
    why: "every plugin runs once for each bridge; of services that share a state directory, one works and the others wait",
    fix: ({ launched }, { runtime }) =>
      launched
        ? `keep one: disable the service that starts the processes (systemctl disable --now nri-v01-bridge), or move the launched executable out of its directory, then ${restart(runtime)}`
        : "keep one, and disable the services that start the others",
    where: ({ names }) => names[0] ?? "",
  }),
];

/** Whether the runtime speaks NRI v2 at all; undefined when its version is not known. */
export function speaksNri2({ name, version }: RuntimeFacts): boolean | undefined {
  return parseVersion(version) === undefined ? undefined : inferNriVersion(name, version) !== undefined;
}

export function nameOf({ name, version }: Partial<RuntimeFacts> = {}): string {
  return version ? `${name} ${version}` : `${name}`;
}

/** Whether the bridge fails the runtime's call when the plugin's create fails. */
export function mayRefuse({ settings }: Facts["plugins"][number]): boolean {
  return settings.states.includes("create") && settings.onFailure.create === "fail" && !settings.async;
}

export function switchNriOn(runtime: RuntimeFacts): string {
  return setNri(runtime, "enabled", runtime.name === "cri-o");
}

/** Whether there is a runtime that is not too old for NRI v2. */
export function mayTakeNri2({ runtime }: Facts): boolean {
  return runtime !== undefined && speaksNri2(runtime) !== false;
}

function placeOf(runtime: RuntimeFacts | undefined): string {
  return `${nameOf(runtime)} (process ${runtime?.pid}${runtime?.unit ? `, ${runtime.unit}` : ""})`;
}

/** The entries of `disabled_plugins` that NRI needs. */
export function disabled({ config }: RuntimeFacts): RuntimeFacts["config"]["disabledPlugins"] {
  const needed: readonly string[] = [nriSection, "nri", "io.containerd.grpc.v1.cri", "cri"];
  return config.disabledPlugins.filter(({ name }) => needed.includes(name));
}

function quoted(listed: RuntimeFacts["config"]["disabledPlugins"]): string {
  return [...new Set(listed.map(({ name }) => `"${name}"`))].join(" and ");
}

/** A chain of plugins needs at least this many milliseconds: under load, a shell takes that long to start and answer. */
const shortMs = 500;

/** Milliseconds that a chain of plugins has within the runtime's request timeout. */
function chainMs({ runtime, bridge }: Facts): number {
  return Math.round(planCall(runtime?.config.nri.requestTimeoutMs ?? 0, "", bridge.config).limitMs);
}

/**
 * The bridge's files in the directory of launched plugins. A file that is not executable is left out while a bridge runs: its user
 * has switched it off, and a second bridge would run each plugin twice.
 */
function ownLaunched(facts: Facts): Facts["launched"] {
  const runs = facts.adapters["nri-v01-bridge"].length > 0;
  const ours = facts.launched.filter(({ bridge, named, executable }) => bridge && named && (executable || !runs));
  return mayTakeNri2(facts) ? ours : [];
}

function live({ launched }: Facts): Facts["launched"] {
  return launched.filter(({ executable, named }) => executable && named);
}

/**
 * The command that moves a file out of the directory of launched plugins, so that the runtime does not launch it. chmod would not
 * do: NRI takes every link for executable, and chmod changes the file that the link leads to.
 */
function moveOut(path: string, runtime: RuntimeFacts | undefined): string {
  return `mv -n ${shellWord(path)} ${shellWord(`${dirname(dirname(path))}/`)} # then ${restart(runtime)}`;
}
