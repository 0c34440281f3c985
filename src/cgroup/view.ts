/**
 * A captured cgroup view: one run of a plugin in a mount namespace where /sys/fs/cgroup is a cgroup v1 tree of plain files.
 *
 * What is done when:
 *
 *     ahead      keeper: unshare --mount, a tmpfs of limited size on /sys/fs/cgroup, the files of a new cgroup as a
 *                template, then it waits for the end of its stdin           (some 10 ms)
 *     open()     template renamed to the container's path, the values that are not the defaults, the texts for /proc
 *     command()  the plugin's command in a wrapper: setns, bind the texts over /proc/<own pid>/{mountinfo,cgroup}, exec
 *     collect()  one lstat for each file; what has another mtime than the seed's is read
 *     close()    the keeper ends, and the namespace with it, or with the last background process in it
 *
 * Why so:
 * - A mount made by a run costs a start of mount(8), and a tree that the run unpacks another one: both are done ahead. Only
 *   the binds over /proc/<own pid> cannot be, because nobody knows the pid before.
 * - Nothing is ever mounted on the machine. The keeper's stdin is a pipe that only the bridge holds, so the bridge's death,
 *   kill -9 too, ends it; no file lies anywhere else than on that tmpfs.
 * - The bridge reads the tree through a descriptor of its root. That keeps the file system when all processes of the view
 *   have gone, so a result can be read after the plugin's end without a race.
 * - Propagation is `slave`, not `private`: a view in reserve sees what the machine mounts meanwhile, and does not keep busy
 *   what the machine unmounts. Where the root mount is private, a reserve is thrown away when the mounts have changed.
 * - The template's files have an mtime long ago. A write sets it, however short it is after the seeding: clocks of file
 *   systems tick in milliseconds.
 *
 * No text of a plugin, an event or conf.json is read by a shell or by Perl: their scripts are constant, and all that varies is
 * a positional parameter or the content of a file.
 */
import {
  closeSync,
  constants,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { getSystemErrorName } from "node:util";

import { BridgeError, errorText } from "../errors.js";
import type { LinuxResources } from "../oci/resources.js";
import { resolveCgroupsPath } from "./cgroups-path.js";
import { hierarchies } from "./controllers.js";
import { type CapturedChanges, collectChanges } from "./diff.js";
import type { Command, Entrance } from "./enter.js";
import { type Keeper, ownDirectory, startKeeper, templateDirectory, untouchedTime } from "./keeper.js";
import type { Machine } from "./machine.js";
import { formatMountinfo, formatProcCgroup } from "./mountinfo.js";
import { fillSeed, parentFiles, type SeedFile, seedFiles } from "./seed.js";

export interface ViewsOptions {
  readonly machine: Machine;
  readonly entrance: Entrance;
  /** How many empty views wait for their runs: as many as a chain has captured plugins. Default 1. */
  readonly reserve?: number;
}

export interface ViewRequest {
  /** The container's, as the event has it: a path, or systemd's `slice:prefix:name`. */
  readonly cgroupsPath: string;
  /** What the container has so far: with what earlier plugins of the chain asked for, as they would have written it. */
  readonly resources: LinuxResources;
  /** The container's process, where there is one. */
  readonly pid?: number;
}

export interface View {
  /** The path of the container's cgroup in the view, for the plugin's request. */
  readonly cgroupsPath: string;
  /** The same run inside the view. ENOEXEC has to be looked for before: what is executed now is the wrapper. */
  command<Options extends Command>(options: Options): Options;
  /**
   * After a run: why the plugin was not executed, as SpawnResult has it; undefined when it was. For a run that was ended by
   * its deadline it says EPERM where the wrapper had not come so far. By a shell, a failed exec is only an exit code 126 or 127.
   */
  startError(): { readonly code: string; readonly detail?: string } | undefined;
  /** What the plugin has written. */
  collect(): CapturedChanges;
  /** Lets go of the view. Never rejects. */
  close(): Promise<void>;
}

/** A new reserve is made when the run that took the last one has had its time: making it takes some of ours. */
const refillAfterMs = 50;

/** Makes views, some of them ahead. */
export class Views {
  private readonly template: readonly SeedFile[];
  private readonly reserves: Promise<Reserve>[] = [];
  private refilling: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: ViewsOptions) {
    this.template = seedFiles({ machine: options.machine, resources: {} });
  }

  /** Makes the reserve, so that the first run need not wait. Never rejects. */
  async warm(): Promise<void> {
    const count = this.options.reserve ?? 1;
    while (!this.closed && this.reserves.length < count) this.reserves.push(this.make());
    await Promise.allSettled(this.reserves);
  }

  /** @throws BridgeError ADJUSTMENT for a cgroupsPath that cannot be used, CGROUP_VIEW when no view can be made */
  async open(request: ViewRequest): Promise<View> {
    const cgroupsPath = resolveCgroupsPath(request.cgroupsPath);
    const mountinfo = readMountinfo();
    const keeper = await this.take(mountinfo);
    try {
      return openView(this.options, this.template, { ...request, cgroupsPath }, keeper, mountinfo);
    } catch (thrown) {
      await keeper.close();
      throw new BridgeError("CGROUP_VIEW", `the captured cgroup view cannot be filled: ${errorText(thrown)}`);
    }
  }

  /** Lets go of the reserve. Open views go on. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.refilling);
    const reserves = await Promise.allSettled(this.reserves.splice(0));
    await Promise.all(reserves.map((made) => made.status === "fulfilled" && made.value.keeper.close()));
  }

  private async take(mountinfo: string): Promise<Keeper> {
    if (this.closed) throw new BridgeError("CGROUP_VIEW", "captured cgroup views are closed");
    clearTimeout(this.refilling);
    this.refilling = setTimeout(() => void this.warm(), refillAfterMs).unref();
    const reserve = await this.reserves.shift()?.catch(() => undefined);
    if (reserve === undefined) return startKeeper(this.template);
    if (reserve.keeper.isAlive() && (reserve.mountinfo === mountinfo || followsMachine(mountinfo)))
      return reserve.keeper;
    await reserve.keeper.close();
    return startKeeper(this.template);
  }

  private async make(): Promise<Reserve> {
    const mountinfo = readMountinfo();
    return { keeper: await startKeeper(this.template), mountinfo };
  }
}

function readMountinfo(): string {
  return readFileSync("/proc/self/mountinfo", "utf8");
}

interface Reserve {
  readonly keeper: Keeper;
  /** Of the moment when its namespace was made. */
  readonly mountinfo: string;
}

