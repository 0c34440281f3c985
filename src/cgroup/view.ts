/**
 * A captured cgroup view: one run of a plugin in a mount namespace where /sys/fs/cgroup is a cgroup v1 tree of plain files.
 *
 * What is done when:
 *
 *     ahead      keeper: unshare --mount, a tmpfs of limited size on /sys/fs/cgroup, the files of a new cgroup as a
 *                template, then it waits for the end of its stdin           (some 10 ms)
 *                enterer: setns, bind the texts over /proc/<own pid>/{mountinfo,cgroup}, then it waits for its command
 *     open()     template moved to the container's path, the values that are not the defaults, the text of mountinfo
 *     ahead()    what the enterer is to be given: the plugin's command, which it becomes by exec, before the plugin's stdin
 *     collect()  one fstat for each file; what has another mtime than the seed's is read
 *     close()    some time later the keeper ends, and the namespace with it, or with the last background process in it
 *
 * Where nobody could go ahead, or he has died, the plugin's command is wrapped in one that enters when it is started
 * (`command()`): some milliseconds more.
 *
 * Why so:
 * - A mount made by a run costs a start of mount(8), a tree that the run unpacks another one, and entering one of Perl: all is
 *   done ahead. The binds over /proc/<own pid> need the pid of the plugin, which exec keeps.
 * - Nothing is ever mounted on the machine. The stdin of both is a pipe that only the bridge holds, so the bridge's death,
 *   kill -9 too, ends them; no file lies anywhere else than on that tmpfs.
 * - The bridge reads the tree through a descriptor of its root. That keeps the file system when all processes of the view
 *   have gone, so a result can be read after the plugin's end without a race.
 * - Propagation is `slave`, not `private`: a view in reserve sees what the machine mounts meanwhile, and does not keep busy
 *   what the machine unmounts. Where the root mount is private, a reserve is thrown away when the mounts have changed.
 * - The template's files have an mtime long ago. A write sets it, however short it is after the seeding: clocks of file
 *   systems tick in milliseconds.
 *
 * No text of a plugin, an event or conf.json is read by a shell or by Perl: their scripts are constant, and all that varies is
 * a positional parameter, the content of a file, or what a pipe brings as data.
 */
import { readFileSync, readSync, statfsSync } from "node:fs";
import { getSystemErrorName } from "node:util";

import { BridgeError, errorText } from "../errors.js";
import type { LinuxResources } from "../oci/resources.js";
import { resolveCgroupsPath } from "./cgroups-path.js";
import { type CapturedChanges, collectChanges } from "./diff.js";
import type { Command, Entrance } from "./enter.js";
import type { Machine } from "./machine.js";
import { formatMountinfo, formatProcCgroup } from "./mountinfo.js";
import { type Enterer, Reserves, type Room } from "./reserves.js";
import { fillSeed, type SeedFile, seedFiles } from "./seed.js";
import { notEntered, ownFiles, placeTree, rewrite, templateFileOf, treeFiles, writeSeed } from "./tree.js";

export interface ViewsOptions<Process extends Enterer> {
  readonly machine: Machine;
  readonly entrance: Entrance;
  /** How many empty views wait for their runs at first. Default 1. */
  readonly reserve?: number;
  /** Starts a process that waits on its stdin; undefined when it cannot. Without it nobody enters a view ahead. */
  readonly prepare?: (command: Command) => Promise<Process | undefined>;
}

export interface ViewRequest {
  /** The container's, as the event has it: a path, or systemd's `slice:prefix:name`. */
  readonly cgroupsPath: string;
  /** What the container has so far: with what earlier plugins of the chain asked for, as they would have written it. */
  readonly resources: LinuxResources;
  /** The container's process, where there is one. */
  readonly pid?: number;
}

export interface View<Process = unknown> {
  /** The path of the container's cgroup in the view, for the plugin's request. */
  readonly cgroupsPath: string;
  /**
   * The process that went into the view ahead, and what makes it the same run: the command before the plugin's own stdin.
   * undefined when there is none, or the command cannot be told it.
   */
  ahead(options: Run): { readonly process: Process; readonly stdin: Uint8Array } | undefined;
  /** The same run inside the view. ENOEXEC has to be looked for before: what is executed now is the wrapper. */
  command<Options extends Command>(options: Options): Options;
  /**
   * After a run: why the plugin was not executed, as SpawnResult has it; undefined when it was. For a run that was ended by
   * its deadline it says EPERM where the wrapper had not come so far. By a shell, a failed exec is only an exit code 126 or 127.
   */
  startError(): { readonly code: string; readonly detail?: string } | undefined;
  /** What the plugin has written. */
  collect(): CapturedChanges;
  /** Lets go of the view, which is nobody's then; it goes away soon after. */
  close(): void;
}

