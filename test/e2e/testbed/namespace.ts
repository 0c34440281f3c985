import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type CommandOptions, type CommandResult, runCommand } from "./command.js";

/** A process inside a namespace, which outlives the call that started it. */
export interface NamespaceProcess {
  /** Its number inside of the namespace: what a runtime there calls it. */
  readonly pid: number;
  /** The exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  readonly running: boolean;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/**
 * A mount and pid namespace of its own with private /etc, /opt, /run and /var/lib: what is written there is seen in
 * the namespace alone and is gone with it, so several runtimes use their well-known paths side by side.
 */
export interface Namespace {
  /** The process, numbered as outside, that the namespace belongs to. */
  readonly holder: number;
  /** Where a path of the namespace is found from outside. */
  path(inside: string): string;
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Starts a process; its stdout and stderr go to the file descriptor `output`. */
  start(command: string, args: readonly string[], output: number, env?: NodeJS.ProcessEnv): Promise<NamespaceProcess>;
  /** Ends every process of the namespace, whatever it is, and drops the mounts. */
  close(): Promise<void>;
}

/**
 * The first process of the namespace. It makes the private directories as overlays in memory, so that the machine gets
 * no new mount points. It is bash because bash reaps what is reparented to it. It ends when its stdin ends: if the
 * test process dies in whatever way, the kernel ends all that runs in the namespace.
 */
const holder = `
set -e
mount -t tmpfs nri-testbed "$1"
for name in etc opt run var/lib; do
  mkdir -p "$1/upper/$name" "$1/scratch/$name"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$1/upper/$name,workdir=$1/scratch/$name" "/$name"
done
echo ready
while read -r _; do :; done
`;

/** Opens a namespace; `directory` is an empty directory's name for its private layers. */
export async function openNamespace(directory: string): Promise<Namespace> {
  await mkdir(directory, { recursive: true });
  const flags = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = spawn("unshare", [...flags, "bash", "-c", holder, "holder", directory], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout);
  const first = await Promise.race([once(lines, "line"), once(child, "exit")]);
  if (first[0] !== "ready") throw new Error(`the namespace cannot be made: exit ${first[0]}`);

  // unshare itself is in the new mount namespace, and names the pid namespace of its children.
  const proc = `/proc/${child.pid}`;
  const enter = [`--mount=${proc}/ns/mnt`, `--pid=${proc}/ns/pid_for_children`, "--"];
  const run = (command: string, args: readonly string[], options?: CommandOptions) =>
    runCommand("nsenter", [...enter, command, ...args], options);
  return {
    holder: child.pid ?? 0,
    path: (inside) => `${proc}/root${inside}`,
    run,
    start: (command, args, output, env = process.env) => startInside(enter, run, command, args, output, env),
    async close() {
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      lines.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startInside(
  enter: readonly string[],
  run: Namespace["run"],
  command: string,
  args: readonly string[],
  output: number,
  env: NodeJS.ProcessEnv,
): Promise<NamespaceProcess> {
  // The shell tells its number inside of the namespace and becomes the command.
  const script = 'echo $$ >&3; exec 3>&-; exec "$@"';
  const child = spawn("nsenter", [...enter, "/bin/sh", "-c", script, "sh", command, ...args], {
    env,
    stdio: ["ignore", output, output, "pipe"],
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on("exit", resolve);
    child.on("error", reject);
  });
  // The pipe's end never comes: nsenter, which waits for the command, holds it open, too.
  const pipe = child.stdio[3];
  const [told] = await Promise.race([once(pipe ?? child, "data"), once(child, "exit")]);
  pipe?.destroy();
  const [line] = /^\d+\n$/.exec(String(told)) ?? [];
  if (line === undefined) throw new Error(`${command} cannot be started in the namespace`);
  const pid = Number(line);
  return {
    pid,
    exited,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    async kill(signal) {
      await run("/bin/kill", ["-s", signal.replace("SIG", ""), String(pid)]);
      // nsenter stops itself with the command that it waits for.
      if (signal === "SIGCONT") child.kill(signal);
    },
  };
}
