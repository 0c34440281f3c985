import type { BundleAnswer, Host } from "./host.js";
import { idleWatcher } from "./process-watcher.js";

/** The node of a recording. */
export interface RecordedHost extends Host {
  readonly kind: "recorded";
  /** Says that the recording has come to the end of a process: its Stop event. */
  end(pid: number): void;
}

/**
 * A recording: its bundles are all there is to ask about, and no pid of it is looked up on this machine. A process lives
 * from when it is named until the recording says that it ended.
 */
export function createRecordedHost(
  bundles: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): RecordedHost {
  const answers: readonly BundleAnswer[] =
    bundles.length > 0
      ? bundles.map((bundle) => ({ found: true, ...bundle }))
      : [{ found: false, reason: "the recording holds no bundle" }];
  const identify = (pid: number) => ({ pid, startTime: undefined, bootId: "", pidNamespace: "" });
  const ended = new Set<number>();
  return {
    kind: "recorded",
    // As on a node: before there is a process, there is nothing to find a bundle by.
    readBundles: ({ pid }) => (pid > 0 ? answers : [{ found: false, reason: "the event names no process" }]),
    identify,
    claim: ({ pid }) =>
      pid > 0
        ? { confirmed: true, identity: identify(pid), parent: 0 }
        : { confirmed: false, reason: "the event names no process" },
    liveness: ({ pid }) => (pid <= 0 ? "unknown" : ended.has(pid) ? "dead" : "alive"),
    sharesPidNamespace: () => ({ answer: "yes", reason: "a recording's pids are its own" }),
    watcher: idleWatcher,
    end: (pid) => void ended.add(pid),
  };
}