/** A command with its stdin, as the legacy room's SpawnOptions have it. */
interface Run extends Command {
  readonly stdin: Uint8Array;
}

/** Makes views, some of them ahead. */
export class Views<Process extends Enterer = Enterer> {
  private readonly template: readonly SeedFile[];
  private readonly reserves: Reserves<Process>;

  constructor(private readonly options: ViewsOptions<Process>) {
    const { machine, entrance, prepare, reserve = 1 } = options;
    this.template = seedFiles({ machine, resources: {} });
    const { ahead } = entrance;
    const enter = ahead && prepare && ((keeper: number) => prepare(ahead.wait(keeper)));
    this.reserves = new Reserves({ files: treeFiles(this.template, machine), enter, count: reserve });
  }

  /** Makes the reserve, so that the first run need not wait. Never rejects. */
  warm(): Promise<void> {
    return this.reserves.fill();
  }

  /** @throws BridgeError ADJUSTMENT for a cgroupsPath that cannot be used, CGROUP_VIEW when no view can be made */
  async open(request: ViewRequest): Promise<View<Process>> {
    const cgroupsPath = resolveCgroupsPath(request.cgroupsPath);
    const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
    const room = await this.reserves.take(mountinfo);
    let left = false;
    const leave = (): void => {
      if (!left) this.reserves.leave(room);
      left = true;
    };
    try {
      return openView(this.options, this.template, { ...request, cgroupsPath }, room, mountinfo, leave);
    } catch (thrown) {
      leave();
      throw new BridgeError("CGROUP_VIEW", `the captured cgroup view cannot be filled: ${errorText(thrown)}`);
    }
  }

  /** Lets go of the reserve, and of what was let go of. Open views go on. */
  close(): Promise<void> {
    return this.reserves.close();
  }
}

function openView<Process extends Enterer>(
  { machine, entrance }: ViewsOptions<Process>,
  template: readonly SeedFile[],
  { cgroupsPath, resources, pid }: ViewRequest,
  { keeper, enterer }: Room<Process>,
  mountinfo: string,
  leave: () => void,
): View<Process> {
  const root = `/proc/self/fd/${keeper.root}`;
  const fileOf = (path: string): number => {
    const descriptor = keeper.files.get(path);
    if (descriptor === undefined) throw new BridgeError("INTERNAL", `no file ${path} is seeded`);
    return descriptor;
  };
  const seed = fillSeed(template, resources, pid);
  const parents = placeTree(root, cgroupsPath, machine);
  for (const [index, { directory, file, content }] of seed.entries()) {
    if (template[index]?.content !== content) writeSeed(fileOf(templateFileOf({ directory, file })), content);
  }
  if (pid !== undefined) rewrite(fileOf(ownFiles.containerCgroup), formatProcCgroup(cgroupsPath));
  rewrite(fileOf(ownFiles.mountinfo), formatMountinfo(mountinfo));
  const { directories, files, lastInode } = keeper;
  const freeInodes = statfsSync(root).ffree;
  return {
    cgroupsPath,
    ahead: (options) => {
      const command = entrance.ahead?.encode(options, pid);
      if (enterer === undefined || command === undefined) return undefined;
      return { process: enterer, stdin: Buffer.concat([command, options.stdin]) };
    },
    command: (options) => ({ ...options, ...entrance.wrap(options, keeper.pid, pid) }),
    startError: () => {
      const said = readSmall(fileOf(ownFiles.start));
      if (said === notEntered) return { code: "EPERM", detail: "its captured cgroup view could not be entered" };
      return Number(said) > 0 ? { code: getSystemErrorName(-Number(said)) } : undefined;
    },
    collect: () => collectChanges({ root, cgroupsPath, directories, files, seed, parents, freeInodes, lastInode }),
    close: leave,
  };
}

/** Our file of a few bytes; what a plugin made of it is cut. */
function readSmall(descriptor: number): string {
  const buffer = Buffer.alloc(64);
  return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
}
