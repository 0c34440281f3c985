import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeFiles } from "../../../host/node-files.js";
import { hasEnded, type Process, readProcessStat, readText } from "../../../host/proc.js";
import { readStatus, statusFile } from "../../../observe/status.js";
import { isTrusted } from "./runtime.js";

/** Programs that run a file from their arguments. `journalctl -fu nri-v01-bridge` only mentions the bridge's name. */
const interpreter = /^(node(js|\d+)?|(ba|da|a)?sh)$/;

/**
 * Which NRI v2 plugin for v0.1 plugins a process runs: the bridge, or containerd's Go adapter. Undefined for any other process, and
 * for this tool's own.
 */
function adapterIn({ pid, args, exe }: Process) {
  if (pid === process.pid) return undefined;
  // The launcher and the container image run `node --v8-pool-size=1 nri-v01-bridge.mjs`: flags come before the program.
  const isInterpreter = [exe, args[0] ?? ""].some((file) => interpreter.test(basename(file)));
  const program = isInterpreter ? args.findIndex((arg, at) => at > 0 && !arg.startsWith("-")) : -1;
  const names = [exe, args[0] ?? "", args[program] ?? ""].map((name) => basename(name));
  if (names.some((name) => name.includes("v010-adapter"))) return "v010-adapter";
  const at = [0, program].find((place) =>
    /^(nri-v01-bridge(\.mjs)?|\d\d-v01-bridge)$/.test(basename(args[place] ?? "")),
  );
  const verb = at === undefined ? "none" : (args[at + 1] ?? "run");
  // `record --run` does the bridge's work while it records.
  const runs = verb === "run" || verb.startsWith("-") || (verb === "record" && args.includes("--run"));
  return runs ? "nri-v01-bridge" : undefined;
}

/** The pids of the bridges and of the Go adapters among the processes. */
export function adaptersAmong(processes: readonly Process[]) {
  const pidsOf = (name: string) => processes.filter((one) => adapterIn(one) === name).map(({ pid }) => pid);
  return { "nri-v01-bridge": pidsOf("nri-v01-bridge"), "v010-adapter": pidsOf("v010-adapter") };
}

/** The bridges among the processes that root or this tool's own user runs. */
export function bridgesAmong(processes: readonly Process[]): readonly Process[] {
  return processes.filter((one) => isTrusted(one) && adapterIn(one) === "nri-v01-bridge");
}

/**
 * Matches the cgroup path of a systemd service. It matches neither a container below a service's cgroup (kubepods, docker/, a
 * .scope) nor a service of a user's systemd manager (user@).
 */
const servicePattern = /\/(?!user@)(?<!\/user@.*)([^/\n]+)\.service(?:\/(?!.*(?:kubepods|\.scope|docker\/)).*)?$/m;

/**
 * The systemd service of a process, without `.service`; "" when it is in none, undefined when its cgroup file in /proc cannot be
 * read.
 */
export function unitOf(pid: number, procRoot: string): string | undefined {
  const cgroups = readText(`${procRoot}/${pid}/cgroup`);
  return cgroups && (servicePattern.exec(cgroups)?.[1] ?? "");
}

export type ProcessFacts = Awaited<ReturnType<typeof readProcess>>;

/**
 * Reads what the node's bridge shows of itself in /proc and in its status file.
 * @param directory the state directory; undefined for `state: memory`
 */
export async function readProcess(
  files: NodeFiles,
  processes: readonly Process[],
  directory: string | undefined,
  lookEachMs = 100,
) {
  const procRoot = files.locate("/proc");
  const read = () => (directory === undefined ? undefined : readStatus(files.locate(join(directory, statusFile))));
  const bridges = bridgesAmong(processes);
  let found = read();
  const own = bridges.find(({ pid }) => ownPidOf(pid, procRoot) === found?.pid);
  // After a restart of the runtime the bridge registers again within seconds, and updates its status file a few seconds after that.
  for (let look = 1; own !== undefined && found?.registered === null && look <= registrationLooks; look++) {
    await sleep(lookEachMs);
    found = read() ?? found;
  }
  const bridge = own ?? bridges[0];
  return {
    pid: bridge?.pid,
    unit: bridge && unitOf(bridge.pid, procRoot),
    args: bridge?.args ?? [],
    state: bridge === undefined ? "absent" : await stateOf(bridge.pid, procRoot, lookEachMs),
    /**
     * The content of the status file that this bridge wrote, or the last bridge that ran when none runs now. Undefined when another
     * bridge wrote the file, or it cannot be read.
     */
    status: bridge === own ? found : undefined,
  };
}

/** A process's pid in its own pid namespace. A bridge in a container knows, and writes to its status file, only that. */
function ownPidOf(pid: number, procRoot: string): number {
  const [, inner] = /^NSpid:.*?(\d+)$/m.exec(readText(`${procRoot}/${pid}/status`) ?? "") ?? [];
  return Number(inner ?? pid);
}

const looks = 20;
const registrationLooks = 80;

/** `stuck`: the process has not waited for events in any look of the last two seconds. */
type State = "absent" | "stopped" | "frozen" | "stuck" | "runs";

/** The state of a bridge's process. A healthy event loop waits in epoll_wait(2) most of the time, so one look is usually enough. */
async function stateOf(pid: number, procRoot: string, lookEachMs: number): Promise<State> {
  for (let look = 1; look <= looks; look++) {
    const stat = readProcessStat(pid, procRoot);
    if (stat === "unreadable") return "runs";
    if (stat === "missing" || hasEnded(stat)) return "absent";
    // T: a signal stopped the process; t: a debugger stopped it.
    if (/t/i.test(stat.state)) return "stopped";
    // The kernel function that the process waits in; "0" or empty when the kernel does not show it.
    const place = readText(`${procRoot}/${pid}/wchan`) ?? "";
    // A frozen process waits in __refrigerator (cgroup v1), or in do_freezer_trap or its caller get_signal (v2). A process that a
    // signal stopped may be in get_signal too, but has state T.
    if (/freez|refrigerator|get_signal/.test(place)) return "frozen";
    // A waiting event loop is in ep_poll or in do_epoll_wait, depending on how the kernel was compiled.
    if (/epoll|ep_poll/.test(place) || (stat.state === "S" && /^0?$/.test(place))) return "runs";
    if (look < looks) await sleep(lookEachMs);
  }
  return "stuck";
}
