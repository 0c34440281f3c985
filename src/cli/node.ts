import { attempt } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { ServiceOptions } from "../bridge/service.js";
import { createNodeCgroups } from "../cgroup/cgroups.js";
import type { Config } from "../config/schema.js";
import { createNodeHost } from "../host/host.js";
import { openNative } from "../host/native.js";
import { findPeer } from "../host/peer.js";
import { createProcessWatcher } from "../host/process-watcher.js";
import { DirectoryLock } from "../ledger/directory-lock.js";
import { openJournal } from "../ledger/journal-file.js";
import { RunningPlugins } from "../ledger/running.js";
import { EarlyStarts } from "../plugin/early-starts.js";
import type { Spawned } from "../plugin/spawner.js";
import { createStarter } from "../plugin/start.js";
import { StartAhead } from "../plugin/start-ahead.js";

export interface Node
  extends Pick<ServiceOptions, "openJournal" | "findPeer" | "cgroups" | "host" | "spawner" | "afterChain"> {
  /** Waits until no other instance of the bridge holds the state directory; logs that it waits. */
  waitForState(config: Config, signal: AbortSignal): Promise<void>;
  /** Takes the state directory without waiting; returns the other instance that holds it, if there is one. */
  takeState(config: Config): Promise<string | undefined>;
  /** The state directory whose lock this bridge holds now; undefined when it holds none. */
  readonly stateDirectory: string | undefined;
  release(): Promise<void>;
}

/**
 * A launched bridge waits at most this long for the state directory: the runtime's calls wait meanwhile, among them Synchronize,
 * for whose answer the runtime waits 2 s.
 */
const launchedWaitMs = 1_000;

/**
 * The bridge looks for the runtime's process at most this long: the runtime's calls after Configure wait meanwhile, and knowing the
 * process is not worth losing the connection.
 */
const findPeerMs = 700;

/**
 * Creates the parts of the bridge that depend on the node.
 * @param mode in launched mode the bridge must not let the runtime wait
 * @param ending a signal that ends the running plugins when it aborts
 */
export function createNode(mode: "external" | "launched", log: Log, ending: AbortSignal): Node {
  const locks = new Map<string, DirectoryLock>();
  const lockOf = (directory: string) => {
    const lock = locks.get(directory) ?? new DirectoryLock(directory);
    locks.set(directory, lock);
    return lock;
  };
  const onWait = (directory: string) => (holder: string) =>
    log.warn({ directory, holder }, "another bridge has locked the state directory: this bridge waits for it to end");

  const host = createNodeHost("/proc", createProcessWatcher(attempt(openNative)));
  const running = new RunningPlugins({ host, end: (pid) => process.kill(-pid, "SIGKILL"), log });
  const onStart = ({ pid, exited }: Pick<Spawned, "pid" | "exited">) => running.began(pid, exited);
  const startAhead = new StartAhead(createStarter(log, { onStart, signal: ending }), log);
  return {
    spawner: new EarlyStarts(startAhead),
    afterChain: (types) => startAhead.rearm(types),
    cgroups: createNodeCgroups(),
    host,
    async waitForState({ state }, signal) {
      if (state === "memory") return;
      const outcome = await lockOf(state.directory).acquire({ signal, onWait: onWait(state.directory) });
      if (outcome.kind !== "unavailable") return;
      log.warn(
        { directory: state.directory, reason: outcome.reason },
        "the bridge cannot lock its state directory, and goes on without a journal",
      );
    },
    async takeState({ state }) {
      if (state === "memory") return undefined;
      const outcome = await lockOf(state.directory).tryAcquire();
      return outcome.kind === "taken" ? outcome.holder : undefined;
    },
    get stateDirectory() {
      return [...locks].find(([, lock]) => lock.held)?.[0];
    },
    async openJournal({ state }, runtime, ledger, onLateRecovery) {
      if (state === "memory") return undefined;
      const { directory } = state;
      const lock = lockOf(directory);
      if (mode === "launched") await lock.acquire({ waitMs: launchedWaitMs, onWait: onWait(directory) });
      const onLocked = () => running.open(directory);
      const socket = runtime.socketPath ?? "launched";
      return openJournal({ runtime: runtime.name, socket, ledger, directory, lock, log, onLateRecovery, onLocked });
    },
    async findPeer({ socketPath }, withinMs = findPeerMs) {
      if (socketPath === undefined) return process.ppid;
      const peer = await findPeer(socketPath, "/proc", withinMs);
      if (peer.found) return peer.pid;
      log.debug({ reason: peer.reason }, "the bridge cannot determine which process is the runtime");
      return undefined;
    },
    async release() {
      running.close();
      await Promise.all([...locks.values()].map((lock) => lock.release()));
    },
  };
}
