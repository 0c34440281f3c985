import { cgroupRoot } from "./mountinfo.js";
import { findTool, toolEnvironment } from "./tools.js";
import { ownDirectory } from "./tree.js";

/** A process to start, as the legacy room's SpawnOptions have it. */
export interface Command {
  /** The executable, absolute. */
  readonly path: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const view = `${cgroupRoot}/${ownDirectory}`;

/**
 * nsenter has entered the namespace. mount runs once for all, reading its table from the view. $$ is the plugin's pid, because
 * exec keeps it. An exec that fails leaves its status in the view: bash goes on after it, other shells run the trap and end.
 *
 * Positional parameters: mount, the container's pid or nothing, the variables that the plugin was not given, argv[0], path, arguments.
 */
const enterScript = [
  `{ echo "${view}/mountinfo /proc/$$/mountinfo none bind 0 0"; echo "${view}/cgroup /proc/$$/cgroup none bind 0 0"; } >${view}/fstab`,
  `if [ -e "/proc/$2/cgroup" ]; then echo "${view}/container-cgroup /proc/$2/cgroup none bind,nofail 0 0" >>${view}/fstab; fi`,
  `PATH=${toolEnvironment.PATH} "$1" -n -a -T ${view}/fstab || exit 125`,
  `: >${view}/start || exit 125`,
  `trap 'echo $? >${view}/start' EXIT`,
  '[ -z "$BASH_VERSION" ] || shopt -s execfail',
  "unset -v $3",
  "shift 3",
  'exec -a "$@"',
  "exit",
].join("\n");

/** Variables that a shell exports although it was not given them. bash's SHLVL comes back at its exec. */
const shellVariables = ["PWD", "OLDPWD", "SHLVL", "_"] as const;

/** A shell that can name what it becomes, with what it needs to read no file and no function from its environment. */
export function namingShell(): readonly [path: string, ...args: string[]] {
  const bash = findTool("bash");
  return bash === undefined ? ["/bin/sh"] : [bash, "-p"];
}

/**
 * The same command in a view: nsenter enters the namespace, and a shell puts the view's texts over its own files in /proc and
 * becomes the plugin. `keeper`: the pid that holds the namespace; `pid`: the container's, whose /proc/<pid>/cgroup is shown too.
 */
export function enterView({ path, argv0, args, env }: Command, keeper: number, pid?: number): Command {
  const unset = shellVariables.filter((name) => !(name in env)).join(" ");
  const script = ["-c", enterScript, "sh", findTool("mount") ?? "mount", `${pid ?? ""}`, unset, argv0, path, ...args];
  return {
    path: findTool("nsenter") ?? "/usr/bin/nsenter",
    argv0: "nsenter",
    args: [`--mount=/proc/${keeper}/ns/mnt`, "--", ...namingShell(), ...script],
    env,
  };
}
