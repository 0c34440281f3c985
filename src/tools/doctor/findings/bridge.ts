import { missingEvents } from "../../../bridge/bridge.js";
import { flagOf } from "../../../host/proc.js";
import { hasFeature, inferNriVersion } from "../../../nri/versions.js";
import { digestOf, statusFile, toldToEnd } from "../../../observe/status.js";
import type { ProcessFacts } from "../collect/process.js";
import { withoutVar } from "../collect/runtime.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { again, launchedBridge, restart } from "../fixes.js";
import { mayTakeNri2, nameOf, sockets } from "./runtime.js";

const row = rowOf("doctor");
const rowOfNode = rowOf("doctor", "migrate");

const noPlugin = "containers start without their plugins, and nothing says so";
const ofProcess = { severity: "error", why: noPlugin, where: statusPlace } as const;

/** The bridge itself: whether it runs, is registered, and with which configuration. */
export const bridgeRows: Table = [
  [
    row({
      id: "bridge-start-loop",
      ...ofProcess,
      when: running((facts) => isLoop(facts)),
      what: (facts) =>
        `the bridge is started again and again, ${facts.status?.starts.length} times since ${facts.status?.starts[0]}${lastOf(facts)}`,
      fix: "mend what it says; journalctl -u nri-v01-bridge has the lines around it",
    }),
    row({
      id: "bridge-dropped",
      ...ofProcess,
      when: running(
        ({ state }, facts) =>
          state === "absent" && launchedBridge(facts)?.missing === undefined && launchedBridge(facts) !== undefined,
      ),
      what: (facts, { runtime }) => `${runtime?.name} launches the bridge, and it does not run: ${endOf(facts)}`,
      why: `a runtime launches its plugins when it starts, and not again where it closed the connection or they ended: ${noPlugin}`,
      fix: (_, { runtime }) => restart(runtime),
    }),
    row({
      id: "bridge-not-running",
      ...ofProcess,
      when: running(({ state }, { launched }) => {
        // One that the runtime cannot start has a finding of its own.
        const cannotStart = launched.some(
          ({ bridge, named, executable, missing }) => bridge && named && !(executable && !missing),
        );
        return state === "absent" && !cannotStart;
      }),
      what: endOf,
      fix: ({ neverRan }) =>
        neverRan
          ? "systemctl enable --now nri-v01-bridge # where it is not installed yet: README.md, Run"
          : "systemctl start nri-v01-bridge # journalctl -u nri-v01-bridge says more; as a DaemonSet: its pod",
    }),
    row({
      id: "bridge-stopped",
      ...ofProcess,
      when: running(({ state }) => state === "stopped" || state === "frozen"),
      what: ({ pid, state }) =>
        `the bridge (process ${pid}) is ${state === "stopped" ? "stopped by a signal or a debugger" : "frozen with its cgroup"}`,
      fix: ({ pid, state, unit }, facts) => {
        const thaw = unit ? `systemctl thaw ${unit}` : `thaw the cgroup of process ${pid}, as docker unpause does`;
        const after = launchedBridge(facts)
          ? ` # then ${restart(facts.runtime)}, where it has closed the connection`
          : "";
        return `${state === "stopped" ? `kill -CONT ${pid}` : thaw}${after}`;
      },
    }),
    row({
      id: "bridge-stuck",
      ...ofProcess,
      when: running(({ state }) => state === "stuck"),
      what: ({ pid }) => `the bridge (process ${pid}) has not looked for events for two seconds: it hangs`,
      fix: (_, facts) => `${again(facts, "restart")}; please report it`,
    }),
    row({
      id: "bridge-not-registered",
      ...ofProcess,
      when: running(({ state, status }, facts) => {
        const isYoung = Date.now() - Date.parse(status?.starts.at(-1) ?? "") < graceMs;
        return state === "runs" && status?.registered === null && !isYoung && isReachable(facts);
      }),
      what: (facts, { runtime, socket }) =>
        `the bridge (process ${facts.pid}) is not registered, though ${runtime?.name} listens on ${socket.path}${lastOf(facts)}`,
      fix: (_, facts) => again(facts, "restart"),
    }),
    row({
      id: "bridge-config-stale",
      severity: "warning",
      when: running(({ state, status }, { bridge }) => {
        if (state !== "runs" || status === undefined || bridge.faults.length > 0) return false;
        const { file, digest } = status.configuration;
        const isSame = file === null ? status.mode === "launched" && bridge.from === "launched" : file === bridge.file;
        return isSame && digestOf(bridge.settings) !== digest;
      }),
      what: ({ pid }, { bridge }) => `the bridge (process ${pid}) runs with an older configuration than ${bridge.file}`,
      why: "what was changed in the file has no effect yet",
      fix: (_, facts) => again(facts, needsRestart(facts) ? "restart" : "reload"),
      where: (_, { bridge }) => bridge.file ?? "",
    }),
  ],
  rowOfNode({
    id: "launched-closes-twice",
    severity: "warning",
    when: (facts) => {
      const { runtime } = facts;
      const nri = runtime && inferNriVersion(runtime.name, runtime.version);
      return nri !== undefined && !hasFeature(nri, "closesOnce") && launchedBridge(facts);
    },
    what: ({ path }, { runtime }) =>
      `${runtime && nameOf(runtime)} launches ${path}, and closes a descriptor of it twice`,
    why: "another file or socket of the runtime may be closed with it: kubectl exec, logs and port-forward fail until its next restart (containerd issue 8860)",
    fix: "go to containerd 1.7.14 or CRI-O 1.29.2, or later; or run the bridge as a service (deploy/systemd)",
  }),
  rowOfNode({
    id: "event-unknown",
    severity: "warning",
    when: ({ runtime, bridge }) => {
      const nri = runtime && inferNriVersion(runtime.name, runtime.version);
      return nri && missingEvents(bridge.config, nri);
    },
    what: ({ plugin, event }, { runtime }) =>
      `plugins.${plugin}.events has ${event}, and ${runtime && nameOf(runtime)} has no such event`,
    why: "the plugin is not run for it",
    fix: ({ plugin, event, remedy }, { bridge }) =>
      `${remedy}; or take ${event} out of plugins.${plugin}.events in ${bridge.file}:${bridge.lineOf(["plugins", plugin, "events", event])}`,
    where: ({ plugin, event }, { bridge }) => `${bridge.file}:${bridge.lineOf(["plugins", plugin, "events", event])}`,
  }),
];

