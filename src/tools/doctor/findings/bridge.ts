import { missingEvents } from "../../../bridge/bridge.js";
import { flagOf } from "../../../host/proc.js";
import { hasFeature, inferNriVersion } from "../../../nri/versions.js";
import { digestOf, keptStarts, type Status, statusFile, toldToEnd } from "../../../observe/status.js";
import type { ProcessFacts } from "../collect/process.js";
import { withoutVar } from "../collect/runtime.js";
import type { Facts } from "../facts.js";
import { given, rowOf, type Table } from "../finding.js";
import { again, launchedBridge, restart } from "../fixes.js";
import { mayTakeNri2, nameOf, sockets } from "./runtime.js";

const rowOfBridge = rowOf("doctor");
const row = rowOf("doctor", "migrate");

/** Selects the bridge's process when a runtime runs that is not too old for NRI v2. */
const bridges = given((facts) => (facts.runtime?.pid !== undefined && mayTakeNri2(facts) ? facts.process : undefined));

const without = {
  why: "containers start without their plugins, and the runtime reports no error",
  where: ({ status }: ProcessFacts, { state }: Facts) => (status ? `${state.directory}/${statusFile}` : ""),
} as const;

const halted = {
  stopped: "is stopped by a signal or a debugger",
  frozen: "is frozen with its cgroup",
  stuck: "hangs: its event loop has not run for two seconds",
} as const;

/** Rows about the bridge's process: whether it runs, is registered, and with which configuration it runs. */
export const bridgeRows: Table = [
  [
    rowOfBridge("bridge-not-running", "error", {
      ...without,
      // A bridge file that the runtime cannot launch has a finding of its own (launched-*).
      when: bridges(
        ({ state }, { launched }) =>
          state === "absent" &&
          launched.every(({ bridge, named, executable, missing }) => !bridge || !named || (executable && !missing)),
      ),
      what: ({ status }) => {
        if (status === undefined)
          return "no bridge runs on this node, and no status file shows that a bridge ran before";
        const { end, pid } = status;
        return `the bridge ${end ? `ended at ${end.at}: ${end.text}` : `(process ${pid}) was killed or crashed`}${lastOf(status)}`;
      },
      fix: ({ status }, facts) => {
        if (launchedBridge(facts))
          return `${restart(facts.runtime)} # the runtime launches plugins only when it starts`;
        if (status === undefined)
          return "systemctl enable --now nri-v01-bridge # where it is not installed: README.md, Deploy";
        return "systemctl start nri-v01-bridge # journalctl -u nri-v01-bridge says more; as a DaemonSet: its pod";
      },
    }),
    rowOfBridge("bridge-halted", "error", {
      ...without,
      when: bridges(({ state }) => state in halted),
      what: ({ pid, state }) => `the bridge (process ${pid}) ${Reflect.get(halted, state)}`,
      fix: ({ pid, state, unit }, facts) => {
        if (state === "stuck") return `${again(facts, "restart")}; please report it`;
        const thaw = unit ? `systemctl thaw ${unit}` : `thaw the cgroup of process ${pid}`;
        const after = launchedBridge(facts)
          ? ` # then ${restart(facts.runtime)}, if the runtime has closed the bridge's connection`
          : "";
        return `${state === "stopped" ? `kill -CONT ${pid}` : thaw}${after}`;
      },
    }),
    rowOfBridge("bridge-not-registered", "error", {
      ...without,
      when: bridges(({ pid, status }, facts) => {
        const isYoung = pid === undefined || since(status?.starts.at(-1)) < graceMs;
        return status?.registered === null && (!isYoung || isLoop(status)) && isReachable(facts);
      }),
      what: ({ pid, status }, { runtime, socket }) =>
        `the bridge (process ${pid}) is not registered, though ${runtime?.name} listens on ${socket.path}${lastOf(status)}`,
      fix: (_, facts) => again(facts, "restart"),
    }),
    rowOfBridge("bridge-config-stale", "warning", {
      when: bridges(({ pid, status }, { bridge: { faults, file, from, settings } }) => {
        // A bridge in a container reads the container's own file, even when its path is that of the node's file at the usual place.
        if (status === undefined || pid === undefined || faults.length > 0 || from === "usual") return false;
        const { file: read, digest } = status.configuration;
        const isSame = read === null ? status.mode === "launched" && from === "launched" : read === file;
        return isSame && digestOf(settings) !== digest;
      }),
      what: ({ pid }, { bridge }) => `the bridge (process ${pid}) runs with an older configuration than ${bridge.file}`,
      why: "the bridge has not read the latest changes of its configuration",
      fix: (_, facts) => again(facts, needsRestart(facts) ? "restart" : "reload"),
      where: (_, { bridge }) => bridge.file ?? "",
    }),
  ],
  row("launched-closes-twice", "warning", {
    when: (facts) => {
      const nri = nriOf(facts);
      return nri !== undefined && !hasFeature(nri, "closesOnce") && launchedBridge(facts);
    },
    what: ({ path }, { runtime }) =>
      `${nameOf(runtime)} launches ${path}, and closes a file descriptor of this plugin's connection twice`,
    why: "the second close can close another socket of the runtime: kubectl exec, logs and port-forward then fail until the runtime restarts (containerd issue 8860)",
    fix: "upgrade to containerd 1.7.14 or CRI-O 1.29.2, or later; or run the bridge as a service (deploy/systemd)",
  }),
  row("event-unknown", "warning", {
    when: (facts) => {
      const nri = nriOf(facts);
      return nri && missingEvents(facts.bridge.config, nri);
    },
    what: ({ plugin, event }, { runtime }) =>
      `plugins.${plugin}.events has ${event}, and ${nameOf(runtime)} has no such event`,
    why: "the bridge does not run the plugin for this event",
    fix: ({ plugin, event, remedy }) => `${remedy}; or take ${event} out of plugins.${plugin}.events`,
    where: ({ plugin, event }, { bridge }) => `${bridge.file}:${bridge.lineOf(["plugins", plugin, "events", event])}`,
  }),
];