/** Whether new mounts reach a namespace made before: the root mount is shared, or a slave itself. */
function followsMachine(mountinfo: string): boolean {
  return mountinfo.split("\n").some((line) => {
    const fields = line.split(" ");
    return (
      fields[4] === "/" && fields.slice(6, fields.indexOf("-", 6)).some((field) => /^(shared|master):/.test(field))
    );
  });
}

/** Stands in the view until the wrapper is about to execute the plugin; then it is emptied, or holds an error number. */
const notEntered = "not entered";

function openView(
  { machine, entrance }: ViewsOptions,
  template: readonly SeedFile[],
  { cgroupsPath, resources, pid }: ViewRequest,
  keeper: Keeper,
  mountinfo: string,
): View {
  const root = `/proc/self/fd/${keeper.root}`;
  const seed = fillSeed(template, resources, pid);
  const parents = parentFiles(machine, cgroupsPath);
  const directories = new Map<string, number>();
  const closeAll = (): void => {
    for (const descriptor of directories.values()) closeSync(descriptor);
    directories.clear();
  };
  try {
    for (const { directory } of hierarchies) {
      const path = `${root}/${directory}${cgroupsPath}`;
      mkdirSync(dirname(path), { recursive: true });
      renameSync(`${root}/${templateDirectory}/${directory}`, path);
      directories.set(directory, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
    }
    for (const [index, { directory, file, content }] of seed.entries()) {
      if (template[index]?.content !== content) writeSeed(`${root}/${directory}${cgroupsPath}/${file}`, content);
    }
    for (const { path, content } of parents) writeSeed(`${root}/${path}`, content);
    writeFileSync(`${root}/${ownDirectory}/start`, notEntered);
    writeFileSync(`${root}/${ownDirectory}/cgroup`, formatProcCgroup());
    writeFileSync(`${root}/${ownDirectory}/container-cgroup`, formatProcCgroup(cgroupsPath));
    writeFileSync(`${root}/${ownDirectory}/mountinfo`, formatMountinfo(mountinfo));
  } catch (thrown) {
    closeAll();
    throw thrown;
  }
  const freeInodes = statfsSync(root).ffree;
  const lastInode = lstatSync(`${root}/${ownDirectory}/mountinfo`).ino;
  let closing: Promise<void> | undefined;
  return {
    cgroupsPath,
    command: (options) => ({ ...options, ...entrance.wrap(options, keeper.pid, pid) }),
    startError: () => {
      const said = readFileSync(`${root}/${ownDirectory}/start`, "latin1");
      if (said === notEntered) return { code: "EPERM", detail: "its captured cgroup view could not be entered" };
      return Number(said) > 0 ? { code: getSystemErrorName(-Number(said)) } : undefined;
    },
    collect: () =>
      collectChanges({
        root,
        cgroupsPath,
        directories,
        seed,
        parents: parents.map(({ path }) => path),
        freeInodes,
        lastInode,
      }),
    close: () => {
      closing ??= Promise.resolve(closeAll()).then(() => keeper.close());
      return closing;
    },
  };
}

function writeSeed(path: string, content: string): void {
  const descriptor = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    writeSync(descriptor, content);
    futimesSync(descriptor, untouchedTime, untouchedTime);
  } finally {
    closeSync(descriptor);
  }
}
