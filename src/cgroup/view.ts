/**
 * A captured cgroup view: the bridge runs a plugin once in a mount namespace where /sys/fs/cgroup is a cgroup v1 tree
 * of plain files.
 *
 *     ahead      a keeper starts: unshare --mount, a tmpfs on /sys/fs/cgroup, a new cgroup's files as a template;
 *                some 10 ms
 *     open()     the bridge moves the template to the container's path, writes the values that are not the defaults,
 *                and the text of mountinfo
 *     command()  nsenter runs a shell that binds the texts over /proc/<own pid>/... and becomes the plugin by exec
 *     collect()  the bridge looks at the mtime of each file, and reads the files whose mtime is not the seed's, which
 *                is long ago
 *     close()    the keeper ends; the kernel removes the namespace with it, or with the last background process in it
 *
 * The keeper's stdin is a pipe that only the bridge holds, so the keeper ends when the bridge dies, even by kill -9.
 * No shell reads a text of a plugin, an event or conf.json as code: every such text is a positional parameter or the
 * content of a file.
 */

import { readFileSync, readSync, statfsSync } from "node:fs";
import { BridgeError, errorText } from "../base/errors.js";
import type { StartCommand } from "../plugin/start.js";
import { resolveCgroupsPath } from "./container-cgroup.js";
import { type CapturedChanges, collectChanges } from "./diff.js";
import type { Place } from "./fields.js";
import { findTool, type Keeper, namingShell, Reserves, systemPath } from "./keeper.js";
import type { Machine } from "./machine.js";
import {
  formatMountinfo,
  formatProcCgroup,
  notEntered,
  ownDirectory,
  ownFiles,
  placeTree,
  rewrite,
  type SeedFile,
  type SeedOptions,
  seed,
  seedFiles,
  templateFile,
  treeFiles,
} from "./tree.js";
import { cgroupRoot } from "./v1-files.js";

interface ViewRequest extends Omit<SeedOptions, "machine"> {
  /** The container's cgroupsPath from the event: a path, or systemd's `slice:prefix:name`. */
  readonly cgroupsPath: string;
  readonly place: Place;
}

type Command = Pick<StartCommand, "path" | "argv0" | "args" | "env">;

export interface View {
  /** The path of the container's cgroup in the view, for the plugin's request. */
  readonly cgroupsPath: string;
  /**
   * Returns the start command that runs the same plugin inside the view. The caller has to detect ENOEXEC beforehand, since the
   * program that the kernel executes first is now nsenter.
   */
  command<Options extends Command>(options: Options): Options;
  /**
   * Why the shell in the view did not execute the plugin; undefined if it did. `stderr`: the run's lines on stderr, of which the
   * last are the shell's message.
   */
  startError(stderr: readonly string[]): { readonly code: string; readonly detail?: string } | undefined;
  collect(): CapturedChanges;
  close(): void;
}

export class Views {
  private readonly template: readonly SeedFile[];
  private readonly reserves: Reserves;

  constructor(private readonly machine: Machine) {
    this.template = seedFiles({ machine });
    this.reserves = new Reserves(treeFiles(this.template, machine));
  }

  /** Fills the reserve of empty views. Never rejects. */
  warm(): Promise<void> {
    return this.reserves.fill();
  }

  /** @throws BridgeError ADJUSTMENT for a cgroupsPath that cannot be used, CGROUP_VIEW when no view can be made */
  async open(request: ViewRequest): Promise<View> {
    const cgroupsPath = resolveCgroupsPath(request.cgroupsPath);
    const keeper = await this.reserves.take();
    try {
      return this.fill({ ...request, cgroupsPath }, keeper);
    } catch (thrown) {
      this.reserves.leave(keeper);
      throw new BridgeError("CGROUP_VIEW", `cannot fill the captured cgroup view: ${errorText(thrown)}`);
    }
  }

  /** Ends the views in reserve. Open views go on. */
  close(): Promise<void> {
    return this.reserves.close();
  }

