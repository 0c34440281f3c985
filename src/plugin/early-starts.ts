import { setTimeout as sleep } from "node:timers/promises";
import { type Deadline, within } from "../base/deadline.js";
import { attempt } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import { blockedReads, readLink } from "../host/proc.js";
import type { StartFault } from "./spawner.js";
import type { StartCommand, Started, Starter } from "./start.js";

/** A plugin that waits for its request reads its stdin at most this long after its start, in milliseconds. */
const proofMs = 50;
/**
 * After this many failed proofs, or this many early processes in a row that waited for too long, the bridge starts this file early
 * no more. One failure proves nothing: the machine may be busy, or an interpreter's files not in memory yet.
 */
const mostProofs = 3;
/**
 * The longest time that a run waits for an early start to finish, in milliseconds. A start normally takes far less, unless the
 * thread that starts the process waits for something else, such as a disk.
 */
const startMs = 500;
/**
 * The bridge ends a process that has waited for its request this long, in milliseconds: the process may hold a lock that the plugin
 * before it in the chain waits for, or have a limit of its own for the wait.
 */
const mostWaitMs = 500;
/** No wait of `proofMs` or `startMs` takes more than this fraction of the run's remaining time. */
const share = 0.1;

/**
 * A starter that can start a plugin's process while the bridge still makes the request, so that what the process does before it
 * reads its stdin costs the call no time. Only for plugins that have been seen to wait for their request first, since the bridge
 * kills an early process that it does not need.
 */
export class EarlyStarts implements Starter {
  /**
   * What is known of a plugin, by its argv[0]. `file`: its path and stamp. `failed`: the number of runs in which its process did
   * not read stdin in time; null once a process did. `overdue`: the number of its early processes in a row that waited for their
   * request for too long.
   */
  private readonly known = new Map<
    string,
    { readonly file: string; readonly failed: number | null; overdue: number }
  >();

  /**
   * An early start is under way. There is only one at a time: each takes a thread of libuv's pool, and a disk may block them all.
   */
  private starting = false;

  constructor(private readonly starter: Starter) {}

  startEarly(command: StartCommand): EarlyStart | undefined {
    const known = this.known.get(command.argv0);
    if (this.starting || known?.failed !== null || known.overdue >= mostProofs) return undefined;
    const { file } = known;
    if (command.startAhead !== 0 || fileOf(command) !== file) return undefined;
    this.starting = true;
    const starting = this.starter.start(command).finally(() => {
      this.starting = false;
    });
    return new EarlyStart(command, file, starting, known);
  }

  /** For a file not seen before, `give` holds the request back until the process waits for it: this is the proof that it does. */
  async start(command: StartCommand): Promise<Started | StartFault> {
    const file = fileOf(command);
    const before = this.known.get(command.argv0);
    const failed = before?.file === file ? before.failed : 0;
    const started = await this.starter.start(command);
    if (command.startAhead !== 0 || failed === null || failed >= mostProofs || "code" in started) return started;
    const { pid, process } = started;
    return {
      pid,
      abandon: () => started.abandon(),
      give: async (request, options) => {
        const until = atMost(proofMs, options.terminateAt);
        const ended = process?.exited.then(() => false) ?? new Promise<never>(() => {});
        const isWaiting = await Promise.race([waitsForStdin(pid, until), ended]);
        const isProven = isWaiting && fileOf(command) === file;
        this.known.set(command.argv0, { file, failed: isProven ? null : failed + 1, overdue: 0 });
        return started.give(request, options);
      },
    };
  }

  close(): Promise<void> {
    return this.starter.close();
  }
}

/** A process that waits for a request which the bridge is still making. */
export class EarlyStart {
  private over = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly command: StartCommand,
    private readonly file: string,
    private readonly starting: Promise<Started | StartFault>,
    private readonly waits: { overdue: number },
  ) {
    const end = () => {
      waits.overdue += 1;
      this.abandon();
    };
    this.timer = setTimeout(end, mostWaitMs).unref();
    void starting.then((started) => {
      if (!("code" in started)) void started.process?.exited.then(() => this.abandon());
    });
  }

  /**
   * The process, when `command` executes the same file as at the early start. Otherwise this ends the process and returns null: the
   * caller then starts another one.
   */
  async take(command: StartCommand, terminateAt: Deadline): Promise<Started | null> {
    const started = await this.startedFor(command, terminateAt);
    if (started === null) this.abandon();
    else {
      this.settle();
      this.waits.overdue = 0;
    }
    return started;
  }

  private async startedFor(command: StartCommand, terminateAt: Deadline): Promise<Started | null> {
    // The bridge knows which file the process executes only when the file was the same before and after the start.
    if (this.over || command.path !== this.command.path || fileOf(command) !== this.file) return null;
    const started = await within(atMost(startMs, terminateAt), this.starting, () => null);
    if (this.over || started === null || "code" in started || started.process?.hasEnded()) return null;
    return started;
  }

  /** Ends the process without a request, unless `take` has returned it. */
  abandon(): void {
    if (this.over) return;
    this.settle();
    void this.starting.then((started) => ("code" in started ? undefined : started.abandon()));
  }

  private settle(): void {
    this.over = true;
    clearTimeout(this.timer);
  }
}

function atMost(ms: number, terminateAt: Deadline): Deadline {
  return terminateAt.within(Math.min(ms, terminateAt.remainingMs() * share));
}

function fileOf({ path }: StartCommand): string {
  return `${path} ${attempt(() => fileStamp(path))}`;
}

/** Whether, by `until`, the process waits in a read of its stdin, and that is the pipe or socket from the bridge. */
async function waitsForStdin(pid: number, until: Deadline): Promise<boolean> {
  while (!blockedReads(pid, "/proc").includes(0)) {
    if (until.expired) return false;
    await sleep(1);
  }
  return /^(pipe|socket):/.test(readLink(`/proc/${pid}/fd/0`) ?? "");
}