/** As long as a registration may take that is on its way. */
const graceMs = 10_000;
/** Starts within so long are a loop: kubelet's back-off reaches 5 minutes. */
const loopMs = 15 * 60_000;

/** The bridge's process, where a runtime runs that may have one. */
function running(holds: (process: ProcessFacts, facts: Facts) => boolean) {
  return (facts: Facts) =>
    facts.runtime?.pid !== undefined && mayTakeNri2(facts) && holds(facts.process, facts) && facts.process;
}

function isLoop({ state, status }: ProcessFacts): boolean {
  const [first = "", , , last = ""] = status?.starts ?? [];
  const isSettled = state !== "absent" && Date.now() - Date.parse(status?.registered ?? "") > graceMs;
  const isOver = status?.end?.text.startsWith(toldToEnd);
  return !isSettled && !isOver && last !== "" && Date.now() - Date.parse(first) < loopMs;
}

const isReachable = (facts: Facts) =>
  sockets(({ config }, { socket }) => {
    const isOwn = withoutVar(config.nri.socketPath) === withoutVar(socket.path);
    return isOwn && socket.kind === "socket" && socket.listening !== false && !socket.stale;
  })(facts) !== false;

/** Whether the file says something else of what is set at the start alone. */
function needsRestart({ bridge: { config }, process: { args, status } }: Facts): boolean {
  if (status?.mode !== "external") return false;
  const [index = "", name = ""] = status.plugin.split(/-(.*)/s);
  const held = [
    ["--socket", status.socket, config.socketPath],
    ["--idx", index, config.pluginIdx],
    ["--name", name, config.pluginName],
  ] as const;
  return held.some(([flag, now, wanted]) => now !== wanted && flagOf(args, flag) === undefined);
}

function lastOf({ status }: ProcessFacts): string {
  const failure = status?.lastFailure;
  return failure ? `; its last failure, at ${failure.at}: ${failure.text}` : "";
}

function endOf(facts: ProcessFacts): string {
  const { status, neverRan } = facts;
  if (status === undefined) return `no bridge runs on this node${neverRan ? ", and none has run" : ""}`;
  const { end, pid } = status;
  return `the bridge ${end ? `ended at ${end.at}: ${end.text}` : `(process ${pid}) was killed or crashed`}${lastOf(facts)}`;
}

function statusPlace({ status }: ProcessFacts, { state }: Facts): string {
  return status === undefined ? "" : `${state.directory}/${statusFile}`;
}