  private fill({ cgroupsPath, pid = 0, place, ...rest }: ViewRequest, keeper: Keeper): View {
    const fileOf = (path: string) => keeper.files.get(path) ?? -1;
    const start = fileOf(ownFiles.start);
    const root = `/proc/self/fd/${keeper.root}`;
    const seeds = seedFiles({ machine: this.machine, pid, ...rest }, this.template);
    const parents = placeTree(root, cgroupsPath, this.machine);
    for (const [index, one] of seeds.entries())
      if (this.template[index]?.content !== one.content) seed(fileOf(templateFile(one)), one.content);
    if (pid > 0) seed(fileOf(ownFiles.containerCgroup), formatProcCgroup(cgroupsPath));
    seed(fileOf(ownFiles.mountinfo), formatMountinfo(readFileSync("/proc/self/mountinfo", "utf8")));
    const freeInodes = statfsSync(root).ffree;
    return {
      cgroupsPath,
      command: (options) => {
        rewrite(start, notEntered);
        return { ...options, ...enterView(options, keeper.pid, pid) };
      },
      startError: (stderr) => {
        const buffer = Buffer.alloc(notEntered.length);
        const said = buffer.toString("latin1", 0, readSync(start, buffer, 0, buffer.length, 0)).trim();
        if (said === notEntered)
          return { code: "EPERM", detail: "the plugin could not enter its captured cgroup view" };
        if (!(Number(said) > 0)) return undefined;
        // POSIX: a failed exec has the status 127 for a program that the shell does not find, 126 for one that is not executable.
        const isBusy = stderr.slice(-2).some((line) => /text file busy$/i.test(line));
        return { code: said === "127" ? "ENOENT" : isBusy ? "ETXTBSY" : "EACCES" };
      },
      collect: () => collectChanges({ place, tree: keeper, cgroupsPath, seed: seeds, parents, freeInodes }),
      close: () => this.reserves.leave(keeper),
    };
  }
}

const view = `${cgroupRoot}/${ownDirectory}`;

/**
 * The shell script that runs in the view and becomes the plugin. mount runs once and binds all texts over /proc, by a table in the
 * view. exec keeps the shell's pid $$, which is thus the plugin's. A failed exec leaves its status in the view: bash goes on after
 * the failed exec, other shells run the trap and end. Positional parameters: the path of mount, the container's pid or an empty
 * text, the names of variables that the plugin must not get, the plugin's argv[0], path and arguments.
 */
const enterScript = [
  `{ echo "${view}/mountinfo /proc/$$/mountinfo none bind 0 0"; echo "${view}/cgroup /proc/$$/cgroup none bind 0 0"; } >${view}/fstab`,
  `if [ -e "/proc/$2/cgroup" ]; then echo "${view}/container-cgroup /proc/$2/cgroup none bind,nofail 0 0" >>${view}/fstab; fi`,
  `PATH=${systemPath} "$1" -n -a -T ${view}/fstab || exit 125`,
  `: >${view}/start || exit 125`,
  `trap 'echo $? >${view}/start' EXIT`,
  '[ -z "$BASH_VERSION" ] || shopt -s execfail',
  "unset -v $3",
  "shift 3",
  'exec -a "$@"',
  "exit",
].join("\n");

/** Variables that a shell exports even if they are not in its own environment. bash sets SHLVL again at its exec. */
const shellVariables = ["PWD", "OLDPWD", "SHLVL", "_"] as const;

/**
 * The command that runs a plugin in a view. `keeper`: the pid of the process that holds the view's namespace. `pid`: the
 * container's, whose /proc/<pid>/cgroup the view replaces too, or 0.
 */
function enterView({ path, argv0, args, env }: Command, keeper: number, pid: number): Command {
  const unset = shellVariables.filter((name) => !(name in env)).join(" ");
  const given = [findTool("mount") ?? "mount", pid > 0 ? `${pid}` : "", unset, argv0, path, ...args];
  return {
    path: findTool("nsenter") ?? "/usr/bin/nsenter",
    argv0: "nsenter",
    args: [`--mount=/proc/${keeper}/ns/mnt`, "--", ...namingShell(), "-c", enterScript, "sh", ...given],
    env,
  };
}
