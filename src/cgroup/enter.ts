import { cgroupRoot } from "./mountinfo.js";
import { aheadScript, enterScript, lengthDigits, perlSyscalls } from "./perl-scripts.js";
import { findTool, runTool, toolEnvironment } from "./tools.js";
import { ownDirectory } from "./tree.js";

/** A process to start, as the legacy room's SpawnOptions have it. */
export interface Command {
  /** The executable, absolute. */
  readonly path: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A way into a view: a program that enters the namespace, puts its own /proc files in place and becomes the plugin. */
export interface Entrance {
  readonly name: "perl" | "shell";
  /** Whether the plugin gets argv[0] as it was asked for, and not its path. */
  readonly exactArgv0: boolean;
  /** `keeper`: the pid that holds the namespace; `pid`: the container's, whose /proc/<pid>/cgroup is shown too. */
  wrap(command: Command, keeper: number, pid?: number): Command;
  /** The same way, gone before the command is known; undefined where that cannot be. */
  readonly ahead?: AheadEntrance;
}

/** A way in that a process goes ahead, to wait there for its command. */
export interface AheadEntrance {
  /** Enters, and waits for the command on its stdin. */
  wait(keeper: number): Command;
  /** The command, to come before the plugin's own stdin; undefined for one that no process can have. */
  encode(command: Command, pid?: number): Buffer | undefined;
}

const view = `${cgroupRoot}/${ownDirectory}`;

/**
 * The way by util-linux and a shell, for machines without Perl. nsenter has entered the namespace. mount runs once for all,
 * reading its table from the view. $$ is the plugin's pid, because exec keeps it.
 */
const shellScript = [
  `{ echo "${view}/mountinfo /proc/$$/mountinfo none bind 0 0"; echo "${view}/cgroup /proc/$$/cgroup none bind 0 0"; } >${view}/fstab`,
  `if [ -e "/proc/$1/cgroup" ]; then echo "${view}/container-cgroup /proc/$1/cgroup none bind,nofail 0 0" >>${view}/fstab; fi`,
  `PATH=${toolEnvironment.PATH} "$2" -n -a -T ${view}/fstab || exit 125`,
  `: >${view}/start || exit 125`,
  // What bash puts into the environment of what it becomes; its `_` and SHLVL cannot be kept out.
  "unset -v $3",
  "shift 3",
].join("\n");
/** A shell that takes longer is taken for one that cannot. */
const probeMs = 500;
/** Variables that a shell exports although it was not given them. */
const shellVariables = ["PWD", "OLDPWD"] as const;
const shellExec = 'path=$1; argv0=$2; shift 2; exec -a "$argv0" "$path" "$@"';
const plainExec = 'path=$1; shift 2; exec "$path" "$@"';

/** The best way into a view on this machine. */
export async function findEntrance(): Promise<Entrance | undefined> {
  return perlEntrance() ?? (await shellEntrance());
}

/** The way by Perl: one start of a program. */
export function perlEntrance(): Entrance | undefined {
  const perl = findTool("perl");
  const numbers = perlSyscalls[process.arch];
  if (perl === undefined || numbers === undefined) return undefined;
  return {
    name: "perl",
    exactArgv0: true,
    wrap: ({ path, argv0, args, env }, keeper, pid) => ({
      path: perl,
      argv0: "perl",
      args: ["-e", enterScript, ...numbers, keeper, pid ?? 0, "PERL_BADLANG" in env ? 1 : 0, path, argv0, ...args].map(
        String,
      ),
      // Else Perl complains on the plugin's stderr of a locale that is not installed. The script takes it out again.
      env: "PERL_BADLANG" in env ? env : { ...env, PERL_BADLANG: "0" },
    }),
    ahead: {
      wait: (keeper) => ({
        path: perl,
        argv0: "perl",
        args: ["-e", aheadScript, ...numbers, keeper].map(String),
        env: toolEnvironment,
      }),
      encode: encodeCommand,
    },
  };
}

function encodeCommand({ path, argv0, args, env }: Command, pid?: number): Buffer | undefined {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const fields = [`${pid ?? 0}`, path, `${variables.length}`, ...variables, argv0, ...args];
  if (fields.some((field) => field.includes("\0"))) return undefined;
  const text = Buffer.from(fields.join("\0"));
  const length = String(text.length).padStart(lengthDigits, "0");
  return length.length > lengthDigits ? undefined : Buffer.concat([Buffer.from(length), text]);
}

export async function shellEntrance(): Promise<Entrance | undefined> {
  const nsenter = findTool("nsenter");
  const mount = findTool("mount");
  if (nsenter === undefined || mount === undefined) return undefined;
  const naming = (await canNameItself("/bin/sh")) ? "/bin/sh" : findTool("bash");
  const shell = naming ?? "/bin/sh";
  const script = `${shellScript}\n${naming === undefined ? plainExec : shellExec}`;
  return {
    name: "shell",
    exactArgv0: naming !== undefined,
    wrap: ({ path, argv0, args, env }, keeper, pid) => ({
      path: nsenter,
      argv0: "nsenter",
      args: [`--mount=/proc/${keeper}/ns/mnt`, "--", shell, "-c", script, "sh", `${pid ?? ""}`, mount]
        .concat(shellVariables.filter((name) => !(name in env)).join(" "), path, argv0)
        .concat(args),
      env,
    }),
  };
}

/** bash, busybox and ksh take `exec -a`; dash does not. */
async function canNameItself(shell: string): Promise<boolean> {
  const run = await runTool(shell, ["-c", 'exec -a "$0" /bin/sh -c \'echo "$0"\'', "a name"], probeMs);
  return run.exited && run.status === 0 && run.stdout === "a name\n";
}
