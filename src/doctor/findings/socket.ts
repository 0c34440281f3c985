import type { Facts, RuntimeFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";
import { restart, setBridge } from "../fixes.js";
import { speaksNri2 } from "./runtime.js";

/** Whether a bridge that runs as a service reaches the runtime. A launched one is given its connection. */
export function socketFindings(facts: Facts): readonly Finding[] {
  const { runtime, socket, launched } = facts;
  if (runtime?.pid === undefined || launched.some(({ bridge, executable }) => bridge && executable)) return [];
  const { nri } = runtime.config;
  if (speaksNri2(runtime) === false || !nri.enabled || !nri.connections) return [];
  if (withoutVar(nri.socketPath) !== withoutVar(socket.path)) {
    return [
      {
        id: "socket-path-differs",
        severity: "error",
        what: `the bridge connects to ${socket.path}, and ${runtime.name} listens on ${nri.socketPath}`,
        why: "the bridge waits for ever, and no plugin runs",
        fix: setBridge(facts, ["socketPath"], nri.socketPath, "restart"),
        where: facts.bridge.file ?? runtime.config.path,
      },
    ];
  }
  return reachability(facts, runtime);
}

/** /var/run is /run on every distribution of today. */
function withoutVar(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

function reachability({ socket }: Facts, runtime: RuntimeFacts): readonly Finding[] {
  const about = { where: socket.path, why: "the bridge cannot connect, and no plugin runs" };
  const path = shellWord(socket.path);
  if (socket.kind === "missing") {
    const what = `${socket.path} is not there, though ${runtime.name} has NRI switched on`;
    const fix = `in a container mount the directory of the socket; on the node itself ${restart(runtime)}`;
    return [{ id: "socket-missing", severity: "error", ...about, what, fix }];
  }
  if (socket.kind === "other") {
    const what = `${socket.path} is no socket`;
    // Docker makes a directory for a bind mount whose source is not there yet.
    const fix = `mv -n ${path} ${shellWord(`${socket.path}.old`)} # then ${restart(runtime)}`;
    return [{ id: "socket-not-a-socket", severity: "error", ...about, what, fix }];
  }
  const { identity, runtimeIdentity } = socket;
  if (identity !== undefined && runtimeIdentity !== undefined && identity !== runtimeIdentity) {
    return [
      {
        id: "socket-stale",
        severity: "error",
        ...about,
        what: `${socket.path} is an old file: ${runtime.name} made a new socket of this name when it was restarted`,
        fix: "mount the socket's directory into the container instead of the socket, and start the container again",
      },
    ];
  }
  if (socket.listening === false) {
    const what = `nobody listens on ${socket.path}`;
    return [{ id: "socket-dead", severity: "error", ...about, what, fix: restart(runtime) }];
  }
  if (!socket.writable) {
    const what = `this user may not connect to ${socket.path}`;
    const fix = "run the bridge as root: whoever may use this socket can change every container of the node";
    return [{ id: "socket-not-permitted", severity: "error", ...about, what, fix }];
  }
  if (!socket.mounted) return [];
  return [
    {
      id: "socket-mounted",
      severity: "warning",
      what: `${socket.path} itself is mounted`,
      why: `at its next restart ${runtime.name} makes a new socket, and the mount keeps the old one`,
      fix: "mount the socket's directory instead of the socket",
      where: socket.path,
    },
  ];
}