/** Milliseconds after its start in which a bridge that is not registered may still be about to register. */
const graceMs = 10_000;
/**
 * When the last `keptStarts` starts of the bridge are within this many milliseconds, something restarts it in a loop. Kubelet's
 * back-off reaches 5 minutes.
 */
const loopMs = 15 * 60_000;

function since(time = ""): number {
  return Date.now() - Date.parse(time);
}

function isLoop({ starts, end }: Status): boolean {
  return starts.length === keptStarts && since(starts[0]) < loopMs && !end?.text.startsWith(toldToEnd);
}

function isReachable(facts: Facts): boolean {
  const isOwn = sockets(({ config }, { socket: { path, kind, listening, stale } }) => {
    const isSame = withoutVar(config.nri.socketPath) === withoutVar(path);
    return isSame && kind === "socket" && listening !== false && !stale;
  });
  return isOwn(facts) !== false;
}

/** Whether the file differs from the running bridge in a setting that the bridge reads only at its start: socket, index or name. */
function needsRestart({ bridge: { config }, process: { args, status } }: Facts): boolean {
  const held = [
    ["--socket", status?.socket, config.socketPath],
    ["--idx", status?.plugin.slice(0, 2), config.pluginIdx],
    ["--name", status?.plugin.slice(3), config.pluginName],
  ] as const;
  return held.some(([flag, now, wanted]) => now !== null && now !== wanted && flagOf(args, flag) === undefined);
}

function nriOf({ runtime }: Facts) {
  return runtime && inferNriVersion(runtime.name, runtime.version);
}

function lastOf(status: Status | undefined): string {
  if (status === undefined) return "";
  const { lastFailure: failure, starts } = status;
  const again = isLoop(status) ? `; it was restarted in a loop: ${keptStarts} starts since ${starts[0]}` : "";
  return `${again}${failure ? `; its last failure, at ${failure.at}: ${failure.text}` : ""}`;
}
