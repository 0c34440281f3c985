import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeFiles } from "../../../host/node-files.js";
import { hasEnded, type Process, readProcessStat, readText } from "../../../host/proc.js";
import { readStatus, statusFile } from "../../../observe/status.js";
import { isTrusted } from "./runtime.js";

/** Runs the file that its arguments name; `journalctl -fu nri-v01-bridge` does not. */
const interpreter = /^(node(js|\d+)?|(ba|da|a)?sh)$/;

/** Which NRI v2 plugin that runs v0.1 plugins a process is, if it is one: a bridge but for ourselves, or containerd's Go adapter. */
function adapterIn({ pid, args, exe }: Process) {
  if (pid === process.pid) return undefined;
  // As `node --v8-pool-size=1 nri-v01-bridge.mjs`, the launcher's and the image's form: flags come before the program.
  const isInterpreter = [exe, args[0] ?? ""].some((file) => interpreter.test(basename(file)));
  const program = isInterpreter ? args.findIndex((arg, at) => at > 0 && !arg.startsWith("-")) : -1;
  const names = [exe, args[0] ?? "", args[program] ?? ""].map((name) => basename(name));
  if (names.some((name) => name.includes("v010-adapter"))) return "v010-adapter";
  const at = [0, program].find((place) =>
    /^(nri-v01-bridge(\.mjs)?|\d\d-v01-bridge)$/.test(basename(args[place] ?? "")),
  );
  const verb = at === undefined ? "none" : (args[at + 1] ?? "run");
  // `record --run` is the bridge meanwhile.
  const runs = verb === "run" || verb.startsWith("-") || (verb === "record" && args.includes("--run"));
  return runs ? "nri-v01-bridge" : undefined;
}

/** The pids of those among these processes. */
export function adaptersAmong(processes: readonly Process[]) {
  const pidsOf = (name: string) => processes.filter((one) => adapterIn(one) === name).map(({ pid }) => pid);
  return { "nri-v01-bridge": pidsOf("nri-v01-bridge"), "v010-adapter": pidsOf("v010-adapter") };
}

/** The bridges that are root's or ours. */
export function bridgesAmong(processes: readonly Process[]): readonly Process[] {
  return processes.filter((one) => isTrusted(one) && adapterIn(one) === "nri-v01-bridge");
}

/** A service, and not a container that one runs below its own cgroup, nor what a user's manager runs. */
const servicePattern = /\/(?!user@)(?<!\/user@.*)([^/\n]+)\.service(?:\/(?!.*(?:kubepods|\.scope|docker\/)).*)?$/m;

/** The systemd service that a process is in, without `.service`; "" when it is in none, undefined when that cannot be told. */
export function unitOf(pid: number, procRoot: string): string | undefined {
  const cgroups = readText(`${procRoot}/${pid}/cgroup`);
  return cgroups && (servicePattern.exec(cgroups)?.[1] ?? "");
}

export type ProcessFacts = Awaited<ReturnType<typeof readProcess>>;

/** The bridge of the node as its process and its own file show it. @param directory the state directory; undefined for `state: memory` */
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
  // After a restart of the runtime it registers anew within seconds, and its file says so within some more.
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
    /** What it says of itself, or the one that ran last; undefined when that is another bridge's, or cannot be read. */
    status: bridge === own ? found : undefined,
  };
}

/** Its number in its own pid namespace, which is what a process in a container knows. */
function ownPidOf(pid: number, procRoot: string): number {
  const [, inner] = /^NSpid:.*?(\d+)$/m.exec(readText(`${procRoot}/${pid}/status`) ?? "") ?? [];
  return Number(inner ?? pid);
}

const looks = 20;
const registrationLooks = 80;

/** `stuck`: it has not waited for events for two seconds. */
type State = "absent" | "stopped" | "frozen" | "stuck" | "runs";

/** Whether a process of an event loop waits in epoll_wait(2) now and then. One look is enough where all is well. */
async function stateOf(pid: number, procRoot: string, lookEachMs: number): Promise<State> {
  for (let look = 1; look <= looks; look++) {
    const stat = readProcessStat(pid, procRoot);
    if (stat === "unreadable") return "runs";
    if (stat === "missing" || hasEnded(stat)) return "absent";
    // T: by a signal; t: by a debugger.
    if (/t/i.test(stat.state)) return "stopped";
    // The function of the kernel that it waits in; 0, or nothing, where the kernel does not tell.
    const place = readText(`${procRoot}/${pid}/wchan`) ?? "";
    // __refrigerator in cgroup v1; in v2 do_freezer_trap, or get_signal around it, where a stopped one has state T.
    if (/freez|refrigerator|get_signal/.test(place)) return "frozen";
    // ep_poll, or do_epoll_wait, as the kernel was compiled.
    if (/epoll|ep_poll/.test(place) || (stat.state === "S" && /^0?$/.test(place))) return "runs";
    if (look < looks) await sleep(lookEachMs);
  }
  return "stuck";
}
